"""Coverage: since when a home is known, minus the gaps. All times are Home Assistant's, in nanoseconds.

    gap     an interval in which changes may have been missed, and why
    span    one entity's part of it: what lies strictly between two states that are stored
    mark    an entity's checkpoint: the newest of its states that is stored or safe on its way
    note    what a batch proves once it is safe: marks that moved, spans that are filled

A gap is filled span by span, from Home Assistant's history. Both ends of a span are states that we have, richer than the
history could tell them, so only what lies between is ever written. A gap without spans had nothing in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Final, NamedTuple

from attrs import field, frozen
from msgspec import Struct

MICROSECOND: Final = 1_000
"""Home Assistant's resolution, in nanoseconds: no state has a time between two of them."""

FOREVER: Final = 2**62
"""The end of a span that has none yet."""


class Cause(Enum):
    """Why changes may have been missed."""

    STOPPED = "the service was stopped"
    KILLED = "the service was killed"
    CONNECTION = "the connection was lost"
    SHED = "a queue was full"
    EVICTED = "the spool was full"
    UNREADABLE = "the spool was damaged"
    PURGED = "what waited was removed by hand"
    REOPENED = "reopened by hand"
    IMPORTED = "asked for by `backfill`"
    FILTERED = "left out by the filter"
    SEVERAL = "several causes: the ledger was full"


ON_PURPOSE: Final = "on purpose: `homeiq-ingest backfill` brings it"
"""Why nothing fills by itself what the filter left out."""

TURNED_BACK: Final = 2**62
"""In the place of a mark's beginning, on its way to disk: it takes the place of a newer one, and leaves the beginning."""

LATEST: Final = 2**63 - 1
"""No time on disk is greater."""

UNNAMED: Final = "it is not known whose states these were"
"""Why nothing fills what went out of a spool without being stored."""


class Progress(Enum):
    """How far a gap is filled. `PARTLY` and `UNFILLABLE` say why."""

    OPEN = "open"
    FILLING = "filling"
    FILLED = "filled"
    PARTLY = "partly"
    UNFILLABLE = "unfillable"


@frozen
class Span:
    """What is missing of one entity: states after `after_ns` and before `before_ns`, neither included.

    `id` is 0 until it is in the ledger. Until `done_ns` it is read already, and `found` states came.
    """

    entity_id: str
    registry_id: str
    after_ns: int
    before_ns: int
    id: int = 0
    done_ns: int = 0
    found: int = 0

    @property
    def rest_ns(self) -> int:
        """After that it is still to be read."""
        return max(self.after_ns, self.done_ns)


@frozen
class Gap:
    """One interval. `spans` of entities, of which `left` are not settled yet; `filled` states came of the others."""

    id: int
    cause: Cause
    from_ns: int
    to_ns: int
    progress: Progress
    why: str = ""
    spans: int = 0
    left: int = 0
    filled: int = 0

    @property
    def by_hand(self) -> bool:
        """True when a person asked for it since some time, at which no state needs to be."""
        return self.cause in {Cause.REOPENED, Cause.IMPORTED}

    @property
    def is_empty(self) -> bool:
        """True when nobody listened, and nothing was missed."""
        return self.progress is Progress.FILLED and not self.spans


class Mark(Struct, frozen=True, gc=False):
    """An entity's newest state that is stored or safe. One is made for every change.

    `first_ns` is the time of its oldest one; 0: this is it, as far as is known. One without an `entity_id` says that the entity
    has another id by now: nothing is known under this one any more.
    """

    registry_id: str
    entity_id: str
    time_ns: int
    first_ns: int = 0

    @property
    def oldest_ns(self) -> int:
        """The time of its oldest state, as far as is known."""
        return self.first_ns or self.time_ns


@frozen
class Missed:
    """Spans of a gap, as they are found: what touches an unsettled gap of its cause is part of it.

    A span that begins where a known one does takes its place. With a `why` nothing can be had.
    """

    cause: Cause
    from_ns: int
    to_ns: int
    spans: Sequence[Span] = ()
    why: str = ""

    @property
    def had_come(self) -> bool:
        """True when we had the states and lost them: whatever is seen afterwards, the spans are what they are."""
        return self.cause in {Cause.SHED, Cause.EVICTED}


class Found(NamedTuple):
    """A gap as it was found: of so many entities something may be missing."""

    cause: Cause
    from_ns: int
    to_ns: int
    entities: int


@frozen
class Settled:
    """A span of which `filled` states came; `why` is set when not all of it could be had.

    With an `until_ns` only what lies until then is settled, and the rest is still to be read. `before_ns` is where the span
    ended when it was read: what has grown beyond since then is still to be read, too.
    """

    span_id: int
    filled: int
    why: str = ""
    until_ns: int | None = None
    before_ns: int | None = field(default=None, eq=False)

    @property
    def read_ns(self) -> int:
        """Until then nothing is lacking; 0 where it is not known, or something is."""
        return 0 if self.why or self.before_ns is None else self.before_ns - 1

    def after(self, other: Settled) -> bool:
        """True when it says more than the other of the same span."""
        return self.until_ns is None or (other.until_ns is not None and other.until_ns <= self.until_ns)


@frozen
class Note:
    """What becomes true with a batch."""

    marks: Sequence[Mark] = ()
    settled: Sequence[Settled] = ()
    missed: Sequence[Missed] = ()

    def __bool__(self) -> bool:
        """True when it says anything."""
        return bool(self.marks or self.settled or self.missed)


NO_NOTE = Note()
