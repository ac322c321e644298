"""What a writer's reports say about the delivery of what waits, and when somebody should be told to look."""

from __future__ import annotations

from collections.abc import Callable

import trio
from attrs import define, field

from ingest.core import reports
from ingest.core.reports import Report
from ingest.errors import IngestError, Refused, Transient

ATTEMPTS = 8
"""Failed attempts in a row after which somebody should look."""


SAFE = "Ctrl-C is safe: what is not stored still waits"


@define(eq=False)
class Replaying:
    """A fold over reports. `say` is told sentences; `news` is set by the next report that matters, and replaced."""

    say: Callable[[str], None]
    stored: int = 0
    refused: int = 0
    failures: int = 0
    problem: IngestError | None = None
    news: trio.Event = field(factory=trio.Event)

    @property
    def done(self) -> int:
        """Points that no longer wait."""
        return self.stored + self.refused

    def hear(self, report: Report) -> None:
        """Take the next report of the writer; others than those about deliveries are ignored."""
        match report:
            case reports.Stored(count=count):
                self.failures = 0
                self.stored += count
            case reports.Rejected(rejections=rejections):
                self.refused += len(rejections)
            case reports.StoreWaiting():
                self._waits(report)
            case reports.StoreSearching():
                self.failures = 0
                self.say(report.text())
            case (
                reports.Notice()
                | reports.StateSetAside()
                | reports.StateDamaged()
                | reports.SpoolFailing()
                | reports.LettersFailing()
                | reports.LettersDropped()
            ):
                self.say(report.text())
            case _:
                return
        self.news.set()
        self.news = trio.Event()

    def _waits(self, report: reports.StoreWaiting) -> None:
        self.failures += 1
        if report.remedy:
            self.problem = Refused(report.reason, remedy=report.remedy)
        elif self.failures >= ATTEMPTS:
            self.problem = Transient(report.reason, remedy="What is not stored waits; run this again later.")
        else:
            self.say(report.text() + (f"; {SAFE}" if self.failures == 1 else ""))
