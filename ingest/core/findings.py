"""What a look from the outside found: checks, each with what it saw, and findings, each with its remedy.

A check asks one thing. What cannot be asked because something else is wrong is skipped, and says so: the cause is the
first finding, and its consequences are none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum

from attrs import evolve, frozen

from ingest.errors import IngestError


class Severity(Enum):
    """How bad it is, the worst first."""

    ERROR = "error"
    """Something is not stored, or will not be."""
    WARNING = "warning"
    """It works, and something will be missing one day."""
    HINT = "hint"
    """Worth knowing; nothing need be done."""


WORST_FIRST = tuple(Severity)


@frozen
class Finding:
    """What is wrong, where (a URL without credentials, a file, a setting), and what to do about it."""

    severity: Severity
    what: str
    where: str = ""
    remedy: str = ""


@frozen
class Check:
    """One thing that was looked at: what was seen in a few words, and what is wrong with it.

    `skipped` says why it was not looked at; empty when it was.
    """

    name: str
    said: str = ""
    findings: tuple[Finding, ...] = ()
    skipped: str = ""


def error(what: str, where: str = "", remedy: str = "") -> Finding:
    """Something that keeps states from being stored."""
    return Finding(Severity.ERROR, what, where, remedy)


def warning(what: str, where: str = "", remedy: str = "") -> Finding:
    """Something that will be missed one day."""
    return Finding(Severity.WARNING, what, where, remedy)


def of_error(problem: IngestError) -> Finding:
    """What the service itself would meet."""
    return error(problem.what, problem.where, problem.remedy)


def worst(checks: Iterable[Check]) -> Severity | None:
    """The severity of the worst finding; None when there is none."""
    there = {each.severity for check in checks for each in check.findings}
    return next((each for each in WORST_FIRST if each in there), None)


def in_order(checks: Sequence[Check]) -> list[tuple[str, Finding]]:
    """Every finding with the name of its check: the worst first, and of those alike in the order of the checks."""
    found = [(check.name, each) for check in checks for each in check.findings]
    return sorted(found, key=lambda each: WORST_FIRST.index(each[1].severity))


def milder(check: Check) -> Check:
    """The same, where nothing is lost by it: what was an error is a warning."""
    lowered = (
        evolve(each, severity=Severity.WARNING) if each.severity is Severity.ERROR else each for each in check.findings
    )
    return evolve(check, findings=tuple(lowered))


def skipped(because: str, *names: str) -> list[Check]:
    """Checks that were not made."""
    return [Check(name, skipped=because) for name in names]
