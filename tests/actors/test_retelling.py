from __future__ import annotations

import pytest

from ingest.actors.retelling import Retelling
from ingest.core import reports
from ingest.core.coverage import Cause, Gap, Progress
from ingest.core.gap_points import Telling
from ingest.core.reports import Report
from ingest.core.store import Batch, Rejection
from ingest.runtime.link import Weight
from ingest.runtime.spool import MemorySpool

OPEN = Gap(1, Cause.CONNECTION, 5, 60, Progress.OPEN)
BATCHED = reports.Batched("db", 10, 100)
STORED = reports.Stored("db", 10, 0.1)
LOST = [reports.Evicted("db", 1, 1, 2), reports.Purged("db", 1, 1, 2), reports.Unreadable("db", 1, 1, 2, "damaged")]
ELSEWHERE = [reports.BacklogFound("db", 1), reports.Made("db", 1, "recovered")]


class Stage:
    """Batches of 10 points are put and stored; `registries` counts how often these are to be written again."""

    def __init__(self) -> None:
        self.spool: MemorySpool[Batch[bytes]] = MemorySpool(10**6, lambda batch: Weight(batch.count, batch.size))
        self.registries = 0
        self.telling = Telling("home")
        self.retelling = Retelling(self.spool, self._again, self.telling)

    def _again(self) -> None:
        self.registries += 1

    def tell(self, gap: Gap = OPEN) -> bool:
        """Look, and put what is to be told; False when nothing is."""
        self.telling.look([gap])
        told = self.telling.take()
        if told:
            self.spool.held = self.spool.held.plus(Weight(10, 100))
            self.hear(BATCHED)
        return bool(told)

    def store(self, *before: Report) -> None:
        """A batch is in the spool until its report is heard."""
        for report in (*before, STORED):
            self.hear(report)
        self.spool.held = self.spool.held.minus(Weight(10, 100))

    def hear(self, report: Report) -> None:
        self.retelling.hear(report)


def test_a_quiet_service_tells_nothing_again() -> None:
    stage = Stage()
    assert stage.tell()
    stage.store()
    assert not stage.tell()
    assert stage.registries == 0


def test_all_is_stored_when_nothing_waits() -> None:
    stage = Stage()
    for progress in (Progress.OPEN, Progress.FILLING, Progress.FILLED):
        assert stage.tell(filled := Gap(1, Cause.CONNECTION, 5, 60, progress))
    for _ in range(2):
        stage.store()
        assert not stage.tell(filled)
    stage.store()
    assert stage.tell(filled)
    stage.store()
    assert not stage.tell(filled)


@pytest.mark.parametrize("report", LOST + ELSEWHERE)
def test_what_was_told_is_told_again_when_all_is_stored_after_something_was_lost_or_came(report: Report) -> None:
    stage = Stage()
    stage.tell()
    stage.hear(report)
    assert not stage.tell()
    stage.store()
    assert stage.registries == (report in LOST)
    assert stage.tell()
    stage.store()
    assert not stage.tell()
    assert stage.registries == (report in LOST)


@pytest.mark.parametrize("report", LOST + ELSEWHERE)
def test_what_was_stored_long_ago_is_told_again_where_something_came_after_it(report: Report) -> None:
    stage = Stage()
    stage.tell()
    stage.store()
    stage.hear(report)
    stage.spool.held = Weight(10, 100)
    stage.store()
    assert stage.tell()


def test_a_start_with_a_backlog_that_is_gone_before_anything_is_told_tells_it_once() -> None:
    stage = Stage()
    stage.hear(reports.BacklogFound("db", 10))
    stage.spool.held = Weight(10, 100)
    stage.store()
    assert stage.tell()
    stage.store()
    assert not stage.tell()


def test_points_that_were_refused_wait_no_longer() -> None:
    stage = Stage()
    stage.tell()
    stage.hear(LOST[0])
    stage.spool.held = Weight(12, 100)
    stage.store(reports.Rejected("db", (Rejection("a", "no"), Rejection("b", "no"))))
    assert stage.tell()
    stage.hear(LOST[0])
    stage.spool.held = Weight(12, 100)
    stage.store()
    assert not stage.tell()


def test_without_gaps_only_the_registries_are_written_again() -> None:
    stage = Stage()
    stage.retelling.gaps = None
    for report in (BATCHED, *ELSEWHERE, STORED):
        stage.hear(report)
    assert stage.registries == 0
    for report in (*LOST, STORED, STORED):
        stage.hear(report)
    assert stage.registries == 1
