"""What Home Assistant says of an entity because it started, not because the home changed.

    before │ stopped │ started
    on ────┤         ├─ (no predecessor) on               one step: its state machine was empty
    on ────┤         ├─ (no predecessor) unknown ── on    several: a placeholder stands there until the value is known

The first step says so itself: live it has no predecessor, or it is `restored`; a row of the history is the first when
its predecessor is older than everything that there was after the start. The steps after it are told by their
predecessor, which is the step before, and by the value that the entity had before the start. A start is under way until
a snapshot is complete; what is still a placeholder then is followed by a replay only when the same value comes back.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from attrs import define, field, frozen
from msgspec import Raw, Struct

from ingest.core.attributes import was_restored
from ingest.core.point import Attributes, Facts, Kind, Point
from ingest.core.room import ENTITIES, make_room
from ingest.core.state import NO_ATTRIBUTES, Change, Previous, Source, State, moment_at
from ingest.core.treatment import USUAL, Treatment

# Python 3.11 takes 0.1 µs to find an enum's member.
_live, _snapshot, _backfill = Source.LIVE, Source.SNAPSHOT, Source.BACKFILL
_startup, _restored = Kind.STARTUP, Kind.RESTORED

UNAVAILABLE: Final = "unavailable"
PLACEHOLDERS: Final = frozenset({"unknown", UNAVAILABLE})
"""What stands in the place of a value that is not known."""

EARLIER: Final = timedelta(seconds=2)
"""What there was first has often changed by the time that somebody looks: the start is so much before the oldest state
that is left, at most. To stop and to start takes Home Assistant longer (3 to 7 s where it was measured)."""

REPEATS: Final = "replay: the last known value again after a restart"
"""The rule by whose name replays are counted that are left out."""


class Last(Struct, gc=False):
    """What an entity's last point said, and was stored under.

    `value` is its newest state that is no placeholder, if there was one. `under` says what the rest is true under (`Usual`):
    attributes of these bytes are these `attributes`, and the entity passes by this rule and is treated so.
    """

    entity_id: str
    facts: Facts
    attributes: Attributes
    state: str
    value: str
    time_ns: int
    under: object = None
    raw: Raw = NO_ATTRIBUTES
    rule: str = ""
    treatment: Treatment = USUAL


@frozen
class Step:
    """An entity's last step of a start: since when it stands, and the value before the start (None: not known)."""

    since: datetime
    before: str | None


@define(eq=False)
class Restarts:
    """Entities that are on their way back after a start, at most `entities`; the one that came first is forgotten.

    `under_way`: Home Assistant may be starting still. `since`: no state of its present run is older.
    """

    entities: int = ENTITIES
    under_way: bool = False
    since: datetime | None = None
    _steps: dict[tuple[str, bool], Step] = field(factory=dict)
    """By entity, and whether the history told of it."""

    def over(self, oldest_ns: int | None) -> None:
        """A snapshot is complete. After a restart its oldest state is of the present run; None: there was no restart."""
        self.under_way = False
        if oldest_ns is not None:
            self.since = moment_at(oldest_ns) - EARLIER

    def is_returning(self, entity_id: str) -> bool:
        """True when the entity is on its way back: its next change may be a step of the start, too."""
        return (entity_id, False) in self._steps

    def predecessor(self, old: Previous | None, new: State) -> Previous | None:
        """What was before a state of the history in the same run of Home Assistant: the history does not tell runs apart."""
        return None if self._is_of_an_earlier_run(old, new) else old

    def is_step(
        self, change: Change, new: State, source: Source, known: Last | None, *, restored: bool = False
    ) -> bool:
        """True when a start put this state there. `known` is what was said of the entity before."""
        old = change.data.old_state
        if source is _backfill:
            if self._is_of_an_earlier_run(old, new):
                return self._begin(new, None if old is None else old.state, told=True)
        elif restored or (old is None and source is _live):
            return self._begin(new, None if known is None else known.value)
        if old is None or new.last_changed == old.last_changed:
            return False
        if self._steps and self._follows(old, new, told=source is _backfill):
            return True
        return old.state == UNAVAILABLE and was_restored(old.attributes)

    def _is_of_an_earlier_run(self, old: Previous | None, new: State) -> bool:
        return old is not None and self.since is not None and old.last_changed < self.since <= new.last_updated

    def _begin(self, new: State, before: str | None, *, told: bool = False) -> bool:
        key = (new.entity_id, told)
        if key not in self._steps:
            make_room(self._steps, self.entities)
        self._steps[key] = Step(new.last_changed, before)
        return True

    def _follows(self, old: Previous, new: State, *, told: bool) -> bool:
        step = self._steps.pop((new.entity_id, told), None)
        if step is None or step.since != old.last_changed:
            return False
        under_way = self.under_way and not told
        if old.state in PLACEHOLDERS:
            follows = under_way or new.state in PLACEHOLDERS or step.before in {None, new.state}
        else:
            follows = under_way and step.before == new.state
        if follows and new.state in PLACEHOLDERS:
            self._begin(new, step.before, told=told)
        return follows


def repeats(point: Point, change: Change, last: Last | None, *, restarted: bool) -> bool:
    """True when a point says of a restart only what was known before it: the same state with the same attributes.

    `last` is the entity's last point; `restarted`: there was a restart since. A row of the history is compared with the
    row before it.
    """
    if point.origin is _backfill:
        return point.kind is _startup and _is_as_before(change)
    may_be = restarted if point.origin is _snapshot else of_a_start(point)
    return may_be and last is not None and (last.state, last.attributes) == (point.state, point.attributes)


def of_a_start(point: Point) -> bool:
    """True when a start of Home Assistant or of the entity made it."""
    kind = point.kind
    return kind is _startup or kind is _restored


def _is_as_before(change: Change) -> bool:
    old, new = change.data.old_state, change.data.new_state
    if old is None or new is None or old.state != new.state:
        return False
    return bytes(old.attributes) == bytes(new.attributes)
