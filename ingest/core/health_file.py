"""What must be remembered of the state file: times in seconds of one clock."""

from __future__ import annotations

from typing import TypeAlias, assert_never

from attrs import define, field

from ingest.core import reports
from ingest.core.health import Gauges, Spool
from ingest.core.rates import Window
from ingest.core.state import moment_at

FailingReport: TypeAlias = (
    reports.SpoolFailing | reports.SpoolRecovered | reports.LettersFailing | reports.LettersRecovered
    | reports.LedgerFailing | reports.LedgerRecovered
)  # fmt: skip
FileReport: TypeAlias = (
    reports.StateSetAside | reports.StateRecovered | reports.StateDamaged | reports.LettersDropped | FailingReport
)


@define
class FileFold:
    """What is known of the state file: what failed in it, and what is not in it because it was set aside."""

    aside: dict[str, reports.StateSetAside] = field(factory=dict)
    damaged: str = ""
    """What damage was met in it."""
    letters: Window = field(factory=lambda: Window(slots=61))
    """The dead letters that were dropped."""
    spool_failing: str = ""
    letters_failing: str = ""
    ledger_failing: str = ""

    def add(self, report: FileReport, now: float) -> None:
        """Take the next report of a state file."""
        match report:
            case reports.StateSetAside(kept_as=kept_as):
                self.aside[kept_as] = report
            case reports.StateRecovered(file=file):
                # Of one whose first page is gone a copy is read, in a folder beside it.
                rest = {name: each for name, each in self.aside.items() if not f"{file}.".startswith(f"{name}.")}
                self.aside = rest
            case reports.StateDamaged(reason=reason):
                self.damaged = reason
            case reports.LettersDropped(count=count):
                self.letters.add(count, now)
            case _:
                self._failing(report)

    def _failing(self, report: FailingReport) -> None:
        match report:
            case reports.SpoolFailing(reason=reason):
                self.spool_failing = reason
            case reports.SpoolRecovered():
                self.spool_failing = ""
            case reports.LettersFailing(reason=reason):
                self.letters_failing = reason
            case reports.LettersRecovered():
                self.letters_failing = ""
            case reports.LedgerFailing(reason=reason):
                self.ledger_failing = reason
            case reports.LedgerRecovered():
                self.ledger_failing = ""
            case _:
                assert_never(report)

    def health(self, gauges: Gauges) -> Spool:
        """The spool as a value, with what is counted where it is."""
        oldest = gauges.spool_oldest_ns
        return Spool(
            points=gauges.spool_points,
            size=gauges.spool_size,
            batches=gauges.spool_batches,
            oldest=None if oldest is None else moment_at(oldest),
            failing=self.spool_failing,
            limit=gauges.spool_limit,
            rate=gauges.spool_rate,
            letters_failing=self.letters_failing,
            letters=gauges.letters,
            measured=gauges.spool_measured,
            ledger_failing=self.ledger_failing,
        )
