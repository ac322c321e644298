"""Restarts of real servers, as they were recorded: what is said again is no change."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import pytest
from attrs import define, evolve, field

from ingest.actors.filter import Filter
from ingest.core import reports
from ingest.core.attributes import Drops
from ingest.core.catalog import NO_CATALOG
from ingest.core.conversation import Conversation
from ingest.core.coverage import Span
from ingest.core.enrich import Enricher
from ingest.core.filter_settings import FilterSettings
from ingest.core.history import Row, changes_of
from ingest.core.point import Kind, Point
from ingest.core.reports import Report
from ingest.core.restart import PLACEHOLDERS, REPEATS
from ingest.core.rules import Rules
from ingest.core.state import Change, Frame, Source, State, from_snapshot, nanoseconds
from ingest.runtime.watch import Watch
from tests.golden.replay import recorded

VERSIONS = ("2024.3.3", "2025.4.4")


@define
class Run:
    """One run of Home Assistant, as far as somebody was subscribed. `starting` are the frames until it had started."""

    starting: list[Frame] = field(factory=list)
    after: list[Frame] = field(factory=list)

    @property
    def frames(self) -> list[Frame]:
        return [*self.starting, *self.after]

    @property
    def states(self) -> dict[str, State]:
        """What it would answer at the end."""
        changes = [each.data for frame in self.frames for each in frame.changes]
        return {data.entity_id: data.new_state for data in changes if data.new_state is not None}


def runs(version: str) -> list[Run]:
    """Before the first restart, between the two, and after the second."""
    conversation = Conversation()
    conversation.command("supported_features", features={"coalesce_messages": 1})
    conversation.subscribe("state_changed")
    found, started = [Run()], True
    for line in recorded(version, "restarts"):
        if started and '"old_state":null' in line:
            found.append(Run())
            started = False
        frames = [each for each in conversation.receive(line) if isinstance(each, Frame)]
        (found[-1].after if started else found[-1].starting).extend(frames)
        started = started or "homeassistant_started" in line
    return found


@define(eq=False)
class Service:
    """The filter, and what came out of it."""

    drop_replays: bool = False
    emitted: list[Report] = field(factory=list)
    spans: list[Span] = field(factory=list)
    session: int = 0
    filter: Filter = field(init=False)

    def __attrs_post_init__(self) -> None:
        rules = Rules(FilterSettings(drop_replays=self.drop_replays))
        self.filter = Filter(Watch(rules), Enricher(Drops()), Watch(NO_CATALOG), self.emitted.append)

    def hear(self, run: Run) -> list[Point]:
        """One session: live from the start on, the snapshot when that is over. The points of the start."""
        self.session += 1
        starting = [point for frame in run.starting for point in self.take(frame)]
        self.look(Run(run.starting))
        for frame in run.after:
            self.take(frame)
        return starting

    def look(self, run: Run) -> list[Point]:
        """The snapshot."""
        states = [from_snapshot(each) for each in run.states.values()]
        return self.take(Frame(states, 0, Source.SNAPSHOT, final=True))

    def take(self, frame: Frame) -> list[Point]:
        made = self.filter.step(evolve(frame, session=self.session))
        self.spans += [span for missed in made.note.missed for span in missed.spans]
        return list(made.points)

    def fill(self, rows: dict[str, list[Row]]) -> list[Point]:
        """What the history knows of the spans."""
        changes = [each for span in self.spans for each in changes_of(span, rows.get(span.entity_id, []))]
        return self.take(Frame(changes, 0, Source.BACKFILL))

    def counted(self) -> tuple[int, int, int]:
        """Passed, repeated, left out as replays."""
        passed = sum(each.count for each in self.emitted if isinstance(each, reports.Passed))
        repeated = sum(each.count for each in self.emitted if isinstance(each, reports.Repeated))
        left_out = [each.rules for each in self.emitted if isinstance(each, reports.Filtered)]
        assert all(set(each) == {REPEATS} for each in left_out)
        return passed, repeated, sum(each[REPEATS] for each in left_out)


def values(run: Run) -> dict[str, str]:
    """Each entity's last value that was one."""
    changes = [each.data for frame in run.frames for each in frame.changes]
    states = [data.new_state for data in changes if data.new_state is not None]
    return {each.entity_id: each.state for each in states if each.state not in PLACEHOLDERS}


def rows_of(*all_runs: Run) -> dict[str, list[Row]]:
    """What the recorder kept: of every state its text, attributes and times, and nothing of `restored`."""
    rows: defaultdict[str, list[Row]] = defaultdict(list)
    for change in _changes(*all_runs):
        new = change.data.new_state
        assert new is not None
        rows[new.entity_id].append(
            Row(new.state, nanoseconds(new.last_updated), new.last_updated, new.last_changed, new.attributes)
        )
    return rows


def _changes(*all_runs: Run) -> Iterator[Change]:
    for run in all_runs:
        for frame in run.frames:
            yield from frame.changes


def replayed(points: list[Point], known: dict[str, str]) -> list[Point]:
    """Those that say what was known before the start, or end what a start put in its place."""
    return [
        each
        for each in points
        if each.state == known.get(each.entity_id) or each.state in PLACEHOLDERS or each.previous_state is None
    ]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_recordings_hold_two_restarts_with_steps_of_every_sort(version: str) -> None:
    before, first, second = runs(version)
    assert len(before.frames) >= 1
    assert min(len(first.states), len(second.states)) > 90
    steps = [each.data for each in _changes(Run(second.starting)) if each.data.old_state is not None]
    assert any(each.old_state is not None and each.old_state.state in PLACEHOLDERS for each in steps)


@pytest.mark.parametrize("version", VERSIONS)
def test_no_replay_of_a_real_restart_pretends_to_be_a_change(version: str) -> None:
    before, first, second = runs(version)
    service = Service()
    service.hear(before)
    for run, known in ((first, values(before)), (second, values(first))):
        points = service.hear(run)
        replays = replayed(points, known)
        assert len(replays) > 90
        assert {each.kind for each in replays} <= {Kind.STARTUP, Kind.RESTORED, Kind.ATTRIBUTES}
    changed = [each for each in points if each.kind is Kind.CHANGED]
    assert all(each.state != values(first)[each.entity_id] for each in changed)
    assert {"sensor.lab_saw"} <= {each.entity_id for each in changed}, "what really changed meanwhile says so"


@pytest.mark.parametrize("version", VERSIONS)
def test_no_replay_that_the_history_tells_of_pretends_to_be_a_change(version: str) -> None:
    before, first, second = runs(version)
    service = Service()
    service.hear(before)
    service.hear(first)
    service.spans = []
    service.session += 1
    service.look(second)
    points = service.fill(rows_of(before, first, second))
    replays = replayed(points, values(first))
    assert len(replays) >= 4
    assert all(each.kind in {Kind.STARTUP, Kind.ATTRIBUTES, None} for each in replays)
    assert any(each.kind is Kind.STARTUP for each in replays)


@pytest.mark.parametrize("version", VERSIONS)
def test_replays_that_are_left_out_are_counted_and_change_no_value(version: str) -> None:
    before, first, second = runs(version)
    service = Service(drop_replays=True)
    stored: dict[str, str] = {}
    for run in (before, first, second):
        stored.update((each.entity_id, each.state) for each in service.hear(run))
    received = sum(len(frame.changes) for run in (before, first, second) for frame in run.frames)
    received += sum(len(Run(run.starting).states) for run in (before, first, second))
    passed, repeated, left_out = service.counted()
    assert passed + repeated + left_out == received
    assert left_out > 80
    starting = Run(second.starting).states
    assert {key: stored[key] for key in starting} == {key: each.state for key, each in starting.items()}


@pytest.mark.parametrize("version", VERSIONS)
def test_the_history_has_the_last_word_on_what_was_left_out(version: str) -> None:
    """A light goes off just before the stop, unheard, and is on again after the start: that is a change after all."""
    before, first, second = runs(version)
    service = Service(drop_replays=True)
    service.hear(before)
    service.hear(first)
    service.spans = []
    service.hear(second)
    rows = rows_of(before, first, second)
    quiet = service.fill(rows)
    assert not [each for each in quiet if each.kind is Kind.STARTUP and each.state == each.previous_state]
    light = "light.kitchen_lights"
    known = rows[light]
    off = known[-2].updated + (known[-1].updated - known[-2].updated) / 8
    missed = evolve(known[-2], state="off", time_ns=nanoseconds(off), updated=off, changed=off)
    told = service.fill({light: [*known[:-1], missed, known[-1]]})
    assert [each.state for each in told] == ["off", "on"]
    assert service.filter.reconciler.marks[light].time_ns == known[-1].time_ns


def test_of_what_was_lost_on_its_way_to_the_store_nothing_is_left_out() -> None:
    before, first, second = runs("2025.4.4")
    service = Service(drop_replays=True)
    service.hear(before)
    service.hear(first)
    service.filter.reconciler.forget(0, 2**62)
    starting = sum(len(frame.changes) for frame in second.starting)
    light = [each for each in service.hear(second) if each.entity_id == "light.kitchen_lights"]
    assert [(each.kind, each.state) for each in light] == [(Kind.STARTUP, "on")]
    assert service.counted()[2] < starting / 10
