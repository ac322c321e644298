"""From the sending of an event to the database's answer to the write that holds it, at rates that homes have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from attrs import field, frozen
from rich.table import Table

from scripts.benchmark.pacing import Paced, paced, together
from scripts.benchmark.report import Piece, figures, say
from scripts.benchmark.runs import Load, run
from scripts.benchmark.size import ENTITIES, Size
from scripts.benchmark.tools import NO_SETTINGS, Settings
from scripts.benchmark.verdict import Bound, Verdict

SECONDS, QUICK_SECONDS = 8, 3
"""How long each run sends."""

GOING_ON = 1
"""Seconds for which it goes on afterwards, so that the last that are judged have those behind them that such a home has."""

WARM = 200

P99 = 250.0


@frozen
class Pace:
    """One row: so many events a second, in frames of so many, with these settings beside the defaults."""

    rate: int
    frame: int
    settings: Settings = field(default=NO_SETTINGS, hash=False)

    def __str__(self) -> str:
        frames = "single frames" if self.frame == 1 else f"frames of {self.frame}"
        changed = (f", {name} = {value}" for name, value in self.settings.items())
        return f"{self.rate:,}/s, {frames}{''.join(changed)}"


JUDGED = Pace(1_000, together(1_000)), Pace(1_000, 1)
PACES = Pace(10, 1), Pace(100, 1), *JUDGED, Pace(1_000, together(1_000), {"batch.timeout": 0.1})

NOISE = """busy, waited: how much of the time the process had a processor, or could have run and got none: what others \
on the machine took from it."""


def table(size: Size) -> Iterator[Piece | list[Verdict]]:
    """Measure and show."""
    found = measure(JUDGED if size.quick else PACES, size.rounds, QUICK_SECONDS if size.quick else SECONDS)
    yield render(found)
    yield NOISE
    yield [
        Bound(f"service, InfluxDB, {pace}: p99", P99, "ms", form=",.0f").judge(_median(found[pace], 0.99))
        for pace in JUDGED
    ]


def measure(paces: Sequence[Pace], rounds: int, seconds: float) -> dict[Pace, list[Paced]]:
    """Every round of every row."""
    found: dict[Pace, list[Paced]] = {pace: [] for pace in paces}
    for number in range(1, rounds + 1):
        for pace in paces:
            say(f"latency, round {number} of {rounds}: {pace}")
            load = Load.of(ENTITIES, WARM, round(pace.rate * (seconds + GOING_ON)))
            found[pace].append(run(paced, load, pace.rate, pace.frame, pace.settings, pace.rate * GOING_ON))
    return found


def render(found: Mapping[Pace, Sequence[Paced]]) -> Table:
    """One row a pace: medians of the rounds; the latest of all."""
    shown = figures(
        "From an event to its acknowledgement", "p50 ms", "p99 ms", "max ms", "busy", "waited", "CPU µs/event"
    )
    for pace, rounds in found.items():
        latest = max(each.late[-1] for each in rounds) * 1e3
        late = (f"{value:,.0f}" for value in (_median(rounds, 0.5), _median(rounds, 0.99), latest))
        busy, waited = median(each.busy for each in rounds), median(each.waited for each in rounds)
        micros = median(each.micros for each in rounds)
        shown.add_row(str(pace), *late, f"{busy:.1%}", f"{waited:.1%}", f"{micros:,.0f}")
    return shown


def _median(rounds: Sequence[Paced], part: float) -> float:
    """The median of the rounds' own quantiles, in milliseconds."""
    return median(each.quantile(part) for each in rounds) * 1e3
