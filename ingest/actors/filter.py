"""From changes to points: what is left out, what is known of the rest, and to whom it goes.

One frame is one step without a checkpoint, so a change is always in a link or counted. A change that breaks a pure
function goes to the dead letters; the service lives.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from attrs import Factory, define, field

from ingest.actors.losses import Losses
from ingest.actors.outlets import Outlets
from ingest.core import reports
from ingest.core.catalog import Catalog
from ingest.core.coverage import Mark
from ingest.core.enrich import Enricher
from ingest.core.heartbeat import HEARTBEATS, Heartbeats
from ingest.core.judged import Judged, Verdict
from ingest.core.loss import dead_letter
from ingest.core.point import Facts, Point, PointFrame
from ingest.core.reconcile import Reconciler
from ingest.core.reports import Emit, Report
from ingest.core.restart import REPEATS, Last, of_a_start, repeats
from ingest.core.rules import Decision, Rules, treated
from ingest.core.snapshot_states import SnapshotStates
from ingest.core.state import Change, Frame, Source, moment_of, nanoseconds
from ingest.core.usual import Usual, unusual
from ingest.runtime.link import Receiver, Sender
from ingest.runtime.tap import Tap
from ingest.runtime.watch import Watch

STAGE = "filter"

# Python 3.11 takes 0.1 µs to find an enum's member.
_live, _snapshot, _backfill = Source.LIVE, Source.SNAPSHOT, Source.BACKFILL

BEATS = 512
"""Entities whose heartbeats are made in one step."""

BEAT = 1000
"""What a heartbeat weighs on a link, about, in bytes."""


@define(eq=False)
class Filter:
    """The stage's memory: the rules, the enricher's, and which states were passed on (the reconciler's).

    Other rules hold from the next frame on. `snapshots` counts those that are through. `spooled`: what waits for the store
    is on disk, in a spool that opens the gap of what it drops itself. At `tap` others look on, but not at the history.
    """

    rules: Watch[Rules]
    enricher: Enricher
    catalog: Watch[Catalog]
    emit: Emit
    tap: Tap[Judged] = field(default=Factory(lambda self: Tap(self._nobody_looks_on), takes_self=True))
    reconciler: Reconciler = field(factory=Reconciler)
    spooled: bool = True
    heartbeats: Heartbeats = field(factory=Heartbeats)
    snapshots: Watch[int] = field(factory=lambda: Watch(0))
    _told: SnapshotStates = field(factory=SnapshotStates)
    _losses: Losses = field(default=Factory(lambda self: Losses(self._told, self.heartbeats), takes_self=True))
    _due: list[Point] = field(factory=list)
    _current: Rules = field(default=Factory(lambda self: self.rules.value, takes_self=True))
    _renewed: int = 0
    _usual: Usual = field(default=Factory(lambda self: self._usual_now(), takes_self=True))

    async def run(self, intake: Receiver[Frame], stores: Sequence[Sender[PointFrame]]) -> None:
        """Turn frames into points until the intake ends; closes both its ends."""
        with intake, self.outlets(stores) as outlets:
            while True:
                await outlets.ready()
                frame = await anext(intake, None)
                if frame is None:
                    return
                outlets.put(self.step(frame))
                while self.heartbeats:
                    await outlets.ready()
                    outlets.put(self.beat())

    def outlets(self, stores: Sequence[Sender[PointFrame]]) -> Outlets:
        """What its points are put into: the links of these stores, and what a link drops counts as missed."""
        return Outlets(stores, self.emit, self.reconciler, self._told)

    def step(self, frame: Frame) -> PointFrame:
        """The points of a frame; everything else in it is reported."""
        self._enter(frame)
        judged = self._judged(frame)
        points = [each for each in judged.verdicts if isinstance(each, Point)]
        others = Counter([each for each in judged.verdicts if not isinstance(each, Point)])
        for report in reports.looked_through(len(points), others):
            self.emit(report)
        if frame.final:
            self._complete()
        if judged.changes and frame.source is not _backfill:
            self.tap.tell(judged)
        return PointFrame([*self._beaten(), *points], frame.size, self.reconciler.note(frame.settled))

    def _judged(self, frame: Frame) -> Judged:
        source, catalog, usual = frame.source, self.catalog.value, self._way(frame.source)
        verdicts: list[Verdict] = []
        broken: set[int] = set()
        for change in frame.changes:
            try:
                verdicts.append(usual(change) or self._judge(change, source, catalog))
            except Exception:  # noqa: BLE001  a bug met by one event must not take the others with it
                self.heartbeats.forget([change.data.entity_id])
                self.emit(dead_letter(STAGE, change))
                broken.add(id(change))  # to compare whole ones takes seconds for a frame of large ones
        whole = [each for each in frame.changes if id(each) not in broken] if broken else frame.changes
        return Judged(source, whole, verdicts, self._usual.taken())

    def beat(self) -> PointFrame:
        """Heartbeats that are due, some of them."""
        self._due += self.heartbeats.take(BEATS, self._as_now)
        points = self._beaten()
        return PointFrame(points, BEAT * len(points))

    def _renew(self) -> None:
        """Other rules hold now. Whose value is to be said again the next snapshot tells: not one that is under way."""
        self._current, self._renewed = self.rules.value, 2
        self.heartbeats.renew(self._as_now)

    def _way(self, source: Source) -> Callable[[Change], Point | None]:
        """The short way, where there is one."""
        short = source is _live and self.reconciler.is_calm and not self._current.intervals
        return self._usual.point if short else unusual

    def _usual_now(self) -> Usual:
        return Usual(self.catalog.value, self._current, self.enricher, self.reconciler)

    def _as_now(self, point: Point) -> tuple[Point, int | None]:
        return self._current.renewed(point, self.catalog.value.facts(point.entity_id))

    def _enter(self, frame: Frame) -> None:
        if self._current is not self.rules.value:
            self._renew()
        if not self._usual.holds(self.catalog.value, self._current, self.reconciler):
            self._usual = self._usual_now()
        if frame.source is Source.BACKFILL:
            return
        if frame.session != self.reconciler.session:
            self.heartbeats.begin()
            self.reconciler.enter(frame.session, frame.newest_ns)
        self.enricher.restarts.under_way = self.reconciler.reconciling
        if frame.source is Source.HEARTBEAT and not self.reconciler.reconciling:
            self.heartbeats.reach(frame.until_ns)

    def _beaten(self) -> list[Point]:
        """The heartbeats that were made since the last time. From here on they are in the books."""
        made, self._due = self._due, []
        if made:
            self.emit(reports.Added(len(made), HEARTBEATS))
        return made

    def _judge(self, change: Change, source: Source, catalog: Catalog) -> Point | str | None:
        """The change's point; or the name of the rule that leaves it out; or None when it is stored already."""
        entity_id, rules = change.data.entity_id, self._current
        facts = catalog.facts(entity_id)
        if source is not _live and self._is_known(facts.registry_id, change, source):
            if source is _snapshot:
                self._confirm(change, facts)
            return None
        last = self.enricher.last(entity_id)
        point = self.enricher.made_of(change, source, facts, last)
        decision = rules.decide(entity_id, point.attributes, point.facts)
        point = treated(point, decision)
        if change.data.new_state is None:
            rules.forget(entity_id)
        if rules.intervals and source is not _backfill:
            self._stand(point, decision)
        # Under the id that it has now. Its point may have the one that it had: in whose series it is, is another matter.
        mark = Mark(facts.registry_id, entity_id, point.time_ns)
        if not decision.passed:
            self.reconciler.exclude(mark, told=source is _backfill)
            return decision.rule
        is_plain = source is _live and not of_a_start(point)
        if is_plain and self.reconciler.follow(mark.registry_id, entity_id, mark.time_ns):
            self.enricher.settle(point, decision, self._usual.stamp)
        elif self._see(mark, point, change, last):
            return REPEATS
        if change.data.new_state is None:
            self.reconciler.remove(mark)
        self._usual.passed_by.append(decision.rule)
        return point

    def _see(self, mark: Mark, point: Point, change: Change, last: Last | None) -> bool:
        """Move the marks for a point that the rules let pass. True when it says nothing new, and is left out."""
        left_out = self._current.drop_replays and self._is_replay(point, change, last)
        if point.origin is _backfill:
            self.reconciler.move(mark)
        else:
            self.reconciler.see(mark, left_out=left_out, live=point.origin is None)
        if point.origin is _snapshot and not left_out:
            self._told.add(mark.registry_id, point.time_ns)
        return left_out

    def _confirm(self, change: Change, facts: Facts) -> None:
        """What is known stands on. After a start of ours it is made into a point again, which nobody stores again."""
        entity_id, new = change.data.entity_id, change.data.new_state
        if not self._current.intervals:
            if new is not None:
                self._current.look(entity_id, new.attributes, facts)
            return
        if self.enricher.last(entity_id) is not None and not self._renewed:
            self.heartbeats.confirm(entity_id, nanoseconds(moment_of(change)))
            return
        point = self.enricher.point(change, Source.SNAPSHOT, self.catalog.value)
        decision = self._current.decide(entity_id, point.attributes, point.facts)
        self._stand(treated(point, decision), decision)

    def _stand(self, point: Point, decision: Decision) -> None:
        """A snapshot may say what was before a change that came live meanwhile: that stands no more."""
        mark = self.reconciler.marks.get(point.facts.registry_id)
        if mark is None or mark.time_ns <= point.time_ns:
            self._due += self.heartbeats.see(point, decision.heartbeat_ns if decision.passed else None)

    def _is_replay(self, point: Point, change: Change, last: Last | None) -> bool:
        """Only what is known to be the newest that is stored or safe can be repeated."""
        mark = self.reconciler.marks.get(point.facts.registry_id)
        known = last if last is not None and mark is not None and last.time_ns == mark.time_ns else None
        return repeats(point, change, known, restarted=self.reconciler.restarted_ns is not None)

    def _complete(self) -> None:
        self._renewed = max(0, self._renewed - 1)
        self.snapshots.set(self.snapshots.value + 1)
        self.heartbeats.complete()
        self.enricher.restarts.over(self.reconciler.restarted_ns)
        if (found := self.reconciler.complete()) is not None:
            self.emit(reports.GapOpened(*found))
        self._usual = self._usual_now()

    def _is_known(self, registry_id: str, change: Change, source: Source) -> bool:
        time_ns = nanoseconds(moment_of(change))
        if source is Source.BACKFILL:
            came = self.reconciler.told(registry_id, time_ns) and not self._told.is_lost(time_ns)
            return came or self._told.knows(registry_id, time_ns)
        return self.reconciler.knows(registry_id, change.data.entity_id, time_ns)

    def _nobody_looks_on(self, error: Exception) -> None:
        self.emit(reports.Notice(f"an observer of incoming changes broke, and is called no more: {error!r}"))

    def lost(self, report: Report) -> None:
        """Something was dropped: what the history may tell of it is a gap."""
        self._losses.hear(report, self.reconciler, self.catalog.value, spooled=self.spooled)
