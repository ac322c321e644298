"""What Home Assistant says of an entity, as values.

The classes are what `msgspec` decodes the wire into: field names are Home Assistant's, unknown keys are skipped. They are
its own structs, made in half the time and unknown to the garbage collector, which has no cycle to find in them.
`attributes` stays raw JSON: most of it repeats from event to event, and what is never looked into is never parsed.
Whoever keeps a `Raw` keeps the whole frame alive: a cache stores `bytes(raw)`.
Source: frames recorded from 2024.3.3, 2025.4.4 and 2026.11.0.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Annotated, Final

from attrs import frozen
from msgspec import Meta, Raw, Struct

from ingest.core.coverage import Settled

Moment = Annotated[datetime, Meta(tz=True)]
"""A timezone-aware time; Home Assistant sends ISO 8601 with microseconds and `+00:00`."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NO_ATTRIBUTES = Raw(b"{}")
NO_CONTEXT = Raw(b"{}")


class Context(Struct, frozen=True, gc=False):
    """Who or what caused a change. Ids are ULIDs; `parent_id` and `user_id` are often absent."""

    id: str | None = None
    parent_id: str | None = None
    user_id: str | None = None


NOBODY = Context()


class State(Struct, frozen=True, gc=False):
    """An entity's state as it is now."""

    entity_id: str
    state: str
    last_changed: Moment
    last_updated: Moment
    attributes: Raw = NO_ATTRIBUTES
    context: Context = NOBODY


class Previous(Struct, frozen=True, gc=False):
    """The part of `old_state` that a point needs."""

    state: str
    last_changed: Moment
    attributes: Raw = NO_ATTRIBUTES


class StateData(Struct, frozen=True, gc=False):
    """The `data` of a `state_changed` event. `new_state` None: removed; `old_state` None: new, or a start."""

    entity_id: str
    old_state: Previous | None = None
    new_state: State | None = None


class Change(Struct, frozen=True, gc=False):
    """One `state_changed` event. `context` stays raw: it repeats the state's, and only a removal has no other."""

    data: StateData
    time_fired: Moment
    context: Raw = NO_CONTEXT


class Source(Enum):
    """How a change reached us: what a point may claim to know depends on it."""

    LIVE = "live"
    SNAPSHOT = "snapshot"
    BACKFILL = "backfill"
    HEARTBEAT = "heartbeat"


@frozen
class Frame:
    """The changes that came together in one WebSocket frame, in order: the unit on every link before the filter.

    `size` is what the frame weighs in memory, in bytes. `session` tells one session's frames from the next one's; `final`
    is the last of a snapshot that is complete. `settled` are the spans that a frame of the history is the end of. One of
    heartbeats has no changes: it says that everything until `until_ns` came before it.
    """

    changes: Sequence[Change]
    size: int
    source: Source = Source.LIVE
    session: int = 0
    final: bool = False
    settled: Sequence[Settled] = ()
    until_ns: int = 0

    @property
    def newest_ns(self) -> int:
        """The time of the newest of the changes, in nanoseconds; 0 without any."""
        return max((nanoseconds(moment_of(each)) for each in self.changes), default=0)


def split(frame: Frame, most: int) -> list[Frame]:
    """The frame in parts of at most `most` changes, so that no stage works longer on one than it should."""
    count = len(frame.changes)
    if count <= most:
        return [frame]
    starts = range(0, count, most)
    parts = [frame.changes[start : start + most] for start in starts]
    return [Frame(part, frame.size * len(part) // count, frame.source, frame.session) for part in parts]


HOUR_NS: Final = 3_600 * 10**9


def nanoseconds(moment: datetime) -> int:
    """The time since the epoch, exact to the microsecond, in nanoseconds (never through a float)."""
    delta = moment - EPOCH
    return ((delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds) * 1_000


def moment_at(time_ns: int) -> datetime:
    """The time of so many nanoseconds since the epoch, to the microsecond."""
    return EPOCH + timedelta(microseconds=time_ns // 1_000)


def moment_of(change: Change) -> datetime:
    """The point's time: `last_updated`; for a removal, which has none, `time_fired`."""
    new = change.data.new_state
    return change.time_fired if new is None else new.last_updated


def from_snapshot(state: State) -> Change:
    """A state of `get_states` in the shape of a change; its predecessor is not known."""
    return Change(StateData(state.entity_id, None, state), state.last_updated)
