"""What each tool loses while the database fails: the service, and what a user would run instead."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.table import Table

from scripts.benchmark.outage import RATE, Loss, outage
from scripts.benchmark.report import Piece, figures, say
from scripts.benchmark.runs import Load, run
from scripts.benchmark.size import ENTITIES, Size
from scripts.benchmark.tools import SCRIPT, SERVICE, Tool
from scripts.benchmark.verdict import Bound, Verdict

TOOLS: Mapping[str, Tool] = {"service": SERVICE, "asyncio script": SCRIPT}

SECONDS, QUICK_SECONDS = 10, 2

WARM = 400


def table(size: Size) -> Iterator[Piece | list[Verdict]]:
    """Measure and show."""
    seconds = QUICK_SECONDS if size.quick else SECONDS
    found = measure(seconds)
    yield render(found, seconds)
    yield [
        Bound(f"service, events lost{', killed meanwhile' if killed else ''}", 0, "events", form=".0f").judge(loss.lost)
        for (name, killed), loss in found.items()
        if name == "service"
    ]


def measure(seconds: int) -> dict[tuple[str, bool], Loss]:
    """One run of each tool with each fault."""
    load = Load.of(ENTITIES, WARM, RATE * seconds)
    found = {}
    for name, tool in TOOLS.items():
        for killed in (False, True):
            say(f"a database that answers 503: {name}{', killed meanwhile' if killed else ''}")
            found[name, killed] = run(_outage, load, tool, seconds, killed)
    return found


async def _outage(load: Load, tool: Tool, seconds: int, killed: bool) -> Loss:
    return await outage(load, tool, seconds, killed=killed)


def render(found: Mapping[tuple[str, bool], Loss], seconds: int) -> Table:
    """One row a tool and fault."""
    title = f"A database that answers 503 while {RATE} events/s come for {seconds} s"
    shown = figures(title, "sent", "lost")
    for (name, killed), loss in found.items():
        row = f"{name}, killed (SIGKILL) meanwhile and started again" if killed else name
        shown.add_row(row, f"{loss.sent:,}", f"{loss.lost:,}")
    return shown
