"""What the house is like now, as Home Assistant says it: a fold over its changes, whatever is stored of them.

Six domains count; a change of any other costs one look at the beginning of its entity_id. Of an entity a few words are
kept, copied, for a raw part of a change keeps its whole frame alive. Who removes an entity, or gives it another name,
has Home Assistant say that the old one is gone.

A session begins with everything that is there. What it does not name when its snapshot is through went while nobody
listened. That snapshot was taken a moment before it comes, so of an entity that was heard of since it is the past:

    get_states ──▶ light off (live) ──▶ light removed (live) ──▶ light on (snapshot): neither
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from operator import itemgetter
from typing import Generic, TypeAlias, TypeVar

import msgspec
from attrs import define, field
from msgspec import Raw, Struct

from ingest.core.judged import Judged
from ingest.core.room import make_room
from ingest.core.state import Change, Source, State

T = TypeVar("T")

LONGEST = 255
"""Characters of a name or state: as many as Home Assistant allows a state."""

HOTTEST = 1e6
"""What is beyond that is no temperature."""

# Python 3.11 takes 0.1 µs to find an enum's member.
_snapshot = Source.SNAPSHOT


class Thermostat(Struct, frozen=True, gc=False):
    """A climate entity. Temperatures in the home's unit, None where it says none."""

    name: str
    mode: str
    current: float | None
    target: float | None


class Named(Struct, frozen=True, gc=False):
    """A person or a binary sensor. `device_class` is empty where there is none."""

    name: str
    state: str
    device_class: str = ""


class Looks(Struct, frozen=True, gc=False):
    """The attributes that are looked at, of whatever type they came."""

    friendly_name: object = None
    device_class: object = None
    current_temperature: object = None
    temperature: object = None


_entity_id = itemgetter(0)
_looks = msgspec.json.Decoder(Looks)
_PLAIN = Looks()


class Seen(Struct, Generic[T], gc=False):
    """An entity: the session that named it last, when it was updated, and what is shown of it."""

    session: int
    at: datetime
    shown: T


@define(eq=False)
class Table(Generic[T]):
    """The entities of a domain.

    `version` is another one whenever something is shown that was not before.
    """

    read: Callable[[State], T]
    entities: dict[str, Seen[T]] = field(factory=dict)
    version: int = 0

    def put(self, entity_id: str, state: State, session: int) -> bool:
        """What the entity is now. True when that is news."""
        known, shown = self.entities.get(entity_id), self.read(state)
        if known is None:
            self.entities[entity_id] = Seen(session, state.last_updated, shown)
            return self._changed(True)
        before, known.session, known.at, known.shown = known.shown, session, state.last_updated, shown
        return self._changed(before != shown)

    def remove(self, entity_ids: Iterable[str]) -> bool:
        """They are gone. True when one of them was there."""
        before = len(self.entities)
        for entity_id in entity_ids:
            self.entities.pop(entity_id, None)
        return self._changed(len(self.entities) != before)

    def stale(self, session: int) -> list[str]:
        """The entities that this session did not name."""
        return [entity_id for entity_id, seen in self.entities.items() if seen.session != session]

    def is_past(self, entity_id: str, at: datetime, session: int) -> bool:
        """True when this session told something newer of the entity."""
        known = self.entities.get(entity_id)
        return known is not None and known.session == session and known.at > at

    def shown(self) -> list[tuple[str, T]]:
        """Every entity, in the order of the entity_ids."""
        return [(entity_id, seen.shown) for entity_id, seen in sorted(self.entities.items(), key=_entity_id)]

    def _changed(self, changed: bool) -> bool:
        self.version += changed
        return changed


AnyTable: TypeAlias = Table[Thermostat] | Table[Named] | Table[str]


def _state(state: State) -> str:
    return state.state[:LONGEST]


def _thermostat(state: State) -> Thermostat:
    looks = _look(state.attributes)
    current, target = _number(looks.current_temperature), _number(looks.temperature)
    return Thermostat(_name(looks, state), _state(state), current, target)


def _named(state: State) -> Named:
    looks = _look(state.attributes)
    device_class = looks.device_class if isinstance(looks.device_class, str) else ""
    return Named(_name(looks, state), _state(state), device_class[:LONGEST])


def _look(attributes: Raw) -> Looks:
    try:
        return _looks.decode(attributes)
    except (msgspec.DecodeError, RecursionError):
        return _PLAIN


def _name(looks: Looks, state: State) -> str:
    name = looks.friendly_name
    return name[:LONGEST] if isinstance(name, str) and name else state.entity_id


def _number(value: object) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < HOTTEST:
        return value
    return None


@define(eq=False)
class House:
    """The entities that the house status is about, at most `limit`; of those that went, when, until a snapshot is through.

    `seeded` is the session whose snapshot came through last: 0 before there is one. `changes` counts what was news.
    """

    limit: int = 20_000
    climate: Table[Thermostat] = field(factory=lambda: Table(_thermostat))
    people: Table[Named] = field(factory=lambda: Table(_named))
    lights: Table[str] = field(factory=lambda: Table(_state))
    sensors: Table[Named] = field(factory=lambda: Table(_named))
    switches: Table[str] = field(factory=lambda: Table(_state))
    automations: Table[str] = field(factory=lambda: Table(_state))
    session: int = 0
    seeded: int = 0
    changes: int = 0
    _missed_in: int = -1
    _gone: dict[str, datetime] = field(factory=dict)
    _tables: dict[str, AnyTable] = field(init=False)
    _prefixes: tuple[str, ...] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._tables = {
            "climate": self.climate,
            "person": self.people,
            "light": self.lights,
            "binary_sensor": self.sensors,
            "switch": self.switches,
            "automation": self.automations,
        }
        self._prefixes = tuple(f"{domain}." for domain in self._tables)

    @property
    def complete(self) -> bool:
        """False when something of it was not heard, could not be read, or had no place since the session began."""
        return self._missed_in < self.seeded

    def take(self, judged: Judged, session: int) -> None:
        """Changes of one session, in order. They raise nothing, whatever is in them."""
        self.enter(session)
        for change in judged.changes:
            entity_id = change.data.entity_id
            if entity_id.startswith(self._prefixes):
                table = self._tables[entity_id.partition(".")[0]]
                self.changes += self._hear(table, entity_id, change, judged.source)

    def enter(self, session: int) -> None:
        """What comes now is of this session."""
        if session != self.session:
            self.session = session
            self._gone.clear()

    def settle(self) -> None:
        """The session's snapshot is through: what it did not name is gone."""
        for table in self._tables.values():
            self.changes += table.remove(table.stale(self.session))
        self._gone.clear()
        self.seeded = self.session
        self.changes += 1

    def miss(self, session: int, entity_ids: Iterable[str] | None = None) -> None:
        """Something was said of these (None: nobody knows of whom) in that session, and did not reach us."""
        if entity_ids is None or any(each.partition(".")[0] in self._tables for each in entity_ids):
            self._missed_in = max(self._missed_in, session)
            self.changes += 1

    def _hear(self, table: AnyTable, entity_id: str, change: Change, source: Source) -> bool:
        new = change.data.new_state
        if new is None:
            self._bury(entity_id, change.time_fired)
            return table.remove([entity_id])
        if source is _snapshot and self._is_past(table, entity_id, new.last_updated):
            return False
        if entity_id not in table.entities and self._is_full():
            self.miss(self.session, [entity_id])
            return False
        return table.put(entity_id, new, self.session)

    def _is_full(self) -> bool:
        return sum(len(table.entities) for table in self._tables.values()) >= self.limit

    def _bury(self, entity_id: str, at: datetime) -> None:
        make_room(self._gone, self.limit)
        self._gone[entity_id] = at

    def _is_past(self, table: AnyTable, entity_id: str, at: datetime) -> bool:
        went = self._gone.get(entity_id)
        return (went is not None and at <= went) or table.is_past(entity_id, at, self.session)
