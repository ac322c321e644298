"""The service beside what a user would run instead: what each costs a real Home Assistant, what each loses while the database fails."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from attrs import define, field
from rich.table import Table

from scripts.benchmark.beside import Window, beside, integrated, integrated_outage
from scripts.benchmark.outage import RATE, Loss, outage
from scripts.benchmark.real_home import ABSENT, RELEASE, changes, installed
from scripts.benchmark.report import Piece, figures, say, spread
from scripts.benchmark.runs import Load, run
from scripts.benchmark.size import ENTITIES, Size
from scripts.benchmark.tools import SCRIPT, SERVICE, Tool
from scripts.benchmark.verdict import Bound, Verdict

TOOLS: Mapping[str, Tool] = {"service": SERVICE, "asyncio script": SCRIPT}
INTEGRATION = f"Home Assistant's own influxdb integration, {RELEASE.version}"

SECONDS, QUICK_SECONDS = 10, 2

WARM = 400

PLAYED, PACE = 10_000, 1_000
"""Changes in a window of a real Home Assistant, and how many of them a second."""


@define
class Windows:
    """The rounds of a real Home Assistant: alone, with its integration, and with each tool connected to it."""

    alone: list[Window] = field(factory=list)
    integration: list[Window] = field(factory=list)
    tools: dict[str, list[Window]] = field(factory=dict)

    def rows(self) -> Iterator[tuple[str, Sequence[Window]]]:
        """What stores, with its rounds."""
        yield "its own influxdb integration", self.integration
        yield from ((f"the {name}, connected", rounds) for name, rounds in self.tools.items())

    def more(self, rounds: Sequence[Window]) -> list[float]:
        """Microseconds that Home Assistant needs more than alone, round by round."""
        return [with_it.home - alone.home for with_it, alone in zip(rounds, self.alone, strict=True)]


def table(size: Size) -> Iterator[Piece | list[Verdict]]:
    """Measure and show."""
    seconds = QUICK_SECONDS if size.quick else SECONDS
    real = not size.quick and installed()
    if real:
        yield render_windows(windows(size.rounds))
    elif not size.quick:
        yield ABSENT
    found = measure(seconds)
    if real:
        say(f"a database that answers 503: {INTEGRATION}")
        found[INTEGRATION, False] = run(integrated_outage, changes(ENTITIES, WARM + RATE * seconds), WARM, seconds)
    yield render(found, seconds)
    yield [
        Bound(f"service, events lost{', killed meanwhile' if killed else ''}", 0, "events", form=".0f").judge(loss.lost)
        for (name, killed), loss in found.items()
        if name == "service"
    ]


def windows(rounds: int) -> Windows:
    """Every round of a real Home Assistant."""
    known, found = changes(ENTITIES, PLAYED), Windows()
    for number in range(1, rounds + 1):
        say(f"a real Home Assistant, round {number} of {rounds}")
        alone, with_tools = run(beside, known, PACE, TOOLS)
        found.alone.append(alone)
        for name, window in with_tools.items():
            found.tools.setdefault(name, []).append(window)
        say(f"a real Home Assistant, round {number} of {rounds}: with its own integration")
        found.integration.append(run(integrated, known, PACE))
    return found


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


def render_windows(found: Windows) -> Table:
    """One row for each that stores: Home Assistant alone needs what stands in the title."""
    alone = spread([each.home for each in found.alone], ".0f")
    title = f"A real Home Assistant {RELEASE.version}, {PACE:,} changes/s of {ENTITIES} entities: alone {alone} CPU µs/change"
    shown = figures(title, "more in Home Assistant", "in its own process", "together: µs/change")
    for name, rounds in found.rows():
        more = found.more(rounds)
        own = [each.client for each in rounds]
        total = [a + b for a, b in zip(more, own, strict=True)]
        shown.add_row(name, spread(more, ".0f"), spread(own, ".0f") if median(own) else "", spread(total, ".0f"))
    return shown


def render(found: Mapping[tuple[str, bool], Loss], seconds: int) -> Table:
    """One row a tool and fault."""
    title = f"A database that answers 503 while {RATE} events/s come for {seconds} s"
    shown = figures(title, "sent", "lost")
    for (name, killed), loss in found.items():
        row = f"{name}, killed (SIGKILL) meanwhile and started again" if killed else name
        shown.add_row(row, f"{loss.sent:,}", f"{loss.lost:,}")
    return shown
