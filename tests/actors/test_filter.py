from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
import trio
from msgspec.structs import replace
from trio.testing import MockClock, wait_all_tasks_blocked

from ingest.actors.filter import STAGE, Filter
from ingest.core import reports
from ingest.core.attributes import Drops
from ingest.core.catalog import NO_CATALOG, Catalog
from ingest.core.coverage import UNNAMED, Cause, Mark, Span
from ingest.core.enrich import Enricher
from ingest.core.evicted import Named
from ingest.core.filter_settings import FilterSettings, Pattern
from ingest.core.homeiq import homeiq
from ingest.core.judged import Judged
from ingest.core.loss import Whose, evicted
from ingest.core.point import Facts, Point, PointFrame
from ingest.core.reports import Report
from ingest.core.restart import Last
from ingest.core.rules import Rules
from ingest.core.sealing import line_of, seal
from ingest.core.state import Change, Frame, Source, moment_of, nanoseconds
from ingest.core.store import Batch
from ingest.runtime.link import Link, Overflow, Weight
from ingest.runtime.spool import MemorySpool
from ingest.runtime.watch import Watch
from tests.core.changes import LATER, NOON, change, state
from tests.support.taken import drained, taken


class Brittle(Enricher):
    """An enricher with a bug that one entity brings out."""

    def made_of(self, change: Change, source: Source, facts: Facts, last: Last | None) -> Point:
        if change.data.entity_id == "sensor.broken":
            raise ZeroDivisionError("bug")
        return super().made_of(change, source, facts, last)


class Stage:
    def __init__(self, settings: FilterSettings | None = None, catalog: Catalog = NO_CATALOG) -> None:
        self.emitted: list[Report] = []
        self.catalog = Watch(catalog)
        self.filter = Filter(
            Watch(Rules(settings or FilterSettings())), Brittle(Drops((), ())), self.catalog, self.emitted.append
        )

    def step(self, *changes: Change, source: Source = Source.LIVE) -> list[str]:
        return [point.entity_id for point in self.filter.step(Frame(changes, 100, source)).points]

    def counts(self) -> dict[str, int]:
        self_counted = [each for each in self.emitted if not isinstance(each, reports.DeadLetter | reports.Shed)]
        return {type(each).__name__: getattr(each, "count", 0) for each in self_counted}


def on(entity_id: str, updated: str = LATER, **attributes: Any) -> Change:
    return change(state(entity_id, "on", updated=updated, **attributes))


EXCLUDING = FilterSettings(
    patterns=(Pattern(domain="update"), Pattern(device_class="battery"), Pattern(area_id="cellar")),
    exceptions=(Pattern(entity_id="update.kept"),),
)


def test_what_passes_is_a_point_in_its_order() -> None:
    stage = Stage()
    assert stage.step(on("light.b"), on("light.a"), on("light.b")) == ["light.b", "light.a", "light.b"]
    assert stage.emitted == [reports.Passed(3)]


def test_what_is_left_out_is_counted_by_rule() -> None:
    stage = Stage(EXCLUDING, Catalog({"light.cellar": Facts("r9", area_id="cellar")}))
    changes = [
        on("update.core"), on("update.kept"), on("sensor.b1", device_class="battery"), on("light.cellar"),
        on("update.other"),
    ]  # fmt: skip
    assert stage.step(*changes) == ["update.kept"]
    passed, filtered = stage.emitted
    assert passed == reports.Passed(1)
    assert isinstance(filtered, reports.Filtered)
    assert sorted(filtered.rules.values()) == [1, 1, 2]
    assert any("domain=update" in rule for rule in filtered.rules)


def test_one_change_that_breaks_a_pure_function_costs_its_neighbours_nothing() -> None:
    stage = Stage()
    broken = on("sensor.broken", access_token="planted-secret")
    assert stage.step(on("light.a"), broken, on("light.b")) == ["light.a", "light.b"]
    letter, passed = stage.emitted
    assert isinstance(letter, reports.DeadLetter)
    assert (letter.store, letter.entity_id, letter.reason) == (STAGE, "sensor.broken", "ZeroDivisionError: bug")
    assert json.loads(letter.json)["data"]["new_state"]["state"] == "on"
    assert "planted-secret" not in str(letter)
    assert passed == reports.Passed(2)


def test_a_snapshot_state_that_was_stored_is_repeated() -> None:
    stage = Stage()
    stage.step(on("light.a"), on("light.b", NOON))
    stage.emitted.clear()
    seen = stage.step(on("light.a"), on("light.a", NOON), on("light.b"), on("light.c"), source=Source.SNAPSHOT)
    assert seen == ["light.b", "light.c"]
    assert stage.counts() == {"Passed": 2, "Repeated": 2}


def test_a_live_change_is_never_repeated() -> None:
    stage = Stage()
    assert stage.step(on("light.a"), on("light.a")) == ["light.a", "light.a"]


def test_a_filtered_state_of_a_snapshot_is_filtered_every_time() -> None:
    stage = Stage(EXCLUDING)
    for _ in range(2):
        assert stage.step(on("update.core"), source=Source.SNAPSHOT) == []
    assert stage.counts() == {"Filtered": 1}


def test_checkpoints_are_kept_by_the_identity_for_life() -> None:
    stage = Stage(catalog=Catalog({"light.old": Facts("r1")}))
    stage.step(on("light.old"))
    stage.catalog.set(Catalog({"light.new": Facts("r1")}))
    assert stage.step(on("light.new"), source=Source.SNAPSHOT) == []


def test_a_snapshot_after_a_dead_letter_tries_again() -> None:
    stage = Stage()
    stage.step(on("sensor.broken"))
    assert stage.step(on("sensor.broken"), source=Source.SNAPSHOT) == []
    assert [type(each).__name__ for each in stage.emitted] == ["DeadLetter"] * 2


def points_link(capacity: int) -> Link[PointFrame]:
    return Link("db", Weight(capacity, 10**6), lambda each: Weight(len(each.points), each.size))


def changes_link() -> Link[Frame]:
    return Link("intake", Weight(100, 10**6), lambda each: Weight(len(each.changes), each.size))


async def test_it_runs_until_its_intake_ends_and_closes_both_its_ends(autojump_clock: MockClock) -> None:
    stage, intake, out = Stage(), changes_link(), points_link(100)
    with intake.sender(Overflow.BLOCK) as sender:
        for number in range(3):
            sender.put(Frame([on(f"light.{number}")], 10))
    await stage.filter.run(intake.receiver(), [out.sender(Overflow.BLOCK)])
    frames = [frame async for frame in out.receiver()]
    assert [frame.points[0].entity_id for frame in frames] == ["light.0", "light.1", "light.2"]
    assert [frame.size for frame in frames] == [10, 10, 10]


async def test_a_frame_without_points_goes_nowhere(autojump_clock: MockClock) -> None:
    stage, intake, out = Stage(EXCLUDING), changes_link(), points_link(100)
    with intake.sender(Overflow.BLOCK) as sender:
        sender.put(Frame([on("update.core")], 10))
    await stage.filter.run(intake.receiver(), [out.sender(Overflow.BLOCK)])
    assert taken(out) is None


async def test_it_takes_nothing_while_a_store_has_no_room(autojump_clock: MockClock) -> None:
    stage, intake, full, free = Stage(), changes_link(), points_link(1), points_link(100)
    with intake.sender(Overflow.BLOCK) as sender:
        for number in range(3):
            sender.put(Frame([on(f"light.{number}")], 10))
    outlets = [full.sender(Overflow.BLOCK), free.sender(Overflow.BLOCK)]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.filter.run, intake.receiver(), outlets)
        await wait_all_tasks_blocked()
        assert (intake.held.events, full.held.events, free.held.events) == (2, 1, 1)
        assert taken(full) is not None
        await wait_all_tasks_blocked()
        assert (intake.held.events, full.held.events, free.held.events) == (1, 1, 2)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(("overflow", "kept"), [(Overflow.DROP_OLDEST, "light.2"), (Overflow.DROP_NEWEST, "light.0")])
async def test_what_a_shedding_store_has_no_room_for_is_named(
    overflow: Overflow, kept: str, autojump_clock: MockClock
) -> None:
    stage, intake, out = Stage(), changes_link(), points_link(1)
    with intake.sender(Overflow.BLOCK) as sender:
        for number in range(3):
            sender.put(Frame([on(f"light.{number}")], 10))
    await stage.filter.run(intake.receiver(), [out.sender(overflow)])
    shed = [each for each in stage.emitted if isinstance(each, reports.Shed)]
    assert [(each.link, each.count) for each in shed] == [("db", 1), ("db", 1)]
    assert [frame.points[0].entity_id async for frame in out.receiver()] == [kept]


def test_what_was_evicted_is_not_stored_already() -> None:
    stage = Stage()
    stage.step(on("light.kept", updated=NOON), on("light.lost"))
    lost = nanoseconds(moment_of(on("light.lost")))
    stage.filter.reconciler.forget(lost, lost)
    assert stage.step(on("light.kept", updated=NOON), on("light.lost"), source=Source.SNAPSHOT) == ["light.lost"]


def test_what_a_stores_link_shed_is_not_stored_already() -> None:
    stage = Stage()
    link: Link[PointFrame] = Link("store", Weight(1, 10**6), lambda frame: Weight(len(frame.points), frame.size))
    outlets = [link.sender(Overflow.DROP_NEWEST)]
    for name in ("light.kept", "light.shed"):
        stage.filter.outlets(outlets).put(stage.filter.step(Frame([on(name)], 100)))
    assert stage.step(on("light.kept"), on("light.shed"), source=Source.SNAPSHOT) == ["light.shed"]


def test_checkpoints_do_not_fill_the_memory() -> None:
    stage = Stage()
    stage.filter.reconciler.entities = 2
    stage.step(on("light.a"), on("light.b"), on("light.b"), on("light.c"))
    assert stage.step(on("light.b"), on("light.c"), source=Source.SNAPSHOT) == []
    assert stage.step(on("light.a"), source=Source.SNAPSHOT) == ["light.a"]


@pytest.mark.parametrize("overflow", [Overflow.DROP_NEWEST, Overflow.DROP_OLDEST])
def test_what_was_missed_is_not_lost_with_the_frame_that_a_stores_link_shed(overflow: Overflow) -> None:
    stage, link = Stage(), points_link(1)
    reconciler = stage.filter.reconciler
    reconciler.remember({"light.a": Mark("light.a", "light.a", 1_000)}, Cause.STOPPED)
    outlets = [link.sender(overflow)]
    for name in ("light.z", "light.a", "light.y"):
        stage.filter.outlets(outlets).put(stage.filter.step(Frame([on(name)], 100, session=1)))
    carried = [frame.note for frame in drained(link)] + [reconciler.note()]
    spans = {span.entity_id: span for note in carried for missed in note.missed for span in missed.spans}
    later = nanoseconds(moment_of(on("light.a")))
    assert {"light.a", "light.y", "light.z"} == set(spans)
    assert Span("light.a", "light.a", 1_000, later) in [
        span for note in carried for missed in note.missed for span in missed.spans
    ]


# ---- what was dropped and told again -----------------------------------------------------------------------------


def time_of(change: Change) -> int:
    return nanoseconds(moment_of(change))


def test_the_history_does_not_tell_what_a_snapshot_told() -> None:
    stage, told = Stage(), on("light.a")
    assert stage.step(told, source=Source.SNAPSHOT) == ["light.a"]
    assert stage.step(told, on("light.a", updated=NOON), source=Source.BACKFILL) == ["light.a"]
    assert stage.counts()["Repeated"] == 1


@pytest.mark.parametrize(
    "lost",
    [
        lambda at: reports.Evicted("db", 1, at, at),
        lambda at: reports.Purged("db", 1, at, at),
        lambda at: reports.Unreadable("db", 1, at, at, "damaged"),
        lambda at: reports.GapOpened(Cause.REOPENED, at, at, 1),
        lambda at: reports.GapOpened(Cause.IMPORTED, at, at, 1),
    ],
)
def test_what_was_lost_again_is_told_by_the_history(lost: Callable[[int], Report]) -> None:
    stage, told = Stage(), on("light.a")
    stage.step(told, source=Source.SNAPSHOT)
    stage.filter.lost(lost(time_of(told)))
    assert stage.step(told, source=Source.BACKFILL) == ["light.a"]


def test_what_a_stores_link_shed_is_told_by_the_history() -> None:
    stage, told = Stage(), on("light.shed")
    outlets = [points_link(0).sender(Overflow.DROP_NEWEST)]
    for change_ in (told, on("light.kept")):
        stage.filter.outlets(outlets).put(stage.filter.step(Frame([change_], 100, Source.SNAPSHOT)))
    assert "light.shed" in stage.step(told, on("light.kept"), source=Source.BACKFILL)


def test_a_link_that_gives_nothing_away_opens_no_gap() -> None:
    """What is told of an opening elsewhere takes nothing from what a snapshot told."""
    stage, told = Stage(), on("light.a")
    stage.step(told, source=Source.SNAPSHOT)
    stage.filter.lost(reports.GapOpened(Cause.CONNECTION, 1, 2, 1))
    assert stage.step(told, source=Source.BACKFILL) == []


def missing(stage: Stage) -> list[tuple[Cause, str, list[tuple[str, int, int]]]]:
    return [
        (each.cause, each.why, [(span.registry_id, span.after_ns, span.before_ns) for span in each.spans])
        for each in stage.filter.reconciler.note().missed
    ]


def test_what_a_spool_in_memory_drops_leaves_spans_until_something_is_delivered() -> None:
    stage = Stage()
    stage.filter.spooled = False

    def lose(*times: int) -> None:
        named = [Named("a", "light.a", each, each) for each in times]
        stage.filter.lost(reports.Evicted("db", len(times), times[0], times[-1], named=named, unbroken=True))

    lose(1_000)
    lose(2_000, 3_000)
    assert missing(stage) == [
        (Cause.EVICTED, "", [("a", 999, 1_001)]),
        (Cause.EVICTED, "", [("a", 999, 3_001)]),
    ]
    stage.filter.lost(reports.Stored("db", 1, 0.1))
    lose(5_000)
    assert missing(stage) == [(Cause.EVICTED, "", [("a", 4_999, 5_001)])]


async def test_no_span_of_what_a_spool_in_memory_drops_reaches_across_what_is_being_delivered(
    autojump_clock: MockClock,
) -> None:
    """An old batch that could not be delivered, and goes next, leaves one between two that went."""
    stage = Stage()
    stage.filter.spooled = False
    spool: MemorySpool[Batch[int]] = MemorySpool(3, lambda batch: Weight(batch.count, batch.size), in_order=True)

    async def put(at: int) -> None:
        if lost := await spool.put(Batch(at, 1, 1, at, at)):
            whose: Whose = lambda at: [Named("a", "light.a", at, at)]  # noqa: E731
            stage.filter.lost(evicted("db", lost, whose, unbroken=spool.unbroken))

    for at in (1_000, 2_000, 3_000):
        await put(at)
    with suppress(ZeroDivisionError):
        async with spool.claim():
            await put(4_000)
            raise ZeroDivisionError
    await put(5_000)
    async with spool.claim() as batch:
        assert batch.payload == 3_000
        await put(6_000)
    stage.filter.lost(reports.Stored("db", 1, 0.1))
    spans = [(after, before) for _, _, found in missing(stage) for _, after, before in found]
    assert sorted(spans) == [(999, 1_001), (1_999, 2_001), (3_999, 4_001)]


def test_where_the_spool_is_a_file_it_opens_the_gap_itself() -> None:
    stage = Stage()
    stage.filter.lost(reports.Evicted("db", 1, 1_000, 1_000, named=[Named("a", "light.a", 1_000, 1_000)]))
    assert missing(stage) == []


def test_what_cannot_be_named_has_no_spans() -> None:
    stage = Stage()
    stage.filter.spooled = False
    stage.filter.lost(reports.Evicted("db", 1, 1_000, 2_000))
    assert missing(stage) == [(Cause.EVICTED, UNNAMED, [])]


def test_what_is_nobodys_state_leaves_no_gap() -> None:
    stage, codec = Stage(), homeiq()
    stage.filter.spooled = False
    (point,) = stage.filter.step(Frame([on("light.a")], 100)).points
    payload = seal([line_of(codec, replace(point, origin=Source.HEARTBEAT)) or b""])
    stage.filter.lost(evicted("db", [Batch(payload, 1, len(payload), point.time_ns, point.time_ns)], codec.whose))
    assert missing(stage) == []


@pytest.mark.parametrize("link", [True, False])
def test_what_came_back_live_and_was_lost_again_is_told_by_the_history(*, link: bool) -> None:
    """Who was gone and is back counts as told from then on: but for what nobody has any more."""
    stage, back, later = Stage(), on("light.a", updated=NOON), on("light.a")
    stage.filter.reconciler.remember({"light.a": Mark("light.a", "light.a", 1_000)}, Cause.STOPPED)
    stage.filter.step(Frame([], 100, Source.SNAPSHOT, session=1, final=True))
    stage.filter.step(Frame([back], 100, session=1))
    stage.filter.step(Frame([later], 100, session=1))
    assert stage.step(back, later, source=Source.BACKFILL) == []
    lost, at = reports.Evicted("db", 1, time_of(later), time_of(later)), time_of(later)
    stage.filter.lost(reports.Shed("intake", 1, at, at, ("light.a",), {"light.a": (at, at)}) if link else lost)
    assert stage.step(back, later, source=Source.BACKFILL) == ["light.a"]


def test_what_was_lost_of_a_session_before_its_first_frame_came_is_told_by_the_history() -> None:
    stage, back, later = Stage(), on("light.a", updated=NOON), on("light.a")
    stage.filter.reconciler.remember({"light.a": Mark("light.a", "light.a", 1_000)}, Cause.STOPPED)
    at = time_of(later)
    stage.filter.lost(reports.Shed("intake", 1, at, at, ("light.a",), {"light.a": (at, at)}))
    stage.filter.step(Frame([], 100, Source.SNAPSHOT, session=1, final=True))
    stage.filter.step(Frame([back], 100, Source.SNAPSHOT, session=1))
    assert stage.step(back, later, source=Source.BACKFILL) == ["light.a"]


def test_who_looks_on_sees_what_became_of_each_change_but_not_the_history() -> None:
    stage, seen = Stage(EXCLUDING), list[tuple[str, object]]()

    def hear(judged: Judged) -> None:
        names = [each.data.entity_id for each in judged.changes]
        seen.extend(zip(names, judged.verdicts, strict=True))
        assert judged.rules == ["no pattern"]

    stage.step(on("light.before"))
    with stage.filter.tap.heard(hear):
        points = stage.filter.step(Frame([on("light.a"), on("update.core"), on("sensor.broken")], 100)).points
        stage.step(on("light.old"), source=Source.BACKFILL)
    stage.step(on("light.after"))
    assert seen == [("light.a", points[0]), ("update.core", "pattern 1: domain=update")]


def test_of_two_changes_that_are_equal_only_the_one_that_broke_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    stage, seen = Stage(), list[Judged]()
    made_of, fails = stage.filter.enricher.made_of, [True, False]

    def once(*given: Any) -> Point:
        if fails.pop(0):
            raise ZeroDivisionError("bug")
        return made_of(*given)

    monkeypatch.setattr(stage.filter.enricher, "made_of", once)
    with stage.filter.tap.heard(seen.append):
        stage.step(on("light.a"), on("light.a"))
    assert [(len(each.changes), len(each.verdicts)) for each in seen] == [(1, 1)]


def test_who_breaks_at_looking_on_breaks_nothing() -> None:
    stage = Stage()

    def broken(_: Judged) -> None:
        raise ZeroDivisionError("bug")

    stage.filter.tap.add(broken)
    assert stage.step(on("light.a")) == ["light.a"]
    assert stage.step(on("light.b")) == ["light.b"]
    [notice] = [each for each in stage.emitted if isinstance(each, reports.Notice)]
    assert "ZeroDivisionError('bug')" in notice.sentence
