"""What the ledger of coverage keeps beside gaps, spans and marks, and what it makes of them: pure.

    opening    a gap that is to be written down
    coverage   since when a home is known, until when, and how the last run ended
    owed       notes that are true and not written yet, merged
    summary    the gaps in figures

The values that everybody uses are in `core/coverage.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from attrs import define, field, frozen
from msgspec.structs import replace

from ingest.core.coverage import LATEST, NO_NOTE, TURNED_BACK, Cause, Gap, Mark, Missed, Note, Progress, Settled, Span
from ingest.core.missing import Missing

LEFT: Final = (Progress.OPEN, Progress.FILLING)
"""There are spans to fill in these."""

REASONS: Final = 5
"""Reasons that one gap names at most."""


@frozen
class Opening:
    """A gap that is to be written down, or several told as one. With a `why` nothing can be had for it."""

    cause: Cause
    from_ns: int
    to_ns: int
    spans: Sequence[Span] = ()
    why: str = ""
    gaps: int = 1

    @classmethod
    def of(cls, missed: Missed) -> Opening:
        """The gap that what was found missing opens."""
        return cls(missed.cause, missed.from_ns, missed.to_ns, missed.spans, missed.why)


@frozen
class Coverage:
    """A home is known since `since_ns`, minus its gaps, until `heard_ns`; `stopped`: the last run ended in order."""

    since_ns: int
    heard_ns: int
    stopped: bool


@frozen
class Remembered:
    """What the ledger knows at the start; no coverage before the first time.

    `excluded`: the entities that are left out, and the time after which they are, by their names for life.
    """

    marks: Sequence[Mark] = ()
    coverage: Coverage | None = None
    excluded: Mapping[str, int] = field(factory=dict)


@frozen
class SpanFate:
    """One span as a person reads of it: `filled` is None until it is settled."""

    span: Span
    filled: int | None
    why: str


@frozen
class Summary:
    """How many gaps are how far, when the oldest begins that is not settled, and how many states came of all."""

    counts: Mapping[Progress, int]
    oldest_left_ns: int | None
    filled: int


@define
class Owed:
    """Notes that are true and not written yet: of an entity the newest mark, of a span that it is settled.

    What was missed has a bound.
    """

    _marks: dict[str, Mark] = field(factory=dict)
    _settled: dict[int, Settled] = field(factory=dict)
    _missing: Missing = field(factory=Missing)

    def __bool__(self) -> bool:
        return bool(self._marks or self._settled or self._missing)

    def add(self, note: Note) -> None:
        """One note more: of each entity the newest mark counts, of each span what was said last."""
        marks = self._marks
        for mark in note.marks:
            name = mark.registry_id
            known = marks.get(name)
            if known is not None and known.first_ns == TURNED_BACK:
                if known.time_ns <= mark.time_ns or not known.entity_id or mark.first_ns == TURNED_BACK:
                    # The row may be newer than both: what comes after takes its place all the same, or takes it away.
                    time_ns = mark.time_ns if mark.entity_id else LATEST
                    marks[name] = replace(mark, time_ns=time_ns, first_ns=TURNED_BACK)
            elif known is None or known.time_ns <= mark.time_ns or mark.first_ns == TURNED_BACK:
                marks[name] = mark
        for each in note.settled:
            told = self._settled.get(each.span_id)
            if told is None or each.after(told):
                self._settled[each.span_id] = each
        for missed in note.missed:
            self._missing.add(missed)

    @property
    def note(self) -> Note:
        """Everything that is owed as one note; `NO_NOTE` when it is nothing."""
        return Note(tuple(self._marks.values()), tuple(self._settled.values()), self._missing.all) if self else NO_NOTE

    def take(self) -> Note:
        """All of it, to be written; `give_back` when that failed."""
        note = self.note
        self._marks, self._settled, self._missing = {}, {}, Missing()
        return note

    def give_back(self, note: Note) -> None:
        """What was taken is owed still, and was true before what came since."""
        later = self.take()
        self.add(note)
        self.add(later)

    @property
    def spans(self) -> frozenset[int]:
        """The spans that are settled by it, to their end."""
        return frozenset(each.span_id for each in self._settled.values() if each.until_ns is None)


def outcome(spans: int, filled: int, reasons: Mapping[str, int]) -> tuple[Progress, str]:
    """What becomes of a gap when all its `spans` are settled; `reasons` says of how many of them not all was had."""
    if not reasons:
        return Progress.FILLED, ""
    nothing = not filled and sum(reasons.values()) >= spans
    return (Progress.UNFILLABLE if nothing else Progress.PARTLY), _said(reasons)


def _said(reasons: Mapping[str, int]) -> str:
    common = Counter(reasons).most_common()
    said = [f"{why} ({count})" for why, count in common[:REASONS]]
    rest = sum(count for _, count in common[REASONS:])
    return "; ".join([*said, *([f"other reasons ({rest})"] if rest else [])])


def unwritten(opening: Opening) -> Gap:
    """As a gap that is not in the ledger yet."""
    lost = bool(opening.why) or opening.cause is Cause.SEVERAL
    progress = Progress.UNFILLABLE if lost else Progress.OPEN if opening.spans else Progress.FILLED
    return Gap(0, opening.cause, opening.from_ns, opening.to_ns, progress, opening.why)


def folded(openings: Sequence[Opening]) -> Opening:
    """One opening in the place of several, without their spans: it tells that there were gaps."""
    first, last = min(each.from_ns for each in openings), max(each.to_ns for each in openings)
    return Opening(Cause.SEVERAL, first, last, gaps=sum(each.gaps for each in openings))


def summary(gaps: Iterable[Gap]) -> Summary:
    """The gaps in figures. What is left out on purpose is none of them."""
    known = [each for each in gaps if each.cause is not Cause.FILTERED]
    counted = Counter(each.progress for each in known)
    left = [each.from_ns for each in known if each.progress in LEFT]
    return Summary(
        {each: counted[each] for each in Progress}, min(left, default=None), sum(each.filled for each in known)
    )
