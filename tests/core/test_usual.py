"""The short way of a usual change beside the long one: whatever a home does, both come to the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, ClassVar
from weakref import ref

from hypothesis import given
from hypothesis import strategies as st

from ingest.actors.filter import Filter
from ingest.core import reports
from ingest.core.attributes import Drops
from ingest.core.catalog import Catalog
from ingest.core.enrich import Enricher
from ingest.core.filter_settings import FilterSettings, Override, Pattern
from ingest.core.judged import Judged, Verdict
from ingest.core.point import Facts, Kind, Point
from ingest.core.reconcile import Reconciler
from ingest.core.reports import Report
from ingest.core.rules import Rules
from ingest.core.state import Change, Frame, Source, nanoseconds
from ingest.core.usual import unusual
from ingest.runtime.watch import Watch
from tests.core.changes import change, state

NAMES = ("sensor.a", "light.b", "light.c")
USUAL = ("1", "2", "on")
VALUES = ("on", "off", "21.5", "unknown", "unavailable")
ATTRIBUTES: tuple[dict[str, Any], ...] = (
    {},
    {"brightness": 5},
    {"brightness": 6, "token": "x"},
    {"device_class": "power", "unit_of_measurement": "W"},
    {"restored": True},
)
FACTS = (
    Catalog(),
    Catalog({"sensor.a": Facts("1", area_id="hall")}),
    Catalog({"light.b": Facts("2"), "light.c": Facts("3")}),
    Catalog({"light.b": Facts("2"), "light.c": Facts("4"), "sensor.a": Facts("1", area_id="attic")}),
)
SETTINGS = (
    FilterSettings(),
    FilterSettings(patterns=(Pattern(device_class="power"),)),
    FilterSettings(overrides=(Override(Pattern(domain="sensor"), attributes="none"),)),
    FilterSettings(patterns=(Pattern(entity_id="light.c"),), drop_replays=True),
    FilterSettings(overrides=(Override(Pattern(domain="light"), heartbeat=60),)),
)
DROPS = (Drops(), Drops(("brightness",)))
START = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Seeing(Reconciler):
    """Looks at everything that may be otherwise, whatever moves."""

    def follow(self, registry_id: str, entity_id: str, time_ns: int) -> bool:
        del registry_id, entity_id, time_ns
        return False


class Long(Filter):
    """Takes the long way always."""

    def _way(self, source: Source) -> Callable[[Change], Point | None]:
        del source
        return unusual


class Counted(Filter):
    """Writes down whom it judges the long way."""

    long: ClassVar[list[Change]] = []

    def _judge(self, change: Change, source: Source, catalog: Catalog) -> Verdict:
        self.long.append(change)
        return super()._judge(change, source, catalog)


class Both:
    """Two filters that are told the same. One of them takes the long way always. They remember so many `entities`."""

    def __init__(self, entities: int = 100) -> None:
        self.now, self.session = START, 1
        self.present: dict[str, dict[str, Any]] = {}
        self.catalog = Watch(FACTS[0])
        self.short_rules, self.long_rules = Watch(Rules(SETTINGS[0])), Watch(Rules(SETTINGS[0]))
        self.emitted: tuple[list[Report], list[Report]] = ([], [])
        self.heard: tuple[list[Judged], list[Judged]] = ([], [])
        self.short: Filter = Counted(
            self.short_rules, Enricher(DROPS[0], entities), self.catalog, self.emitted[0].append
        )
        self.long: Filter = Long(self.long_rules, Enricher(DROPS[0], entities), self.catalog, self.emitted[1].append)
        self.short.reconciler, self.long.reconciler = Reconciler(entities=entities), Seeing(entities=entities)
        for each, heard in zip((self.short, self.long), self.heard, strict=True):
            each.tap.add(heard.append)

    def both(self, work: Callable[[Filter], object]) -> None:
        one, other = work(self.short), work(self.long)
        assert one == other

    def step(self, *changes: Change, source: Source = Source.LIVE, final: bool = False) -> None:
        self.both(lambda each: each.step(Frame(changes, 10, source, self.session, final=final)))

    def later(self, chance: Random, steps: Sequence[int] = (1,)) -> str:
        self.now += timedelta(microseconds=chance.choice(steps))
        return self.now.isoformat(timespec="microseconds")

    def next_of(self, chance: Random, name: str) -> Change:
        """Mostly what is usual: another value, or other attributes; sometimes anything at all."""
        before = self.present.get(name)
        what = chance.choice(("value", "value", "value", "attributes", "anything"))
        if before is None or what == "anything":
            return self.anything_of(chance, name)
        at, attributes = self.later(chance), before["attributes"]
        if what == "value":
            new = state(name, chance.choice(USUAL), changed=at, updated=at, **attributes)
        else:
            attributes = chance.choice(ATTRIBUTES)
            new = state(name, before["state"], changed=before["last_changed"], updated=at, **attributes)
        self.present[name] = new
        return change(new, before, fired=at)

    def anything_of(self, chance: Random, name: str) -> Change:
        before, at = self.present.get(name), self.later(chance, (1, 0, -1, -5))
        if before is not None and (chance.random() < 0.5):
            del self.present[name]
            return change(None, before, fired=at)
        attributes = chance.choice(ATTRIBUTES)
        self.present[name] = state(name, chance.choice(VALUES), changed=at, updated=at, **attributes)
        return change(self.present[name], before if (chance.random() < 0.5) else None, fired=at)

    def changes_come(self, chance: Random) -> None:
        many = chance.randint(1, 8)
        self.step(*(self.next_of(chance, chance.choice(NAMES)) for _ in range(many)))

    def changes_are_lost(self, chance: Random) -> None:
        for _ in range(chance.randint(1, 3)):
            self.next_of(chance, chance.choice(NAMES))

    def a_snapshot_comes(self, chance: Random) -> None:
        self.session += chance.random() < 0.5
        there = [change(each) for each in self.present.values() if chance.randint(0, 4)]
        self.step(*there, source=Source.SNAPSHOT, final=bool(chance.randint(0, 4)))

    def the_history_tells(self, chance: Random) -> None:
        ago = timedelta(microseconds=chance.randint(0, 9))
        at = (self.now - ago).isoformat(timespec="microseconds")
        name = chance.choice(NAMES)
        told, before = state(name, "on", changed=at, updated=at), self.present.get(name)
        self.step(change(told, before if chance.randint(0, 1) else None, fired=at), source=Source.BACKFILL)

    def the_registries_say(self, chance: Random) -> None:
        self.catalog.set(chance.choice(FACTS))

    def the_rules_are(self, chance: Random) -> None:
        settings = chance.choice(SETTINGS)
        self.short_rules.set(Rules(settings))
        self.long_rules.set(Rules(settings))

    def these_are_left_out(self, chance: Random) -> None:
        drops = chance.choice(DROPS)
        self.both(lambda each: each.enricher.drop(drops))

    def points_are_lost(self, chance: Random) -> None:
        newest_ns = nanoseconds(self.now) - chance.randint(0, 20) * 1000
        oldest_ns = newest_ns - chance.randint(0, 20) * 1000
        self.both(lambda each: each.lost(reports.Evicted("influxdb", 1, oldest_ns, newest_ns)))

    def the_state_file_is_late(self, _: Random) -> None:
        if self.short.reconciler._firsts is None:
            self.both(lambda each: each.reconciler.forget_nothing())
        else:
            marks = dict(self.short.reconciler.marks)
            self.both(lambda each: each.reconciler.remember(marks, each.reconciler.cause))

    def they_agree(self) -> None:
        assert self.emitted[0] == self.emitted[1]
        assert self.heard[0] == self.heard[1]
        for heard in self.heard:
            for each in heard:
                assert len(each.rules) == sum(isinstance(verdict, Point) for verdict in each.verdicts)
        one, other = self.short.reconciler, self.long.reconciler
        assert (one.marks, one._absent, one.excluded) == (other.marks, other._absent, other.excluded)
        assert told(self.short) == told(self.long)
        assert standing(self.short) == standing(self.long)
        for seen in (*self.emitted, *self.heard):
            seen.clear()


def told(stage: Filter) -> Sequence[object]:
    return [
        (last.facts, last.attributes, last.state, last.value, last.time_ns) for last in stage.enricher.lasts.values()
    ]


def standing(stage: Filter) -> Sequence[object]:
    return [(each.point, each.due_ns) for each in stage.heartbeats._standing.values()]


HAPPENS = (Both.changes_come,) * 16 + (
    Both.changes_are_lost,
    Both.a_snapshot_comes,
    Both.the_history_tells,
    Both.the_registries_say,
    Both.the_rules_are,
    Both.these_are_left_out,
    Both.points_are_lost,
    Both.the_state_file_is_late,
)


@given(st.integers(0))
def test_both_ways_come_to_the_same(seed: int) -> None:
    """Long lives, which a seed repeats: what is usual needs a while to become so."""
    chance = Random(seed)
    home = Both(chance.choice((2, 100)))
    if chance.randint(0, 9):
        home.step(source=Source.SNAPSHOT, final=True)
    for happens in chance.choices(HAPPENS, k=150):
        happens(home, chance)
        home.they_agree()


@given(st.lists(st.sampled_from(VALUES[:3]), min_size=5, max_size=5))
def test_a_usual_change_goes_the_short_way(values: list[str]) -> None:
    machine = Both()
    machine.step(final=True, source=Source.SNAPSHOT)
    Counted.long.clear()
    for number, value in enumerate(values):
        at = (START + timedelta(seconds=number)).isoformat(timespec="microseconds")
        before, machine.present["light.b"] = (
            machine.present.get("light.b"),
            state("light.b", value, changed=at, updated=at, n=number),
        )
        machine.step(change(machine.present["light.b"], before, fired=at))
    assert len(Counted.long) == 2  # the first, a start, and the next, of which everything is new


def moved(machine: Both, value: str, **attributes: Any) -> Change:
    """The next change of a light, which need not be heard."""
    machine.now += timedelta(seconds=1)
    at = machine.now.isoformat(timespec="microseconds")
    before = machine.present.get("light.b")
    machine.present["light.b"] = state("light.b", value, changed=at, updated=at, **attributes)
    return change(machine.present["light.b"], before, fired=at)


def test_what_was_unavailable_when_it_moved_is_where_it_is_now_though_its_return_was_lost() -> None:
    """Unavailable it belongs to the series of the point before; then to the one of its new area."""
    machine = Both()
    machine.step(final=True, source=Source.SNAPSHOT)
    machine.catalog.set(Catalog({"light.b": Facts("2", area_id="hall")}))
    for value in ("on", "off", "on"):
        machine.step(moved(machine, value))
    machine.catalog.set(Catalog({"light.b": Facts("2", area_id="attic")}))
    machine.step(moved(machine, "unavailable"))
    moved(machine, "on")
    machine.step(moved(machine, "off"))
    machine.they_agree()


def test_who_is_silent_keeps_nothing_alive_that_the_registries_said_once() -> None:
    """A catalog is read twice an hour, and of a large home it takes megabytes."""
    machine = Both()
    machine.step(final=True, source=Source.SNAPSHOT)
    machine.catalog.set(Catalog({"light.b": Facts("2")}))
    before = ref(machine.catalog.value)
    for value in ("on", "off", "on"):
        machine.step(moved(machine, value))
    machine.catalog.set(Catalog({"light.b": Facts("2")}))
    machine.step()
    assert before() is None


def test_who_comes_back_after_it_was_put_back_makes_a_step_though_that_was_lost() -> None:
    machine = Both()
    machine.step(final=True, source=Source.SNAPSHOT)
    for value in ("on", "off", "on"):
        machine.step(moved(machine, value))
    moved(machine, "unavailable", restored=True)
    machine.step(moved(machine, "off"))
    assert [each.kind for each in machine.heard[0][-1].verdicts if isinstance(each, Point)] == [Kind.STARTUP]
    machine.they_agree()


def test_what_came_unavailable_under_another_id_is_not_told_again_by_the_snapshot() -> None:
    """Its point belongs to the series of the point before; whom it is of is what the registries say now."""
    machine = Both()
    machine.catalog.set(Catalog({"light.b": Facts("2")}))
    machine.step(moved(machine, "on"))
    machine.step(final=True, source=Source.SNAPSHOT)
    machine.catalog.set(Catalog({"light.b": Facts("9")}))
    machine.session += 1
    machine.step(moved(machine, "unavailable"))
    machine.they_agree()
    machine.step(change(machine.present["light.b"]), final=True, source=Source.SNAPSHOT)
    assert machine.heard[0][0].verdicts == [None]
    machine.they_agree()


def test_who_gets_another_name_goes_on_under_it() -> None:
    machine = Both()
    machine.step(final=True, source=Source.SNAPSHOT)
    machine.catalog.set(Catalog({"light.b": Facts("2")}))
    for value in ("on", "off", "on"):
        machine.step(moved(machine, value))
    machine.catalog.set(machine.catalog.value.renamed([("light.b", "light.c")]))
    at = (machine.now + timedelta(seconds=1)).isoformat(timespec="microseconds")
    machine.step(change(None, machine.present["light.b"], fired=at))
    had = None
    for number, value in enumerate(("on", "off", "on"), start=1):
        at = (machine.now + timedelta(seconds=number)).isoformat(timespec="microseconds")
        had, before = state("light.c", value, changed=at, updated=at), had
        machine.step(change(had, before, fired=at))
        machine.they_agree()
    assert machine.short.reconciler.marks["2"].entity_id == "light.c"
