"""The ledger against plain lists: whatever is opened, settled, reopened and folded, both say the same."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import accumulate, count
from pathlib import Path

from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.core.coverage import Cause, Mark, Note, Progress, Settled, Span
from ingest.core.ledger import Opening
from ingest.core.marks import state_ns
from ingest.core.store import Batch
from ingest.edge.ledger_bounds import Bound
from ingest.edge.ledger_file import LedgerFile
from ingest.edge.spool_file import Table
from tests.edge.ledgers import KEY, ledger_in, next_spans

CAUSES = [Cause.CONNECTION, Cause.SHED]
NAMES = ["a", "b", "c"]
LEFT = {Progress.OPEN, Progress.FILLING}


@define(eq=False)
class OneSpan:
    number: int
    name: str
    after: int
    before: int
    filled: int | None = None
    why: str = ""


@define(eq=False)
class OneGap:
    number: int
    cause: Cause
    first: int
    last: int
    spans: list[OneSpan] = field(factory=list)
    progress: Progress = Progress.OPEN
    total: int = 0
    came: int = 0
    folded: int = 0

    @property
    def left(self) -> list[OneSpan]:
        return [each for each in self.spans if each.filled is None]

    def judge(self) -> None:
        """Only while it is not settled: then all its spans are there."""
        self.total, self.came = len(self.spans), sum(each.filled or 0 for each in self.spans)
        if self.left:
            self.progress = Progress.FILLING if len(self.left) < self.total else self.progress
            return
        bad = sum(bool(each.why) for each in self.spans)
        nothing = bad == self.total and not self.came
        self.progress = Progress.UNFILLABLE if bad and nothing else Progress.PARTLY if bad else Progress.FILLED


@define
class Model:
    bound: Bound
    gaps: list[OneGap] = field(factory=list)
    marks: dict[str, int] = field(factory=dict)
    numbers: count[int] = field(factory=count)

    def sorted(self) -> list[OneGap]:
        return sorted(self.gaps, key=lambda gap: (gap.first, gap.number))

    def left(self) -> list[OneSpan]:
        return [
            span for gap in self.sorted() if gap.progress in LEFT for span in sorted(gap.left, key=lambda s: s.number)
        ]

    def open(self, cause: Cause, first: int, last: int, spans: list[Span], why: str) -> None:
        gap = OneGap(next(self.numbers), cause, first, last)
        touching = [
            each
            for each in self.gaps
            if not why and each.cause is cause and each.progress in LEFT and each.first <= last and each.last >= first
        ]
        for other in sorted(touching, key=lambda each: each.number):
            if gap not in self.gaps:
                gap, other.first, other.last = other, min(first, other.first), max(last, other.last)
                continue
            gap.first, gap.last = min(gap.first, other.first), max(gap.last, other.last)
            gap.spans += other.spans
            self.gaps.remove(other)
        if why and not spans and self._is_more_of_one(cause, first, last):
            return
        if gap not in self.gaps:
            self.gaps.append(gap)
        if why:
            gap.progress, gap.total = Progress.UNFILLABLE, len(spans)
        else:
            self._fill(gap, spans)
        if spans:
            self._keep_filled()
        self.keep()

    def _is_more_of_one(self, cause: Cause, first: int, last: int) -> bool:
        """What nobody can fill, and nobody can say whose it was, is one gap with what is near: everything is, here."""
        alike = [each for each in self.gaps if (each.cause, each.progress) == (cause, Progress.UNFILLABLE)]
        for known in sorted((each for each in alike if not each.total), key=lambda each: -each.number)[:1]:
            known.first, known.last = min(known.first, first), max(known.last, last)
            return True
        return False

    def _fill(self, gap: OneGap, spans: list[Span]) -> None:
        """A span that begins where one does that is left, in whatever gap, is that one, and ends where it was told last."""
        for each in spans:
            left = [old for other in self.gaps for old in other.left]
            known = [old for old in left if (old.name, old.after) == (each.registry_id, each.after_ns)]
            for old in known:
                old.before = each.before_ns
            if not known:
                gap.spans.append(OneSpan(next(self.numbers), each.registry_id, each.after_ns, each.before_ns))
        gap.judge()

    def settle(self, span: OneSpan, filled: int, why: str) -> None:
        span.filled, span.why = filled, why
        next(gap for gap in self.gaps if span in gap.spans).judge()

    def reopen(self, since: int) -> bool:
        marks = [Mark(name, "", time) for name, time in sorted(self.marks.items()) if time >= since]
        lost = {mark.registry_id: state_ns(mark) for mark in marks}
        if lost:
            spans = [Span("", name, since - 1, time + 1) for name, time in lost.items()]
            self.open(Cause.REOPENED, since, max(lost.values()), spans, "")
        return bool(lost)

    def _keep_filled(self) -> None:
        """All are there until somebody opens one with spans; then the newest, whatever it has, and of older ones what fits."""
        by_itself = [gap for gap in self.sorted() if gap.progress is Progress.FILLED and gap.cause in CAUSES]
        if sum(len(gap.spans) for gap in self.gaps) <= self.bound.filled:
            return
        newest = [gap for gap in reversed(by_itself) if gap.spans]
        together = list(accumulate(len(gap.spans) for gap in newest))
        for gap, spans in zip(newest[1:], together[1:], strict=True):
            if spans > self.bound.filled:
                gap.spans = []

    def keep(self) -> None:
        excess = sum(len(gap.spans) for gap in self.gaps) - self.bound.spans
        for gap in self._dispensable():
            if excess > 0:
                excess -= len(gap.spans)
                if gap.progress in LEFT:
                    self._fold(gap)
                gap.spans = []
        for gap in self._dispensable():
            if len(self.gaps) > self.bound.gaps:
                if gap.progress is Progress.FILLED:
                    self.gaps.remove(gap)
                else:
                    self._fold(gap)

    def _dispensable(self) -> list[OneGap]:
        rank = {Progress.FILLED: 0, Progress.PARTLY: 1, Progress.UNFILLABLE: 1, Progress.OPEN: 2, Progress.FILLING: 2}
        ordinary = [gap for gap in self.sorted() if gap.cause is not Cause.SEVERAL]
        return sorted(ordinary, key=lambda gap: rank[gap.progress])

    def _fold(self, gap: OneGap) -> None:
        self.gaps.remove(gap)
        several = next((each for each in self.gaps if each.cause is Cause.SEVERAL), None)
        if several is None:
            several = OneGap(next(self.numbers), Cause.SEVERAL, gap.first, gap.last, progress=Progress.UNFILLABLE)
            self.gaps.append(several)
        several.first, several.last = min(several.first, gap.first), max(several.last, gap.last)
        several.total, several.came = several.total + gap.total, several.came + gap.came
        several.folded += 1


@define
class Story:
    """The same things done to both."""

    data: st.DataObject
    ledger: LedgerFile
    model: Model

    def open(self) -> None:
        first = self.data.draw(st.integers(0, 30), "from")
        last = first + self.data.draw(st.integers(0, 5), "long")
        missing = self.data.draw(st.lists(st.tuples(st.sampled_from(NAMES), st.integers(1, 3)), max_size=4), "spans")
        spans = [Span(f"sensor.{name}", name, first, first + long) for name, long in missing]
        cause, why = self.data.draw(st.sampled_from(CAUSES)), self.data.draw(st.sampled_from(["", "", "", "gone"]))
        self.ledger.open_gap(Opening(cause, first, last, spans, why))
        self.model.open(cause, first, last, spans, why)

    def settle(self) -> None:
        left, of_file = self.model.left(), next_spans(self.ledger, 1000)
        if not left:
            return
        chosen = self.data.draw(st.lists(st.integers(0, len(left) - 1), min_size=1, max_size=4), "settled")
        settled = {
            each: (self.data.draw(st.integers(0, 3), "filled"), self.data.draw(st.sampled_from(["", "no"]), "why"))
            for each in chosen
        }
        note = Note(settled=[Settled(of_file[each].id, *how) for each, how in settled.items()])
        if self.data.draw(st.booleans(), "with a batch"):
            Table(self.ledger.connection, self.ledger.path, KEY).put(Batch(b"", 1, 1, 0, 0, note), 0, 0, (), ())
        else:
            self.ledger.settle(note.settled)
        for each, how in settled.items():
            self.model.settle(left[each], *how)

    def fill(self) -> None:
        """Everything that is left is filled, as it mostly is."""
        left, of_file = self.model.left(), next_spans(self.ledger, 1000)
        self.ledger.settle([Settled(each.id, 1) for each in of_file])
        for each in left:
            self.model.settle(each, 1, "")

    def move(self) -> None:
        name, time = self.data.draw(st.sampled_from(NAMES)), self.data.draw(st.integers(0, 40), "mark")
        self.ledger.move_marks([Mark(name, f"sensor.{name}", time)])
        self.model.marks[name] = max(time, self.model.marks.get(name, 0))

    def reopen(self) -> None:
        since = self.data.draw(st.integers(0, 40), "since")
        assert (self.ledger.reopen(since) is not None) == self.model.reopen(since)

    def check(self) -> None:
        assert [
            (gap.cause, gap.from_ns, gap.to_ns, gap.progress, gap.spans, gap.left, gap.filled)
            for gap in self.ledger.gaps()
        ] == [
            (gap.cause, gap.first, gap.last, gap.progress, gap.total, len(gap.left), gap.came)
            for gap in self.model.sorted()
        ]
        found = next_spans(self.ledger, 1000)
        assert [(each.registry_id, each.after_ns, each.before_ns) for each in found] == [
            (each.name, each.after, each.before) for each in self.model.left()
        ]
        assert next_spans(self.ledger, 2, {each.id for each in found[::2]}) == found[1::2][:2]
        assert {each.registry_id: each.time_ns for each in self.ledger.load().marks} == self.model.marks
        self._check_bounds()

    def _check_bounds(self) -> None:
        (spans,) = self.ledger.connection.execute("SELECT count(*) FROM span").fetchone()
        assert spans == sum(len(gap.spans) for gap in self.model.gaps)
        assert spans <= self.ledger.bound.spans
        assert len(self.ledger.gaps()) <= max(self.ledger.bound.gaps, 1)
        causes = Counter(gap.cause for gap in self.ledger.gaps())
        assert causes[Cause.SEVERAL] <= 1
        told = [gap.why.partition(" ")[0] for gap in self.ledger.gaps() if gap.cause is Cause.SEVERAL]
        assert told == [str(gap.folded) for gap in self.model.gaps if gap.cause is Cause.SEVERAL]


def play(data: st.DataObject, bound: Bound, steps: Callable[[Story], Sequence[Callable[[], None]]]) -> None:
    with tempfile.TemporaryDirectory() as folder, ledger_in(Path(folder) / "state.db", bound) as ledger:
        ledger.connection.execute("PRAGMA synchronous = OFF")
        story = Story(data, ledger, Model(bound))
        for step in data.draw(st.lists(st.sampled_from(steps(story)), max_size=12), "steps"):
            step()
            story.check()


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_the_ledger_is_as_plain_lists_are(data: st.DataObject) -> None:
    bounds = [Bound(), Bound(gaps=3), Bound(spans=5), Bound(gaps=2, spans=4)]
    bound = data.draw(st.sampled_from(bounds), "bound")
    play(data, bound, lambda story: [story.open, story.open, story.settle, story.fill, story.move, story.reopen])


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_so_it_is_when_most_gaps_are_filled(data: st.DataObject) -> None:
    bound = data.draw(st.sampled_from([Bound(filled=1), Bound(filled=4), Bound(spans=6, filled=2)]), "bound")
    play(data, bound, lambda story: [story.open, story.fill, story.open, story.fill, story.settle])
