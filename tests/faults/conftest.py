"""How many scenarios the campaign plays, in how many parts, and what it met, added up over all processes."""

from __future__ import annotations

from collections import Counter

import pytest

REPORT = "campaign"
PART = 30
"""Scenarios in one part, at least: parts run beside each other."""

PARTS = 8


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Divide the scenarios over parts, each with a seed of its own."""
    if {"examples", "shard"} <= set(metafunc.fixturenames):
        examples = int(metafunc.config.getoption("--examples"))
        first = int(metafunc.config.getoption("--campaign-seed")) * PARTS
        parts = min(PARTS, max(1, examples // PART))
        metafunc.parametrize(("examples", "shard"), [(-(-examples // parts), first + part) for part in range(parts)])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was injected, and what became of the states."""
    met: Counter[str] = Counter()
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            for name, value in getattr(report, "user_properties", ()):
                if name == REPORT:
                    met.update(value)
    if met:
        terminalreporter.section("fault campaign")
        for name, times in sorted(met.items()):
            terminalreporter.write_line(f"{times:>10,}  {name}")
