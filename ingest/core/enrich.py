"""From a change to a point: what the change says, and what the registries know.

No clock and no guess: a point is a function of the state, its predecessor and the catalog. One thing is remembered of
every entity, its last tags: a removed entity has no attributes any more, an unavailable one often has lost its device
class, and by the time we hear of it the registry may have forgotten both. Their points belong to the series of the
point before.
"""

from __future__ import annotations

import msgspec
from attrs import frozen

from ingest.core.attributes import AttributesCache, Drops, tagged_like
from ingest.core.catalog import Catalog
from ingest.core.number import number
from ingest.core.point import Attributes, Facts, Kind, Point
from ingest.core.state import Change, Context, Source, State, StateData, moment_of, nanoseconds

REMOVED = "removed"
UNAVAILABLE = "unavailable"

# Python 3.11 takes 0.1 µs to find an enum's member.
_live, _backfill = Source.LIVE, Source.BACKFILL
_changed = Kind.CHANGED
_context = msgspec.json.Decoder(Context)


@frozen
class Tags:
    """What an entity's last point was stored under."""

    facts: Facts
    attributes: Attributes


class Enricher:
    """Makes points. It remembers the last tags of at most `entities` entities, and forgets the one that came first."""

    def __init__(self, drops: Drops, entities: int = 100_000) -> None:
        self._attributes = AttributesCache(drops, entities)
        self._entities = entities
        self._last: dict[str, Tags] = {}

    def point(self, change: Change, source: Source, catalog: Catalog) -> Point:
        """The point of a change. Raises what a malformed change deserves; the next one is not affected."""
        new = change.data.new_state
        return self._removal(change, source, catalog) if new is None else self._update(change, new, source, catalog)

    def _update(self, change: Change, new: State, source: Source, catalog: Catalog) -> Point:
        data = change.data
        entity_id = data.entity_id
        attributes = self._attributes.of(entity_id, new.attributes)
        facts = catalog.facts(entity_id)
        if new.state == UNAVAILABLE:
            facts, attributes = self._as_before(entity_id, facts, attributes)
        if source is not _backfill:
            self._remember(entity_id, facts, attributes)
        old = data.old_state
        return Point(
            entity_id,
            nanoseconds(new.last_updated),
            new.state,
            facts,
            attributes,
            number(new.state),
            None if old is None else old.state,
            _duration(data, change),
            _kind(data, new, source, attributes),
            None if source is _backfill else new.context,
            None if source is _live else source,
        )

    def _removal(self, change: Change, source: Source, catalog: Catalog) -> Point:
        data = change.data
        old, entity_id = data.old_state, data.entity_id
        had = Attributes() if old is None else self._attributes.of(entity_id, old.attributes)
        facts, last = self._as_before(entity_id, catalog.facts(entity_id), had)
        self._forget(entity_id)
        return Point(
            entity_id,
            nanoseconds(moment_of(change)),
            REMOVED,
            facts,
            Attributes("", last.device_class, last.unit),
            previous_state=None if old is None else old.state,
            duration=_duration(data, change),
            kind=Kind.REMOVED,
            context=None if source is _backfill else _context.decode(change.context),
            origin=None if source is _live else source,
        )

    def _as_before(self, entity_id: str, facts: Facts, attributes: Attributes) -> tuple[Facts, Attributes]:
        """The tags of the last point. Where it was stored before the registries were read, what they say now."""
        last = self._last.get(entity_id)
        if last is None:
            return facts, attributes
        unregistered = last.facts.registry_id == entity_id
        return facts if unregistered else last.facts, tagged_like(attributes, last.attributes)

    def _remember(self, entity_id: str, facts: Facts, attributes: Attributes) -> None:
        last = self._last.get(entity_id)
        if last is not None and last.facts is facts and last.attributes is attributes:
            return
        if last is None and len(self._last) >= self._entities:
            del self._last[next(iter(self._last))]
        self._last[entity_id] = Tags(facts, attributes)

    def _forget(self, entity_id: str) -> None:
        self._last.pop(entity_id, None)
        self._attributes.forget(entity_id)


def _duration(data: StateData, change: Change) -> float | None:
    """How long the previous state lasted, in seconds; None unless it ended, or when the home's clock went back."""
    old, new = data.old_state, data.new_state
    if old is None or (new is not None and new.state == old.state):
        return None
    ended = change.time_fired if new is None else new.last_changed
    seconds = (ended - old.last_changed).total_seconds()
    return seconds if seconds >= 0 else None


def _kind(data: StateData, new: State, source: Source, attributes: Attributes) -> Kind | None:
    """The nature of a change.

    Without a predecessor, a live change is the start of Home Assistant or of the entity: its value need not be new.
    A forced update (same state, new `last_changed`) is a change: the home reported it as one.
    """
    if attributes.restored:
        return Kind.RESTORED
    fresh = new.last_changed == new.last_updated
    old = data.old_state
    if old is None and source is _live:
        return Kind.STARTUP
    if old is None:
        return None if fresh else Kind.ATTRIBUTES
    return _changed if fresh or new.state != old.state else Kind.ATTRIBUTES
