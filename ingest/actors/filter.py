"""From changes to points: what is left out, what is known of the rest, and to whom it goes.

One frame is one step without a checkpoint, so a change is always in a link or counted. A change that breaks a pure
function goes to the dead letters; the service lives.
"""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime
from itertools import chain

import msgspec
from attrs import define, field

from ingest.core import reports
from ingest.core.catalog import Catalog
from ingest.core.enrich import Enricher
from ingest.core.loss import shed_points
from ingest.core.point import Point, PointFrame
from ingest.core.redact import redacted
from ingest.core.reports import Emit
from ingest.core.rules import Rules
from ingest.core.state import Change, Frame, Source, moment_of, nanoseconds
from ingest.runtime.link import Receiver, Sender
from ingest.runtime.watch import Watch

STAGE = "filter"


@define(eq=False)
class Filter:
    """The stage's memory: the rules, the enricher's, and when each entity was last passed on (its checkpoint).

    It remembers the checkpoints of at most `entities` entities, and forgets the one that came first.
    """

    rules: Rules
    enricher: Enricher
    catalog: Watch[Catalog]
    emit: Emit
    entities: int = 100_000
    _checkpoints: dict[str, datetime] = field(factory=dict)

    async def run(self, intake: Receiver[Frame], stores: Sequence[Sender[PointFrame]]) -> None:
        """Turn frames into points until the intake ends; closes both its ends."""
        with ExitStack() as ends:
            ends.enter_context(intake)
            for store in stores:
                ends.enter_context(store)
            while True:
                for store in stores:
                    await store.ready()
                frame = await anext(intake, None)
                if frame is None:
                    return
                self._pass_on(self.step(frame), stores)

    def step(self, frame: Frame) -> PointFrame:
        """The points of a frame; everything else in it is reported."""
        points: list[Point] = []
        left_out: Counter[str] = Counter()
        repeated = 0
        for change in frame.changes:
            try:
                verdict = self._judge(change, frame.source)
            except Exception:  # noqa: BLE001  a bug met by one event must not take the others with it
                self.emit(dead_letter(change))
                continue
            if isinstance(verdict, Point):
                points.append(verdict)
            elif verdict is None:
                repeated += 1
            else:
                left_out[verdict] += 1
        self._report(len(points), left_out, repeated)
        return PointFrame(points, frame.size)

    def _judge(self, change: Change, source: Source) -> Point | str | None:
        """The change's point; or the name of the rule that leaves it out; or None when it is stored already."""
        entity_id, moment = change.data.entity_id, moment_of(change)
        facts = self.catalog.value.facts(entity_id)
        known = self._checkpoints.get(facts.registry_id)
        if source is Source.SNAPSHOT and known is not None and moment <= known:
            return None
        point = self.enricher.point(change, source, self.catalog.value)
        decision = self.rules.decide(entity_id, point.attributes.device_class, point.facts)
        if not decision.passed:
            return decision.rule
        if known is None and len(self._checkpoints) >= self.entities:
            del self._checkpoints[next(iter(self._checkpoints))]
        self._checkpoints[facts.registry_id] = moment
        return point

    def forget(self, oldest_ns: int, newest_ns: int) -> None:
        """Points of that time were evicted: what the next snapshot says of their entities is not stored already."""
        lost = [key for key, moment in self._checkpoints.items() if oldest_ns <= nanoseconds(moment) <= newest_ns]
        for key in lost:
            del self._checkpoints[key]

    def _report(self, passed: int, left_out: Counter[str], repeated: int) -> None:
        if passed:
            self.emit(reports.Passed(passed))
        if left_out:
            self.emit(reports.Filtered(left_out))
        if repeated:
            self.emit(reports.Repeated(repeated))

    def _pass_on(self, frame: PointFrame, stores: Sequence[Sender[PointFrame]]) -> None:
        if not frame.points:
            return
        for store in stores:
            lost = store.put(frame)
            if lost:
                self.emit(shed_points(store.link.name, lost))
                for point in chain.from_iterable(each.points for each in lost):
                    self._checkpoints.pop(point.facts.registry_id, None)


def dead_letter(change: Change) -> reports.DeadLetter:
    """The change being handled when an exception came, with its JSON and that exception's traceback."""
    json = msgspec.json.encode(change).decode("utf-8", "replace")
    return reports.DeadLetter(STAGE, change.data.entity_id, redacted(json), redacted(traceback.format_exc()))
