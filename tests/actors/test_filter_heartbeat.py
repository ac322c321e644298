"""What the filter makes heartbeats of, and what it never does."""

from __future__ import annotations

import pytest
from msgspec import Raw
from msgspec.structs import replace

from ingest.actors.filter import BEATS
from ingest.core import reports
from ingest.core.catalog import Catalog
from ingest.core.coverage import Mark
from ingest.core.filter_settings import FilterSettings, Pattern
from ingest.core.point import Facts, Point
from ingest.core.rules import Rules
from ingest.core.state import Frame, Source
from ingest.runtime.link import Link, Overflow, Weight
from tests.actors.test_filter import Stage, on, points_link
from tests.core.changes import LATER_NS, NOON, change, state

SECOND = 10**9
MINUTE = 60 * SECOND
START = LATER_NS // MINUTE * MINUTE
BEATING = FilterSettings(
    patterns=(Pattern(domain="update"),), exceptions=(Pattern(domain="light", heartbeat=60.0), Pattern(domain="sensor"))
)


def stage() -> Stage:
    made = Stage(BEATING)
    made.filter.step(Frame((), 0, Source.SNAPSHOT, 1, final=True))
    return made


def proof(until_ns: int, session: int = 1) -> Frame:
    return Frame((), 0, Source.HEARTBEAT, session, until_ns=until_ns)


def beats(made: Stage, until_ns: int) -> list[tuple[str, int, str]]:
    made.filter.step(proof(until_ns))
    points: list[Point] = []
    while made.filter.heartbeats:
        points += made.filter.beat().points
    return [(each.entity_id, each.time_ns, each.state) for each in points]


def test_what_a_rule_gives_heartbeats_to_has_them_and_they_count_as_made() -> None:
    made = stage()
    made.filter.step(Frame([on("light.a"), on("sensor.b"), on("update.c")], 0, session=1))
    made.emitted.clear()
    assert beats(made, START + MINUTE - 1) == []
    assert beats(made, START + MINUTE) == [("light.a", START + MINUTE, "on")]
    assert made.emitted == [reports.Added(1, "heartbeats")]


def test_a_heartbeat_is_no_mark_and_proves_nothing() -> None:
    made = stage()
    made.filter.step(Frame([on("light.a")], 0, session=1))
    made.filter.step(proof(START + 10 * SECOND))
    frame = made.filter.step(proof(START + MINUTE))
    assert not frame.note
    assert not made.filter.beat().note
    assert made.filter.reconciler.marks["light.a"].time_ns == LATER_NS


def test_those_that_are_due_before_a_change_come_before_it() -> None:
    made = stage()
    made.filter.step(Frame([on("light.a")], 0, session=1))
    made.filter.step(proof(START + 10 * SECOND))
    late = change(state("light.a", "off", updated="2026-11-23T12:02:30.000000+00:00"))
    frame = made.filter.step(Frame([late], 0, session=1))
    assert [(each.time_ns, each.state) for each in frame.points] == [
        (START + MINUTE, "on"), (START + 2 * MINUTE, "on"), (START + 150 * SECOND, "off"),
    ]  # fmt: skip
    assert reports.Added(2, "heartbeats") in made.emitted
    assert reports.Passed(1) in made.emitted


def test_what_broke_or_was_dropped_stands_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    made = stage()
    names = ["light.a", "light.b", "light.c"]
    made.filter.step(Frame([on(name) for name in names], 0, session=1))
    made.filter.step(proof(START + 10 * SECOND))

    def breaks(*_: object) -> Point:
        raise ZeroDivisionError("bug")

    with monkeypatch.context() as broken:
        broken.setattr(made.filter.enricher, "made_of", breaks)
        made.filter.step(Frame([on("light.a")], 0, session=1))
    lost = reports.Shed("intake", 1, LATER_NS, LATER_NS, ("light.b",), {"light.b": (LATER_NS, LATER_NS)})
    made.filter.lost(lost)
    assert [name for name, _, _ in beats(made, START + MINUTE)] == ["light.c"]


def test_a_state_of_a_snapshot_that_is_older_than_what_came_live_does_not_stand() -> None:
    made = Stage(BEATING)
    made.filter.step(Frame([on("light.a")], 0, session=1))
    made.filter.step(Frame([change(state("light.a", "off", updated=NOON))], 0, Source.SNAPSHOT, 1, final=True))
    made.filter.step(proof(START + 10 * SECOND))
    assert beats(made, START + MINUTE) == [("light.a", START + MINUTE, "on")]


def test_a_proof_before_the_snapshot_is_through_proves_nothing() -> None:
    made = Stage(BEATING)
    made.filter.step(Frame([on("light.a")], 0, session=1))
    made.filter.step(proof(START + 10 * SECOND))
    assert beats(made, START + MINUTE) == []


def test_many_are_made_in_portions() -> None:
    made = stage()
    made.filter.step(Frame([on(f"light.n{number}") for number in range(BEATS + 10)], 0, session=1))
    made.filter.step(proof(START + 10 * SECOND))
    made.filter.step(proof(START + MINUTE))
    assert [len(made.filter.beat().points), len(made.filter.beat().points)] == [BEATS, 10]


async def test_a_running_filter_sends_them_all() -> None:
    made, out = stage(), points_link(10_000)
    intake: Link[Frame] = Link("intake", Weight(10_000, 10**6), lambda each: Weight(len(each.changes), each.size))
    with intake.sender(Overflow.BLOCK) as sender:
        sender.put(Frame([on(f"light.n{number}") for number in range(BEATS + 10)], 10, session=1))
        sender.put(proof(START + 10 * SECOND))
        sender.put(proof(START + MINUTE))
    await made.filter.run(intake.receiver(), [out.sender(Overflow.BLOCK)])
    assert [len(frame.points) async for frame in out.receiver()] == [BEATS + 10, BEATS, 10]


def test_a_heartbeat_that_a_store_has_no_room_for_is_counted_and_no_gap() -> None:
    made = stage()
    made.filter.step(Frame([on("light.a")], 0, session=1))
    made.filter.step(proof(START + 10 * SECOND))
    made.filter.step(proof(START + MINUTE))
    out = points_link(1)
    sender = out.sender(Overflow.DROP_NEWEST)
    sender.put(made.filter.step(Frame([on("sensor.b")], 10, session=1)))
    made.filter.outlets([sender]).put(made.filter.beat())
    shed = [each for each in made.emitted if isinstance(each, reports.Shed)]
    assert [(each.count, each.entities, dict(each.spans)) for each in shed] == [(1, (), {})]
    made.filter.lost(shed[0])
    assert made.filter.reconciler.note().missed == ()
    assert "light.a" in made.filter.reconciler.marks


def test_other_rules_hold_from_the_next_frame_on_and_a_snapshot_tells_what_stands() -> None:
    made = stage()
    made.filter.step(Frame([on("light.a"), on("sensor.b"), on("zone.c")], 0, session=1))
    made.filter.step(proof(START + 10 * SECOND))
    beating = (Pattern(domain="sensor", heartbeat=60.0), Pattern(domain="light"))
    made.filter.rules.set(Rules(FilterSettings(patterns=(Pattern(domain="zone"),), exceptions=beating)))
    assert beats(made, START + MINUTE) == []
    known = [on(name) for name in ("light.a", "sensor.b", "zone.c")]
    made.emitted.clear()
    made.filter.step(Frame(known, 0, Source.SNAPSHOT, 1, final=True))
    assert made.emitted == [reports.Repeated(3)]
    assert beats(made, START + 2 * MINUTE) == [("sensor.b", START + 2 * MINUTE, "on")]
    assert made.filter.snapshots.value == 2


def test_what_a_snapshot_knows_already_is_decided_too_without_being_kept() -> None:
    made = Stage(FilterSettings(patterns=(Pattern(device_class="battery"),)))
    battery, odd = on("sensor.b1", device_class="battery"), on("sensor.b2")
    assert odd.data.new_state is not None
    odd = replace(odd, data=replace(odd.data, new_state=replace(odd.data.new_state, attributes=Raw(b"[]"))))
    made.filter.reconciler.marks["sensor.b1"] = Mark("sensor.b1", "sensor.b1", LATER_NS)
    made.filter.reconciler.marks["sensor.b2"] = Mark("sensor.b2", "sensor.b2", LATER_NS)
    made.filter.step(Frame([battery, odd], 0, Source.SNAPSHOT, 1, final=True))
    assert made.emitted[0] == reports.Repeated(2)
    ((entity_id, _, decision),) = made.filter.rules.value.decided()
    assert (entity_id, decision.passed) == ("sensor.b1", False)


def moving(made: Stage, area_id: str) -> None:
    made.catalog.set(Catalog({"light.a": Facts("r1", area_id=area_id)}))


def test_a_heartbeat_says_where_its_entity_is_by_now() -> None:
    made = Stage(BEATING, Catalog({"light.a": Facts("r1", area_id="kitchen")}))
    made.filter.step(Frame([on("light.a")], 0, Source.SNAPSHOT, 1, final=True))
    made.filter.step(proof(START + 10 * SECOND))
    moving(made, "cellar")
    made.filter.step(proof(START + MINUTE))
    assert [each.facts.area_id for each in made.filter.beat().points] == ["cellar"]


def test_who_moves_to_where_a_rule_leaves_it_out_has_no_heartbeats_any_more() -> None:
    kitchen = FilterSettings(mode="include", patterns=(Pattern(area_id="kitchen", heartbeat=60.0),))
    made = Stage(kitchen, Catalog({"light.a": Facts("r1", area_id="kitchen")}))
    made.filter.step(Frame([on("light.a")], 0, Source.SNAPSHOT, 1, final=True))
    made.filter.step(proof(START + 10 * SECOND))
    moving(made, "cellar")
    assert beats(made, START + MINUTE) == []


def test_rules_that_come_into_the_middle_of_a_snapshot_hold_for_what_it_told_before() -> None:
    made, first, second = Stage(FilterSettings()), on("light.a"), on("light.b")
    made.filter.step(Frame([first], 0, Source.SNAPSHOT, 1))
    made.filter.rules.set(Rules(BEATING))
    made.filter.step(Frame([second], 0, Source.SNAPSHOT, 1, final=True))
    made.filter.step(Frame([first, second], 0, Source.SNAPSHOT, 1, final=True))  # the session has them judged anew
    made.filter.step(proof(START + 10 * SECOND))
    assert [name for name, _, _ in beats(made, START + MINUTE)] == ["light.a", "light.b"]
