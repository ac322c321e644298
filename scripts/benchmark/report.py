"""The figures as a person reads them: medians with their spread, and ratios of what was measured in the same round."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from itertools import accumulate
from statistics import median

from attrs import define, field
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table

from scripts.benchmark.account import Sample
from scripts.benchmark.floor import Floor
from scripts.benchmark.imports import Imported, Past
from scripts.benchmark.memory import Footprint
from scripts.benchmark.schemas import Cost

MIB = 1024 * 1024

FLOOR, RECEIVING = "floor", "receiving alone"


@define
class Framing:
    """What was measured with one kind of frame: by name a sample for each round, in the order of the rounds."""

    title: str
    samples: dict[str, list[Sample]] = field(factory=dict)
    floors: list[Floor] = field(factory=list)

    def add(self, name: str, sample: Sample) -> None:
        """One more round."""
        self.samples.setdefault(name, []).append(sample)

    def add_floor(self, floor: Floor) -> None:
        """One more round of the floor; one core that did nothing else would reach its rate."""
        self.floors.append(floor)
        self.add(FLOOR, Sample(1e6 / floor.total, floor.total))

    def ratio(self, name: str, base: str) -> float:
        """How many times the processor time of `base` it takes: the median of the rounds' own ratios."""
        pairs = zip(self.samples[name], self.samples[base], strict=True)
        return median(one.micros / other.micros for one, other in pairs)


def speed(framing: Framing) -> Table:
    """The table of one kind of frame: medians, with least and most beside them."""
    table = _table(framing.title, "events/s", "CPU µs/event", "× floor", "× receiving")
    for name, samples in framing.samples.items():
        rate = _spread([sample.rate for sample in samples], ",.0f")
        micros = _spread([sample.micros for sample in samples], ".1f")
        ratios = ("" if name == base else f"{framing.ratio(name, base):.1f}" for base in (FLOOR, RECEIVING))
        table.add_row(name, rate, micros, *ratios)
    return table


def _table(title: str, *headings: str) -> Table:
    table = Table(Column(no_wrap=True), title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _spread(values: Sequence[float], form: str) -> str:
    return f"{median(values):{form}}  ({min(values):{form}} – {max(values):{form}})"


def parts(framing: Framing) -> str:
    """Of what the floor consists."""
    decode, join, gzip = (
        median(values) for values in zip(*((each.decode, each.join, each.gzip) for each in framing.floors), strict=True)
    )
    return f"floor: decode {decode:.2f} + join {join:.2f} + gzip {gzip:.2f} µs per event"


def memory(footprints: Mapping[tuple[int, str], Footprint]) -> Table:
    """Resident memory by size of the home and store."""
    table = _table("Resident memory", "peak MB", "settled MB", "largest frames MB")
    for (entities, store), found in footprints.items():
        frames = " + ".join(f"{size / MIB:.1f}" for size in found.frames) or "< 1"
        table.add_row(
            f"{entities:,} entities, {store}", f"{found.peak / MIB:.0f}", f"{found.settled / MIB:.0f}", frames
        )
    return table


def history(found: Mapping[str, Imported], past: Past) -> Table:
    """What an import costs, by store."""
    title = f"An import of {past.imported:,} states of {past.entities:,} entities"
    table = _table(title, "states/s", "CPU µs/state", "peak MB")
    for store, each in found.items():
        table.add_row(store, f"{each.sample.rate:,.0f}", f"{each.sample.micros:.1f}", f"{each.peak / MIB:.0f}")
    return table


def schemas(found: Mapping[str, Cost]) -> Table:
    """What a schema costs by itself."""
    table = _table("Schemas: a point into a line", "CPU µs/point", "bytes/line", "bytes, gzip")
    for name, cost in found.items():
        table.add_row(name, f"{cost.micros:.1f}", f"{cost.size:.0f}", f"{cost.packed:.0f}")
    return table


def imports(weights: Mapping[str, int]) -> Table:
    """What each import adds."""
    table = _table("Imports alone", "MB", "sum")
    for (what, weight), total in zip(weights.items(), accumulate(weights.values()), strict=True):
        table.add_row(what, f"{weight / MIB:.1f}", f"{total / MIB:.1f}")
    return table


def machine() -> str:
    """Where the figures come from, and how busy it was with other things."""
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    return f"Python {platform.python_version()} on {os.cpu_count()} processors, load average {load}"


def show(*pieces: Table | str) -> None:
    """Print them, wide enough to be pasted."""
    console = Console(width=110, highlight=False)
    for piece in pieces:
        console.print(piece)
