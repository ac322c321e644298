"""A home: entities that behave plausibly over a day, repeatable from a seed, without a clock of its own.

`advance` lets time pass and yields what changed; `set`, `remove`, `act` are what somebody does to it from outside, at
the home's own time. Whoever stops reading `advance` half-way has a home that stands in the middle of a day: that is how
the server replays a day slowly, and why a snapshot taken meanwhile holds nothing newer than the events to come.

While Home Assistant is down (`stop` until `restore`) the home lives on unobserved.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import islice
from random import Random
from typing import Any

from ingest.simulator import rooms
from ingest.simulator.acts import NOTHING, Act, Do
from ingest.simulator.history import Past, Row
from ingest.simulator.ids import Ulids, hex_id
from ingest.simulator.life import life
from ingest.simulator.registry import Registry
from ingest.simulator.values import DAY, SECOND, Change, Entity, State, encode, micros, moment

UNAVAILABLE = "unavailable"


class Home:
    """A home of `entities` entities, first seen at `start`. It remembers `history` of every entity's states.

    With `remember` it keeps every change it ever made, the creation of each entity at the start included, for `truth`.
    """

    def __init__(
        self,
        seed: int,
        entities: int,
        start: datetime,
        *,
        history: timedelta = timedelta(hours=24),
        remember: bool = False,
    ) -> None:
        self.seed = seed
        self.start = micros(start)
        self.registry = Registry(seed, self.start, rooms.entities(entities))
        self.states: dict[str, State] = {}
        self.user_id = hex_id(seed, "owner")
        self.past = Past(history // timedelta(microseconds=1))
        self._moving: dict[str, dict[str, Any]] = {}
        self.clock: Callable[[], datetime] | None = None
        """The wall clock of whoever runs the home: when something done from outside happens, once nothing is due."""
        self._lost: dict[str, str] = {}
        self._waiting: deque[str] = deque()
        self._down = False
        self._truth: list[Change] | None = None
        self._contexts = Ulids(seed)
        # The house wakes up at midnight, unseen: at `start` its people are where the hour puts them.
        self.now = self.start - self.start % DAY
        self._create()
        self._acts = life(seed, self.now, self.start, tuple(self.registry.entities.values()))
        self._next = next(self._acts)
        for _ in self.advance(start):
            pass
        self._remember(remember)

    def _create(self) -> None:
        spread = Random(f"{self.seed}:begin")  # noqa: S311  a home is repeatable, not secret
        for entity in self.registry.entities.values():
            at = self.now - spread.randrange(1, 3600 * SECOND)
            if entity.moving:
                self._moving[entity.entity_id] = dict(entity.moving)
            self._put(entity.entity_id, entity.state, entity.attributes(entity.moving), at)

    def _remember(self, everything: bool) -> None:
        self.past = Past(self.past.keep)
        self._truth = [] if everything else None
        for key, state in self.states.items():
            self._record(Change(key, None, state, state.updated, state.context_id))

    def due(self) -> datetime:
        """Return when the next act happens (which may change nothing)."""
        return moment(self._next.at)

    def truth(self) -> list[Change]:
        """Return every change ever made, the first states included. Raises `ValueError` without `remember`."""
        if self._truth is None:
            raise ValueError("this home does not remember its changes: make it with remember=True")
        return self._truth

    def advance(self, until: datetime, most: int = sys.maxsize) -> Iterator[Change]:
        """Let time pass until `until` and yield every change, in the order of their times.

        Ends after `most` changes; while Home Assistant is down, after as many acts, which nobody sees.
        """
        end = micros(until)
        count = 0
        while self._next.at <= end and count < most:
            act, self._next = self._next, next(self._acts)
            self.now = max(self.now + 1, act.at)
            change = self._perform(act)
            count += change is not None or self._down
            if change is not None:
                yield change
        if self._next.at > end:
            self.now = max(self.now, end)

    def present(self) -> int:
        """Return what time it is: the clock's, or, while there is a past to catch up with, the home's own."""
        if self.clock is not None and self.due() > (moment := self.clock()):
            self.now = max(self.now, micros(moment))
        return self.now

    def wall(self) -> datetime:
        """Return what time the clock says it is, whatever there is to catch up with; the home's own without a clock."""
        return moment(self.now) if self.clock is None else self.clock()

    def tick(self) -> int:
        """Return a time of its own for something done from outside."""
        self.now = self.present() + 1
        return self.now

    def set(self, key: str, state: str, attributes: Mapping[str, Any], *, force: bool = False) -> Change | None:
        """Set a state from outside, as `POST /api/states` does; None when nothing changed and it is not forced."""
        return self._put(key, state, encode(attributes), self.tick(), self.user_id, force=force)

    def remove(self, key: str) -> Change | None:
        """Remove a state from outside; None when there is none."""
        return self._remove(key, self.tick())

    def act(self, key: str, state: str, moving: Mapping[str, Any] = NOTHING) -> Change | None:
        """Let somebody switch an entity; None when it is unknown or already so."""
        entity = self.registry.entities.get(key)
        at = self.tick()
        return self._behave(entity, Act(at, key, state, moving), self.user_id) if entity else None

    def context(self) -> str:
        """Return a context id for something that happens now."""
        return self._contexts.at(self.now)

    def rename(self, old: str, new: str) -> list[Change]:
        """Give an entity another id: its state goes and comes back under the new name."""
        entity = self.registry.rename(old, new)
        self._moving[new] = self._moving.pop(old, {})
        known = self.states.get(old)
        gone = self._remove(old, self.tick())
        state = known.state if known else entity.state
        return [c for c in (gone, self._put(new, state, entity.attributes(self._moving[new]), self.tick())) if c]

    def stop(self) -> None:
        """Home Assistant stops: its states are gone, and what happens from now on is seen by nobody."""
        self._down = True
        self._lost = {key: self._lost.get(key, state.state) for key, state in self.states.items()}
        self.states = {}
        self._waiting = deque(key for key in self._lost if key in self.registry.entities)

    def restore(self, count: int) -> list[Change]:
        """Home Assistant starts: make the next `count` states, new and of now, some `unavailable` and `restored`."""
        self._down = False
        keys = [self._waiting.popleft() for _ in range(min(count, len(self._waiting)))]
        changes = [self._restored(self.registry.entities[key]) for key in keys if key in self._lost]
        return [change for change in changes if change]

    def settle(self, count: int) -> list[Change]:
        """Home Assistant has started: the next `count` of what came back `unavailable` find their states."""
        self._lost = {key: state for key, state in self._lost.items() if key in self.registry.entities}
        back = [self.registry.entities[key] for key in islice(self._lost, count)]
        changes = [self._find(entity, self.tick()) for entity in back]
        return [change for change in changes if change]

    def _restored(self, entity: Entity) -> Change | None:
        if not entity.kind.registered or len(entity.entity_id) % 4:
            return self._find(entity, self.tick())
        attributes = entity.attributes({"restored": True})
        return self._put(entity.entity_id, UNAVAILABLE, attributes, self.tick())

    def _perform(self, act: Act) -> Change | None:
        entity = self.registry.known_as(act.entity_id)
        if entity is None:
            return None
        match act.do:
            case Do.SET:
                return self._behave(entity, act)
            case Do.REMOVE:
                return self._remove(entity.entity_id, self.now)
            case Do.LOSE:
                return self._lose(entity)
            case Do.FIND:
                return None if self._down else self._find(entity, self.now)

    def _behave(self, entity: Entity, act: Act, user_id: str | None = None) -> Change | None:
        key = entity.entity_id
        if act.moving:
            self._moving.setdefault(key, {}).update(act.moving)
        if self._down or key in self._lost:
            self._lost[key] = act.state or self._lost.get(key, entity.state)
            return None
        known = self.states.get(key)
        state = act.state or (known.state if known else entity.state)
        attributes = known.attributes if known and not act.moving else self._attributes(entity)
        return self._put(key, state, attributes, self.now, user_id)

    def _attributes(self, entity: Entity) -> bytes:
        return entity.attributes(self._moving.get(entity.entity_id, NOTHING))

    def _lose(self, entity: Entity) -> Change | None:
        known = self.states.get(entity.entity_id)
        if known is None or entity.entity_id in self._lost:
            return None
        self._lost[entity.entity_id] = known.state
        return self._put(entity.entity_id, UNAVAILABLE, entity.attributes(NOTHING), self.now)

    def _find(self, entity: Entity, at: int) -> Change | None:
        state = self._lost.pop(entity.entity_id, None)
        return self._put(entity.entity_id, state, self._attributes(entity), at) if state is not None else None

    def _put(
        self, key: str, state: str, attributes: bytes, at: int, user_id: str | None = None, *, force: bool = False
    ) -> Change | None:
        old = self.states.get(key)
        if old is not None and old.attributes == attributes:
            attributes = old.attributes  # one object for all states that have them
            if old.state == state and not force:
                return None
        changed = old.changed if old is not None and old.state == state and not force else at
        new = State(key, state, attributes, changed, at, self._contexts.at(at), user_id)
        self.states[key] = new
        return self._record(Change(key, old, new, at, new.context_id, user_id))

    def _remove(self, key: str, at: int) -> Change | None:
        old = self.states.pop(key, None)
        self._lost.pop(key, None)
        return self._record(Change(key, old, None, at, self._contexts.at(at))) if old else None

    def _record(self, change: Change) -> Change:
        self.past.record(change.entity_id, Row(change.fired, change.new))
        if self._truth is not None:
            self._truth.append(change)
        return change
