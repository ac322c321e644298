"""The last errors, by category, with what to do about each: a fold over reports."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime

from attrs import define, field

from ingest.core import reports
from ingest.core.health_causes import DAMAGED, FIX_DISK, RESTART, STUCK
from ingest.core.problem import Category, Problem
from ingest.core.rates import RECENT, Window
from ingest.core.redact import redacted
from ingest.core.reports import LETTERS, Report

KEPT = 100

CONFIGURATION = "configuration"

CATEGORIES: Mapping[type[Report], tuple[str, str]] = {
    reports.ConnectionFailed: ("connection", ""),
    reports.CandidateRefused: ("refused", ""),
    reports.CatalogFailed: (
        "registries",
        "Nothing, if Home Assistant is restarting; points carry what was known last.",
    ),
    reports.RegistryFailed: (
        "registries",
        "Nothing, if it passes; what it would have said stays as it was known last.",
    ),
    reports.MalformedMessage: ("message", "Report it, with the excerpt of the log."),
    reports.UnexpectedMessage: ("message", "Report it, if it goes on."),
    reports.Shed: ("overflow", "Raise intake.events and intake.bytes, or give the service a faster machine."),
    reports.DeadLetter: ("bug", "Report it, with the traceback of the log."),
    reports.Lost: ("lost", "Fix the database before the next stop."),
    reports.Evicted: ("evicted", "Fix the database, or give the spool more room."),
    reports.Unreadable: ("evicted", DAMAGED),
    reports.Rejected: ("rejected", f"Look at the reasons, mostly two kinds of value in one field: {LETTERS}"),
    reports.StoreWaiting: ("database", ""),
    reports.DataApiWaiting: ("data-api", ""),
    reports.EntryRefused: ("data-api", "Look at the reason; a device without any name needs one in Home Assistant."),
    reports.LettersFailing: ("dead letters", FIX_DISK),
    reports.LettersDropped: ("dead letters", "Look at them in time, and give them more room."),
    reports.GapOpened: (
        "gaps",
        "Nothing: it is filled from Home Assistant's history, and `homeiq-ingest gaps list` shows it.",
    ),
    reports.GapSettled: (
        "gaps",
        "Look at it with `homeiq-ingest gaps list` and `gaps show ID`: what Home Assistant forgot is not to be had.",
    ),
    reports.LedgerFailing: ("spool", FIX_DISK),
    reports.StateDamaged: ("state file", RESTART),
    reports.StateSetAside: ("state file", "`homeiq-ingest spool recover` brings back what is readable in it."),
    reports.NotListening: ("api", "Free its port or give it another one, api.port; after a bug, restart the service."),
    reports.NotAccepting: ("api", "End what keeps connections open, or raise the service's limit of open files."),
    reports.Stuck: ("stuck", STUCK),
    reports.ReloadRefused: (CONFIGURATION, "Fix it: `homeiq-ingest config check` names everything that is wrong."),
    reports.SpoolFailing: ("spool", FIX_DISK),
}
"""What counts as an error: its category, and what to do when the report does not say so itself."""

_SAY_IT_THEMSELVES = reports.ConnectionFailed | reports.CandidateRefused | reports.StoreWaiting | reports.DataApiWaiting

LONGEST = 500
"""Characters of a sentence that are kept."""


@define
class _Counted:
    total: int = 0
    last: float = 0.0
    recent: Window = field(factory=lambda: Window(slots=61))


@define
class Problems:
    """The last hundred, and counts of all. Times in seconds of a clock that never goes back; `moment` makes UTC."""

    _last: deque[tuple[float, str, str, str]] = field(factory=lambda: deque(maxlen=KEPT))
    _counted: dict[str, _Counted] = field(factory=dict)

    def add(self, report: Report, now: float) -> None:
        """Take the next report: one that is a problem is kept with its category, the oldest goes."""
        if isinstance(report, reports.Reloaded):
            self._mended(CONFIGURATION)
        known = CATEGORIES.get(type(report))
        if known is None or report.level == "info":
            return
        category, remedy = known
        if isinstance(report, _SAY_IT_THEMSELVES):
            remedy = report.remedy
        self._last.append((now, category, redacted(report.text())[:LONGEST], remedy))
        counted = self._counted.setdefault(category, _Counted())
        counted.total += 1
        counted.last = now
        counted.recent.add(1, now)

    def _mended(self, category: str) -> None:
        """What is said of it in the present tense is no longer so; that it was is still counted."""
        self._last = deque((each for each in self._last if each[1] != category), KEPT)

    def last(self, moment: Callable[[float], datetime]) -> tuple[Problem, ...]:
        """The last hundred, the newest first."""
        return tuple(Problem(moment(at), *rest) for at, *rest in reversed(self._last))

    def categories(self, moment: Callable[[float], datetime], now: float) -> Mapping[str, Category]:
        """Counts by category; the rate is of the last five minutes."""
        return {
            name: Category(each.total, each.recent.total(RECENT, now) * 60 / RECENT, moment(each.last))
            for name, each in self._counted.items()
        }
