"""Events as fast as they are taken, by both kinds of frames, beside the least they could cost."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from attrs import define, field
from rich.table import Table

from scripts.benchmark.account import Sample
from scripts.benchmark.floor import Floor, floor
from scripts.benchmark.real_home import RELEASE, changes, installed
from scripts.benchmark.report import Piece, figures, say, spread
from scripts.benchmark.runs import STORES, Load, influxdb, receive_alone, run, saturate
from scripts.benchmark.rush import rushed
from scripts.benchmark.size import ENTITIES, Size
from scripts.benchmark.tools import SCRIPT
from scripts.benchmark.traffic import TOGETHER, texts
from scripts.benchmark.verdict import Bound, Verdict

FLOOR, RECEIVING = "floor", "receiving alone"
SERVICE = "service, InfluxDB"
PEER = "asyncio script"
INTEGRATION = "Home Assistant's own influxdb"

PLAYED = 10_000
"""Changes that a real Home Assistant sets at once, less than the window of the other rows."""

ABSENT = (
    f"{INTEGRATION}: {RELEASE.version} is not here; `.venv-test/bin/python -m scripts.benchmark.real_home` installs it."
)
QUICK = f"{INTEGRATION}: left out of a quick look."

TITLES = {TOGETHER: f"Coalesced frames of {TOGETHER} events", 1: "Single frames"}

CHECKED = "Every event sent is stored, once (by its time; what the service writes into InfluxDB, by its whole line)."

TO_FLOOR = Bound(f"{SERVICE}, coalesced: CPU per event", 3.0, "× floor")
ONE_CORE = Bound(f"{SERVICE}, coalesced: one core takes", 45_000, "events/s", most=False, form=",.0f")
SINGLE = Bound(f"{SERVICE}, single frames: one core takes", 10_000, "events/s", most=False, form=",.0f")
TO_RECEIVING = Bound(f"{SERVICE}, single frames: CPU per event", 1.5, "× receiving alone")


@define
class Framing:
    """What was measured with one kind of frame: by name a sample for each round, in the order of the rounds."""

    title: str
    samples: dict[str, list[Sample]] = field(factory=dict)
    floors: list[Floor] = field(factory=list)
    homes: list[float] = field(factory=list)
    """Microseconds that a real Home Assistant needs for a change without its integration, of each round."""

    def add(self, name: str, sample: Sample) -> None:
        """One more round."""
        self.samples.setdefault(name, []).append(sample)

    def add_floor(self, found: Floor) -> None:
        """One more round of the floor; one core that did nothing else would reach its rate."""
        self.floors.append(found)
        self.add(FLOOR, Sample(1e6 / found.total, found.total))

    def ratio(self, name: str, base: str) -> float:
        """How many times the processor time of `base` it takes: the median of the rounds' own ratios."""
        pairs = zip(self.samples[name], self.samples[base], strict=True)
        return median(one.micros / other.micros for one, other in pairs)

    def one_core(self, name: str) -> float:
        """Events a second that one core sustains, when it does nothing else."""
        return 1e6 / median(sample.micros for sample in self.samples[name])


def table(size: Size) -> Iterator[Piece | list[Verdict]]:
    """Measure all rounds; show each kind of frame."""
    found = measure(size)
    for framing in found.values():
        yield from (render(framing), parts(framing))
        if framing is found[TOGETHER]:
            yield note(framing, size)
    yield judge(found)
    yield CHECKED


def measure(size: Size) -> dict[int, Framing]:
    """Every round of everything, by events in a frame."""
    loads = {together: Load.of(ENTITIES, size.warm, measured) for together, measured in size.measured.items()}
    framings = {together: Framing(TITLES[together]) for together in loads}
    for number in range(1, size.rounds + 1):
        for together, load in loads.items():
            say(f"round {number} of {size.rounds}: {TITLES[together].lower()}")
            _round(load, together, framings[together])
        if not size.quick and installed():
            say(f"round {number} of {size.rounds}: {INTEGRATION}, {RELEASE.version}")
            _integrated(framings[TOGETHER])
    return framings


def _round(load: Load, together: int, framing: Framing) -> None:
    framing.add_floor(floor(list(texts(load.stream[load.warm :], together, 1)), together, load.lines[load.warm :]))
    framing.add(RECEIVING, run(receive_alone, load, together))
    for name, opener in STORES.items():
        framing.add(f"service, {name}", run(saturate, load, together, opener))
    framing.add(PEER, run(saturate, load, together, influxdb, SCRIPT))


def _integrated(framing: Framing) -> None:
    found = run(rushed, changes(ENTITIES, PLAYED))
    framing.add(INTEGRATION, found.added)
    framing.homes.append(found.alone)


def render(framing: Framing) -> Table:
    """The table of one kind of frame: medians, with least and most beside them."""
    shown = figures(framing.title, "events/s", "CPU µs/event", "one core: /s", "× floor", "× receiving")
    for name, samples in framing.samples.items():
        rate = spread([sample.rate for sample in samples], ",.0f")
        micros = spread([sample.micros for sample in samples], ".1f")
        ratios = ("" if name == base else f"{framing.ratio(name, base):.1f}" for base in (FLOOR, RECEIVING))
        # No core does the integration's part alone: what sets the states is in the same process.
        shown.add_row(name, rate, micros, "" if name == INTEGRATION else f"{framing.one_core(name):,.0f}", *ratios)
    return shown


def note(framing: Framing, size: Size) -> str:
    """What the row of Home Assistant's own integration says, and what it does not; or why there is none."""
    if not framing.homes:
        return QUICK if size.quick else ABSENT
    alone = spread(framing.homes, ".0f")
    return (
        f"{INTEGRATION}, {RELEASE.version}: the µs are what its process needs more than one without the integration, which takes "
        f"{alone} µs to set a change; the events/s are of both together, for they share one interpreter, and nothing is recorded. "
        "It is no client: what a WebSocket costs Home Assistant is in neither row, but in the table `peers`."
    )


def parts(framing: Framing) -> str:
    """Of what the floor consists."""
    decode, join, gzip = (
        median(values) for values in zip(*((each.decode, each.join, each.gzip) for each in framing.floors), strict=True)
    )
    return f"floor: decode {decode:.2f} + join {join:.2f} + gzip {gzip:.2f} µs per event"


def judge(found: dict[int, Framing]) -> list[Verdict]:
    """The bounds of both kinds of frames."""
    many, one = found[TOGETHER], found[1]
    return [
        TO_FLOOR.judge(many.ratio(SERVICE, FLOOR)),
        ONE_CORE.judge(many.one_core(SERVICE)),
        SINGLE.judge(one.one_core(SERVICE)),
        TO_RECEIVING.judge(one.ratio(SERVICE, RECEIVING)),
    ]
