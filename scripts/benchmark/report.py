"""The figures as a person reads them: medians with their spread, and ratios of what was measured in the same round."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import median

from attrs import define, field
from rich.console import Console
from rich.table import Table

from scripts.benchmark.account import Sample
from scripts.benchmark.floor import Floor
from scripts.benchmark.memory import Footprint

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
    """The table of one kind of frame."""
    table = Table("", title=framing.title, title_justify="left", title_style="bold")
    for heading in ("events/s", "spread", "CPU µs/event", "spread", "÷ floor", "÷ receiving"):
        table.add_column(heading, justify="right")
    for name, samples in framing.samples.items():
        rates, micros = [sample.rate for sample in samples], [sample.micros for sample in samples]
        ratios = ["" if name == base else f"{framing.ratio(name, base):.1f}" for base in (FLOOR, RECEIVING)]
        table.add_row(name, *_spread(rates, ",.0f"), *_spread(micros, ".1f"), *ratios)
    return table


def _spread(values: Sequence[float], form: str) -> tuple[str, str]:
    return format(median(values), form), f"{min(values):{form}}–{max(values):{form}}"


def parts(framing: Framing) -> str:
    """Of what the floor consists."""
    decode, join, gzip = (
        median(values) for values in zip(*((each.decode, each.join, each.gzip) for each in framing.floors), strict=True)
    )
    return f"floor: decode {decode:.2f} + join {join:.2f} + gzip {gzip:.2f} µs per event"


def memory(footprints: Mapping[tuple[int, str], Footprint]) -> Table:
    """Resident memory by size of the home and store."""
    table = Table("entities", "store", title="Resident memory", title_justify="left", title_style="bold")
    for heading in ("peak MB", "settled MB", "largest frames MB"):
        table.add_column(heading, justify="right")
    for (entities, store), found in footprints.items():
        frames = " + ".join(f"{size / MIB:.1f}" for size in found.frames) or "< 1"
        table.add_row(f"{entities:,}", store, f"{found.peak / MIB:.0f}", f"{found.settled / MIB:.0f}", frames)
    return table


def imports(weights: Mapping[str, int]) -> Table:
    """What each import adds."""
    table = Table("imports alone", title="Where the megabytes go", title_justify="left", title_style="bold")
    for heading in ("MB", "sum"):
        table.add_column(heading, justify="right")
    total = 0
    for what, weight in weights.items():
        total += weight
        table.add_row(what, f"{weight / MIB:.1f}", f"{total / MIB:.1f}")
    return table


def show(pieces: Iterable[Table | str]) -> None:
    """Print them, wide enough to be pasted."""
    console = Console(width=max(100, Console().width), highlight=False)
    for piece in pieces:
        console.print(piece)
