from __future__ import annotations

from ingest.core.coverage import MICROSECOND, Cause, Mark, Missed, Span
from ingest.core.evicted import is_alone
from ingest.core.loss import evicted, missing_of, newest_of, shed_changes, shed_points
from ingest.core.marks import Marks
from ingest.core.point import Attributes, Facts, Point, PointFrame
from ingest.core.state import Frame, Source
from ingest.core.store import Batch
from tests.core.changes import LATER_NS, NOON, change, state


def test_shed_changes_are_named_by_interval_and_entities() -> None:
    early, late = change(state("b.1", "on", updated=NOON)), change(state("a.1", "on"))
    shed = shed_changes("intake", [Frame([late, early], 2), Frame([late], 1)])
    assert shed is not None
    assert (shed.link, shed.count, shed.entities) == ("intake", 3, ("a.1", "b.1"))
    assert (shed.oldest_ns, shed.newest_ns) == (LATER_NS - 5_250_001_000, LATER_NS)


def test_a_shed_removal_has_the_time_at_which_it_was_fired() -> None:
    shed = shed_changes("intake", [Frame([change(None, state("a.1", "on", updated=NOON))], 1)])
    assert shed is not None
    assert (shed.oldest_ns, shed.newest_ns) == (LATER_NS, LATER_NS)


def test_shed_points_are_named_too() -> None:
    points = [Point(name, time, "on", Facts(name), Attributes()) for name, time in (("b.1", 7), ("a.1", 5), ("b.1", 6))]
    shed = shed_points("home.db", [PointFrame(points, 9)])
    assert shed is not None
    assert (shed.count, shed.oldest_ns, shed.newest_ns, shed.entities) == (3, 5, 7, ("a.1", "b.1"))


def test_only_live_changes_are_one_stretch() -> None:
    early, late = change(state("a.1", "on", updated=NOON)), change(state("a.1", "on"))
    first, last = LATER_NS - 5_250_001_000, LATER_NS
    frames = [
        Frame([early, late], 2),
        Frame([early, late], 2, Source.BACKFILL),
        Frame([early, change(state("b.1", "on"))], 2, Source.SNAPSHOT),
    ]
    shed = shed_changes("intake", frames)
    assert shed is not None
    assert (shed.count, shed.spans, shed.present) == (6, {"a.1": (first, last)}, (("a.1", first), ("b.1", last)))
    assert newest_of(shed) == {"a.1": last, "b.1": last}
    live, alone = missing_of(
        shed, str.upper, lambda registry_id, entity_id, _: (registry_id, entity_id) == ("B.1", "b.1")
    )
    assert live == Missed(Cause.SHED, first, last, [Span("a.1", "A.1", first - 1, last + 1)])
    assert (alone.from_ns, alone.to_ns) == (first, last)
    assert [(each.entity_id, each.after_ns, each.before_ns) for each in alone.spans] == [
        ("a.1", first - 2, first + 1), ("a.1", last - 2, last + 1), ("a.1", first - 2, first + 1),
    ]  # fmt: skip
    assert all(map(is_alone, alone.spans))


def test_of_a_snapshot_that_is_stored_nothing_is_missing() -> None:
    shed = shed_changes("intake", [Frame([change(state("a.1", "on"))], 2, Source.SNAPSHOT)])
    assert shed is not None
    for newest, known in ((-1, False), (0, True), (MICROSECOND, False)):
        marks = Marks({"a.1": Mark("a.1", "a.1", LATER_NS + newest)})
        assert bool([*missing_of(shed, str, marks.has)]) is not known
    assert [*missing_of(shed, str, Marks().has)]


def test_what_a_snapshot_told_is_missing_where_a_stores_link_dropped_it() -> None:
    told = Point("a.1", 7_000, "on", Facts("a.1"), Attributes(), origin=Source.SNAPSHOT)
    shed = shed_points("home.db", [PointFrame([told], 9)])
    assert shed is not None
    (gap,) = missing_of(shed, str, lambda *_: True)
    assert gap == Missed(Cause.SHED, 7_000, 7_000, [Span("a.1", "a.1", 6_998, 7_001)])


def test_evicted_batches_are_added_up() -> None:
    lost = evicted("influxdb", [Batch(b"", 3, 10, 4, 9), Batch(b"", 2, 10, 2, 6)])
    assert (lost.store, lost.count, lost.oldest_ns, lost.newest_ns) == ("influxdb", 5, 2, 9)


def test_what_held_nothing_is_no_loss() -> None:
    assert shed_changes("intake", [Frame((), 0)]) is None
    assert shed_points("db", [PointFrame((), 0)]) is None
