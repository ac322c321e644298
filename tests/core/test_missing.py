"""What waits to be written: merged, bounded, and nothing of it is lost without a word."""

from __future__ import annotations

from ingest.core.coverage import UNNAMED, Cause, Mark, Missed, Note, Span
from ingest.core.ledger import Owed
from ingest.core.missing import NO_ROOM, Missing
from ingest.core.reconcile import Reconciler


def span(name: str, after: int, before: int) -> Span:
    return Span(f"sensor.{name}", name, after, before)


def shed(at: int, *spans: Span, why: str = "") -> Missed:
    return Missed(Cause.SHED, at, at + 1, spans, why)


def test_what_touches_is_one_and_the_last_word_of_a_spans_end_is_kept() -> None:
    missing = Missing()
    for each in (
        shed(5, span("a", 1, 9)),
        shed(6, span("b", 1, 9)),
        shed(9, span("c", 8, 9)),
        shed(7, span("a", 1, 7)),
    ):
        missing.add(each)
    missing.add(Missed(Cause.STOPPED, 5, 6))
    missing.add(shed(5, why=UNNAMED))
    found = (
        Missed(Cause.SHED, 5, 8, (span("a", 1, 7), span("b", 1, 9))),
        shed(9, span("c", 8, 9)),
        Missed(Cause.STOPPED, 5, 6),
        shed(5, why=UNNAMED),
    )
    assert (missing.all, missing.take(), missing.take(), bool(missing)) == (found, found, (), False)


def test_of_too_many_the_oldest_of_one_cause_become_one() -> None:
    missing = Missing(parts=2)
    missing.add(Missed(Cause.STOPPED, 1, 2))
    for at in (10, 20, 30):
        missing.add(shed(at, span("a", at, at + 1)))
    spans = tuple(span("a", at, at + 1) for at in (10, 20, 30))
    assert missing.take() == (Missed(Cause.STOPPED, 1, 2), Missed(Cause.SHED, 10, 31, spans))


def test_of_too_many_spans_those_of_the_oldest_go_and_it_says_so() -> None:
    missing = Missing(spans=2)
    missing.add(Missed(Cause.STOPPED, 1, 2))
    missing.add(shed(10, span("a", 10, 11), span("b", 10, 11)))
    missing.add(shed(20, span("c", 20, 21)))
    missing.add(shed(20, span("c", 20, 21)))
    assert missing.take() == (Missed(Cause.STOPPED, 1, 2), shed(10, why=NO_ROOM), shed(20, span("c", 20, 21)))


def test_memory_is_bounded_while_nobody_takes_it() -> None:
    owed, reconciler = Owed(), Reconciler()
    for number in range(2_000):
        one = shed(10 * number, span("a", 10 * number - 1, 10 * number + 1))
        owed.add(Note(missed=(one,)))
        reconciler.miss(one.cause, one.from_ns, one.to_ns, one.spans)
    for missed in (owed.take().missed, reconciler.note().missed):
        assert (len(missed), sum(len(each.spans) for each in missed)) == (200, 2_000)
        assert (missed[0].from_ns, missed[-1].to_ns) == (0, 19_991)


def test_the_spans_of_a_frame_are_one() -> None:
    reconciler = Reconciler({"b": Mark("b", "sensor.b", 5_000)})
    reconciler.enter(1)
    for number in range(100):
        reconciler.see(Mark(f"a{number}", f"sensor.a{number}", 10_000 + number * 1_000))
    reconciler.complete()
    [missed] = reconciler.note().missed
    assert (missed.from_ns, missed.to_ns, len(missed.spans)) == (5_000, 109_000, 101)
