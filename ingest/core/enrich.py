"""From a change to a point: what the change says, and what the registries know.

No clock and no guess: a point is a function of the state, its predecessor and the catalog. Two things are remembered of
every entity. Its last tags: a removed entity has no attributes any more, an unavailable one often has lost its device
class, and by the time we hear of it the registry may have forgotten both. Their points belong to the series of the
point before. And its last state, for after a restart of Home Assistant it is said again (`core/restart.py`).
"""

from __future__ import annotations

import msgspec
from msgspec import Raw

from ingest.core.attributes import AttributesCache, Drops, alike, tagged_like
from ingest.core.catalog import Catalog
from ingest.core.number import number
from ingest.core.point import Attributes, Facts, Kind, Point
from ingest.core.restart import PLACEHOLDERS, UNAVAILABLE, Last, Restarts
from ingest.core.room import ENTITIES, make_room
from ingest.core.rules import Decision
from ingest.core.state import Change, Context, Previous, Source, State, moment_of, nanoseconds

REMOVED = "removed"

# Python 3.11 takes 0.1 µs to find an enum's member.
_live, _backfill = Source.LIVE, Source.BACKFILL
_changed = Kind.CHANGED
_context = msgspec.json.Decoder(Context)


class Enricher:
    """Makes points. It remembers the last tags of at most `entities` entities, and forgets the one that came first."""

    def __init__(self, drops: Drops, entities: int = ENTITIES) -> None:
        self._attributes = AttributesCache(drops, entities)
        self._entities = entities
        self.lasts: dict[str, Last] = {}
        self.restarts = Restarts(entities)

    def drop(self, drops: Drops) -> None:
        """From now on leave out these attributes."""
        self._attributes = AttributesCache(drops, self._entities)
        for last in self.lasts.values():
            last.under = None

    def last(self, entity_id: str) -> Last | None:
        """What the entity's last point said, live or of a snapshot; None when it is gone or was never seen."""
        return self.lasts.get(entity_id)

    def point(self, change: Change, source: Source, catalog: Catalog) -> Point:
        """The point of a change. Raises what a malformed change deserves; the next one is not affected."""
        entity_id = change.data.entity_id
        return self.made_of(change, source, catalog.facts(entity_id), self.lasts.get(entity_id))

    def made_of(self, change: Change, source: Source, facts: Facts, last: Last | None) -> Point:
        """`point` for who has looked already what the catalog knows of the entity, and what its last point said."""
        new = change.data.new_state
        if new is None:
            return self._removal(change, source, facts, last)
        return self._update(change, new, source, facts, last)

    def settle(self, point: Point, decision: Decision, under: object) -> None:
        """The entity passes by this decision: as long as `under` holds its usual change needs no other look.

        One that is unavailable needs it: it may be treated by what the registries said when it was there.
        """
        last = self.lasts.get(point.entity_id)
        raw = self._attributes.read_from(point.entity_id, point.attributes)
        if last is None or raw is None or point.state == UNAVAILABLE or self.restarts.is_returning(point.entity_id):
            return
        last.raw, last.rule, last.treatment, last.under = raw, decision.rule, decision.treatment, under

    def reread(self, last: Last, raw: Raw) -> tuple[Raw, Attributes] | None:
        """Other attributes of an entity that is treated by them as before; None when it may not be. Raises as `point` does."""
        attributes = self._attributes.of(last.entity_id, raw)
        kept = self._attributes.read_from(last.entity_id, attributes)
        return (
            None
            if kept is None or attributes.restored or not alike(attributes, last.attributes)
            else (kept, attributes)
        )

    def _update(self, change: Change, new: State, source: Source, facts: Facts, last: Last | None) -> Point:
        data = change.data
        entity_id, state, old = data.entity_id, new.state, data.old_state
        attributes = self._attributes.of(entity_id, new.attributes)
        if last is not None and _is_anothers(last, entity_id, facts):
            last = None
        if state == UNAVAILABLE:
            facts, attributes = _as_before(entity_id, facts, attributes, last)
        step = self.restarts.is_step(change, new, source, last, restored=attributes.restored)
        time_ns = nanoseconds(new.last_updated)
        if source is _backfill:
            old = self.restarts.predecessor(old, new)
        else:
            value = last.value if last is not None and state in PLACEHOLDERS else state
            self._remember(entity_id, Last(entity_id, facts, attributes, state, value, time_ns), last)
        return Point(
            entity_id,
            time_ns,
            state,
            facts,
            attributes,
            number(state),
            None if old is None else old.state,
            _duration(old, new, change),
            _step(attributes) if step else _kind(old, new, source),
            None if source is _backfill else new.context,
            None if source is _live else source,
        )

    def _removal(self, change: Change, source: Source, facts: Facts, last: Last | None) -> Point:
        data = change.data
        old, entity_id = data.old_state, data.entity_id
        had = Attributes() if old is None else self._attributes.of(entity_id, old.attributes)
        facts, attributes = _as_before(entity_id, facts, had, last)
        if source is not _backfill:  # what the history tells of may be there again
            self._forget(entity_id)
        return Point(
            entity_id,
            nanoseconds(moment_of(change)),
            REMOVED,
            facts,
            Attributes("", attributes.device_class, attributes.unit, state_class=attributes.state_class),
            previous_state=None if old is None else old.state,
            duration=_duration(old, None, change),
            kind=Kind.REMOVED,
            context=None if source is _backfill else _context.decode(change.context),
            origin=None if source is _live else source,
        )

    def _remember(self, entity_id: str, now: Last, before: Last | None) -> None:
        if before is None:
            make_room(self.lasts, self._entities)
        self.lasts[entity_id] = now

    def _forget(self, entity_id: str) -> None:
        self.lasts.pop(entity_id, None)
        self._attributes.forget(entity_id)


def _as_before(entity_id: str, facts: Facts, attributes: Attributes, last: Last | None) -> tuple[Facts, Attributes]:
    """The tags of the last point. Where it was stored before the registries were read, what they say now."""
    if last is None:
        return facts, attributes
    unregistered = last.facts.registry_id == entity_id
    return facts if unregistered else last.facts, tagged_like(attributes, last.attributes)


def _is_anothers(last: Last, entity_id: str, facts: Facts) -> bool:
    """True when the name was another entity's, which the registry knew as one of its own, too."""
    return facts.registry_id not in {entity_id, last.facts.registry_id} and last.facts.registry_id != entity_id


def _duration(old: Previous | None, new: State | None, change: Change) -> float | None:
    """How long the previous state lasted, in seconds; None unless it ended, or when the home's clock went back."""
    if old is None or (new is not None and new.state == old.state):
        return None
    ended = change.time_fired if new is None else new.last_changed
    seconds = (ended - old.last_changed).total_seconds()
    return seconds if seconds >= 0 else None


def _step(attributes: Attributes) -> Kind:
    """The nature of what a start of Home Assistant put there: its value need not be new."""
    return Kind.RESTORED if attributes.restored else Kind.STARTUP


def _kind(old: Previous | None, new: State, source: Source) -> Kind | None:
    """The nature of any other change.

    A forced update (same state, new `last_changed`) is a change: the home reported it as one. In the history it looks
    like a start that nobody told of, so nothing is said of it.
    """
    fresh = new.last_changed == new.last_updated
    if old is None:
        return None if fresh else Kind.ATTRIBUTES
    if source is _backfill and fresh and new.state == old.state:
        return None
    return _changed if fresh or new.state != old.state else Kind.ATTRIBUTES
