from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ingest.core import reports
from ingest.core.reports import Report
from ingest.core.session import SessionState
from ingest.core.state import Source
from ingest.core.store import Rejection
from ingest.core.tally import Tally, balanced

counts = st.integers(1, 50)
rejections = st.lists(st.just(Rejection("line", "why")), min_size=1, max_size=5).map(tuple)
events: st.SearchStrategy[tuple[Report, str, int]] = st.one_of(
    counts.map(lambda n: (reports.Stored("s", n, 0.1), "stored", n)),
    counts.map(lambda n: (reports.Filtered({"a": n, "b": 1}), "filtered", n + 1)),
    counts.map(lambda n: (reports.Repeated(n), "repeated", n)),
    counts.map(lambda n: (reports.Shed("intake", n, 0, 1, ("a.b",)), "shed", n)),
    counts.map(lambda n: (reports.Evicted("s", n, 0, 1), "evicted", n)),
    counts.map(lambda n: (reports.Purged("s", n, 0, 1), "evicted", n)),
    counts.map(lambda n: (reports.Unreadable("s", n, 0, 1, "damaged"), "evicted", n)),
    rejections.map(lambda them: (reports.Rejected("s", them), "rejected", len(them))),
    st.just((reports.DeadLetter("s", "a.b", "{}", "Traceback"), "rejected", 1)),
)
silent = st.sampled_from(
    [
        reports.Passed(3),
        reports.SessionChanged("primary", SessionState.LIVE),
        reports.Batched("s", 3, 30),
        reports.Snapshot(3, complete=True),
        reports.MalformedMessage("frame", "why", "{"),
        reports.UnexpectedMessage("kind"),
    ]
)


@given(st.lists(events), st.lists(silent), counts, counts)
def test_every_state_is_in_exactly_one_place(
    fates: list[tuple[Report, str, int]], others: list[Report], spooled: int, in_flight: int
) -> None:
    tally = Tally()
    total = sum(count for _, _, count in fates) + spooled + in_flight
    came = {"carried": total // 3, "made": total // 4, "received": total - total // 3 - total // 4}
    tally.carried = came["carried"]
    sources = [reports.Received(came["received"], Source.LIVE), reports.Made("s", came["made"], "recovered")]
    for report in [*sources, *others, *(report for report, _, _ in fates)]:
        tally.add(report)
    books = tally.books(spooled=spooled, in_flight=in_flight)
    assert books == {**came, "spooled": spooled, "in_flight": in_flight} | {
        term: sum(count for _, name, count in fates if name == term)
        for term in ("stored", "repeated", "filtered", "rejected", "malformed", "shed", "evicted")
    }
    assert balanced(books)


@given(st.lists(events, min_size=1))
def test_what_is_nowhere_shows(fates: list[tuple[Report, str, int]]) -> None:
    tally = Tally()
    tally.add(reports.Received(sum(count for _, _, count in fates), Source.SNAPSHOT))
    for report, _, _ in fates[1:]:
        tally.add(report)
    assert not balanced(tally.books(spooled=0, in_flight=0))


def test_a_state_that_cannot_be_read_was_received_and_is_malformed() -> None:
    tally = Tally()
    for kind in ("event", "state", "frame", "message", "registry event"):
        tally.add(reports.MalformedMessage(kind, "why", "{"))
    assert (tally.received, tally.malformed) == (2, 2)
    assert balanced(tally.books(spooled=0, in_flight=0))


def test_what_is_filtered_is_counted_by_rule() -> None:
    tally = Tally()
    tally.add(reports.Filtered({"pattern 1": 2, "schema": 1}))
    tally.add(reports.Filtered({"pattern 1": 5}))
    assert (tally.filtered, dict(tally.by_rule)) == (8, {"pattern 1": 7, "schema": 1})
