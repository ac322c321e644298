"""What `doctor` found, for a person and for a program."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import click

from ingest.cli.tables import wrapped
from ingest.core.findings import Check, Finding, Severity, in_order, worst
from ingest.core.words import counted

WIDTH: Final = 80
INDENT: Final = "  "
_COLOURS: Final = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.HINT: "cyan"}
_MARKS: Final[Mapping[Severity | None, tuple[str, str]]] = {
    None: ("ok", "green"),
    **{each: (each.value, colour) for each, colour in _COLOURS.items()},
}


def screen(checks: Sequence[Check], *, verbose: bool) -> Iterator[str]:
    """The lines that a person reads: what to mend, the worst first, and a summary."""
    for name, finding in in_order(checks):
        yield from _shown(name, finding)
    if verbose:
        yield from (line for check in checks for line in _row(check))
        yield ""
    yield from wrapped(_summary(checks), WIDTH)


def _shown(name: str, finding: Finding) -> Iterator[str]:
    word = finding.severity.value
    first, *rest = wrapped(f"{word}: {finding.what}", WIDTH - len(INDENT))
    yield click.style(word, fg=_COLOURS[finding.severity], bold=True) + first.removeprefix(word)
    yield from (INDENT + line for line in rest)
    yield from _under(f"where: {name}{f', {finding.where}' if finding.where else ''}")
    if finding.remedy:
        yield from _under(f"what to do: {finding.remedy}")
    yield ""


def _under(text: str) -> Iterator[str]:
    return (INDENT + line for line in wrapped(text, WIDTH - len(INDENT)))


def _row(check: Check) -> Iterator[str]:
    bad = worst([check])
    mark, colour = ("skipped", None) if check.skipped else _MARKS[bad]
    text = f"{check.name}: {check.skipped or check.said}"
    first, *rest = wrapped(text, WIDTH - 9)
    yield click.style(f"{mark:<9}", fg=colour) + first
    yield from (f"{'':<9}{line}" for line in rest)


def _summary(checks: Sequence[Check]) -> str:
    found = [each.severity for _, each in in_order(checks)]
    made = sum(not each.skipped for each in checks)
    left = len(checks) - made
    findings = ", ".join(counted(found.count(each), each.value) for each in Severity if each in found)
    looked = f"{counted(made, 'check')}{f', {left} skipped' if left else ''}"
    if not found:
        return f"All is well: {looked}."
    more = " What was skipped is checked once the cause is fixed." if left and Severity.ERROR in found else ""
    return f"{findings} in {looked}.{more}"


def as_object(checks: Sequence[Check]) -> Mapping[str, Any]:
    """The same for a program: `verdict` is null, or the severity of the worst finding."""
    verdict = worst(checks)
    return {
        "verdict": None if verdict is None else verdict.value,
        "findings": [{"check": name, **_finding(each)} for name, each in in_order(checks)],
        "checks": [
            {
                "name": each.name,
                "said": each.said or None,
                "skipped": each.skipped or None,
                "severity": None if (bad := worst([each])) is None else bad.value,
            }
            for each in checks
        ],
    }


def _finding(found: Finding) -> Mapping[str, Any]:
    return {
        "severity": found.severity.value,
        "what": found.what,
        "where": found.where or None,
        "remedy": found.remedy or None,
    }
