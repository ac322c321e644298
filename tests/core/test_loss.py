from __future__ import annotations

from ingest.core.loss import evicted, shed_changes, shed_points
from ingest.core.point import Attributes, Facts, Point, PointFrame
from ingest.core.state import Frame
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


def test_evicted_batches_are_added_up() -> None:
    lost = evicted("influxdb", [Batch(b"", 3, 10, 4, 9), Batch(b"", 2, 10, 2, 6)])
    assert (lost.store, lost.count, lost.oldest_ns, lost.newest_ns) == ("influxdb", 5, 2, 9)


def test_what_held_nothing_is_no_loss() -> None:
    assert shed_changes("intake", [Frame((), 0)]) is None
    assert shed_points("db", [PointFrame((), 0)]) is None
