"""What the work costs as it grows, along one axis at a time from a standard point: 500 entities, their own attributes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations
from statistics import median

from attrs import frozen
from rich.table import Table

from scripts.benchmark.account import Sample
from scripts.benchmark.backlog import Drained, drain, fits, payload_of
from scripts.benchmark.floor import floor
from scripts.benchmark.pacing import Paced, paced, together
from scripts.benchmark.report import MIB, Piece, figures, say
from scripts.benchmark.runs import Load, influxdb, run, saturate
from scripts.benchmark.size import ENTITIES, Size
from scripts.benchmark.traffic import TOGETHER, lines, texts
from scripts.benchmark.verdict import Bound, Verdict
from scripts.benchmark.wide import wide

HOMES = 100, 500, 2_000, 10_000, 41_000
RATES = 10, 100, 1_000, 10_000
WIDTHS = 100, 1_024, 4_096, 16_000
BACKLOGS = 0, 10_000, 1_000_000, 10_000_000

SECONDS = 5
"""How long a run at a pace sends."""

MANY, QUICK_MANY = 160_000, 10_000
"""Events of homes that differ by their entities, as fast as they are taken: 32 full batches, with which the marks of a large home are
folded. 20,000 events have no folding in them, and what one costs is a third of what they do."""

FLOORED = 20_000
"""Of so many of these events the floor is measured: four full batches."""

LONG, QUICK_LONG = 30, 5
"""How long homes that differ by their entities are sent to: of what a large one does every 25 s, as folding marks, each has its part."""

PACE = 1_000
"""Events a second of homes that differ by their entities: what a large home has when much happens in it."""

SEEN = 4
"""So many events for each entity come before those that are measured: what is made for an entity's first event is made."""

LIVE = 1_000
"""Live events beside a backlog."""

HEAVY = 48 * MIB
"""Bytes of attributes in one run: wide events are fewer."""

BESIDE_FLOOR = (
    "The floor of the same events is {:.2f} times as much at its dearest beside its cheapest: lines that have less in common take longer to "
    "compress. In floors the service's are {:.2f} times as much."
)

DEAREST = "dearest beside cheapest home of 100 to 10,000 entities"
WITHIN = Bound(f"CPU per event, as fast as it takes events, {DEAREST}", 1.1, "×", form=".2f")
WITHIN_AT_A_PACE = Bound(f"CPU per event, {PACE:,}/s, {DEAREST}", 1.1, "×", form=".2f")
JUDGED = range(100, 10_001)
"""The homes, by their entities, which may differ by no more."""


@frozen
class Homed:
    """One round of one home: what the service needed, and the floor of the first of the same events in µs an event."""

    sample: Sample
    floor: float

    @property
    def in_floors(self) -> float:
        """How many times the floor the service needed."""
        return self.sample.micros / self.floor


@frozen
class Axes:
    """How far each axis of the tables goes."""

    homes: Sequence[int] = HOMES
    rates: Sequence[int] = RATES
    widths: Sequence[int] = WIDTHS
    backlogs: Sequence[int] = BACKLOGS
    warm: int = 10_000
    rounds: int = 1
    many: int = MANY
    long: int = LONG


QUICK = Axes((100, 10_000), (1_000,), (1_024,), (10_000,), 5_000, many=QUICK_MANY, long=QUICK_LONG)


def table(size: Size) -> Iterator[Piece | list[Verdict]]:
    """Measure and show each axis."""
    axes = QUICK if size.quick else Axes(rounds=size.rounds)
    found = entities(axes)
    yield render_homes(found)
    yield beside_floor(found)
    yield [WITHIN.judge(dearest({home: [each.sample.micros for each in one] for home, one in found.items()}))]
    at_a_pace = entities_at_a_pace(axes)
    yield render_paced(f"Entities, {PACE:,} events/s", {f"{each:,} entities": one for each, one in at_a_pace.items()})
    yield [WITHIN_AT_A_PACE.judge(dearest({home: [each.micros for each in one] for home, one in at_a_pace.items()}))]
    rates = {f"{rate:,} events/s": [run(paced, _load(rate), rate, together(rate))] for rate in axes.rates}
    yield render_paced(f"Rate, {ENTITIES} entities", rates)
    yield render("Attributes of a state", attributes(axes))
    yield from backlogs(axes)


def entities(axes: Axes) -> dict[int, list[Homed]]:
    """Every round of every home."""
    loads = {home: Load.of(home, max(axes.warm, SEEN * home), axes.many) for home in axes.homes}
    found: dict[int, list[Homed]] = {home: [] for home in loads}
    for number in range(1, axes.rounds + 1):
        for home, load in loads.items():
            say(f"cost, round {number} of {axes.rounds}: {home:,} entities")
            found[home].append(Homed(run(saturate, load, TOGETHER, influxdb), _floor(load)))
    return found


def _floor(load: Load) -> float:
    first = slice(load.warm, load.warm + FLOORED)
    return floor(list(texts(load.stream[first], TOGETHER, 1)), TOGETHER, load.lines[first]).total


def entities_at_a_pace(axes: Axes) -> dict[int, list[Paced]]:
    """The same homes, and in each so much happens in a second."""
    loads = {home: Load.of(home, max(axes.warm, SEEN * home), PACE * axes.long) for home in axes.homes}
    found: dict[int, list[Paced]] = {home: [] for home in loads}
    for number in range(1, axes.rounds + 1):
        for home, load in loads.items():
            say(f"cost, round {number} of {axes.rounds}: {home:,} entities, {PACE:,} events/s")
            found[home].append(run(paced, load, PACE, together(PACE)))
    return found


def dearest(found: Mapping[int, Sequence[float]]) -> float:
    """How many times what one home needs for an event another needs at most: medians of the rounds' own ratios."""
    judged = [micros for home, micros in found.items() if home in JUDGED]
    return max(median(b / a for a, b in zip(one, other, strict=True)) for one, other in permutations(judged, 2))


def beside_floor(found: Mapping[int, Sequence[Homed]]) -> str:
    """How the homes differ in what the same events cost at the least, and the service beside that."""
    least = dearest({home: [each.floor for each in one] for home, one in found.items()})
    return BESIDE_FLOOR.format(least, dearest({home: [each.in_floors for each in one] for home, one in found.items()}))


def _load(rate: int) -> Load:
    say(f"cost: {rate:,} events/s")
    return Load.of(ENTITIES, 1_000, rate * SECONDS)


def attributes(axes: Axes) -> dict[str, list[Sample]]:
    """One run of each width, with attributes that repeat and with such that never do."""
    found = {}
    for width in axes.widths:
        for changing in (False, True):
            name = f"{width:,} bytes, {'changing' if changing else 'repeating'}"
            say(f"cost: attributes of {name}")
            warm, frame = wide_counts(width)
            stream = wide(2 * warm, width, changing=changing)
            load = Load(ENTITIES, warm, stream, lines(ENTITIES, stream))
            found[name] = [run(saturate, load, frame, influxdb)]
    return found


def wide_counts(width: int) -> tuple[int, int]:
    """How many events of that width are sent, and how many in a frame: of about a megabyte at most, as Home Assistant's are."""
    return min(10_000, HEAVY // (2 * width) // 2), max(1, min(TOGETHER, MIB // (2 * width)))


def backlogs(axes: Axes) -> Iterator[Piece]:
    """Every backlog that the disk can take, with live events beside it."""
    load = Load.of(ENTITIES, 0, LIVE)
    made = payload_of(Load.of(ENTITIES, 0, 5_000))
    found = {}
    for points in axes.backlogs:
        if fits(points, made):
            say(f"cost: a backlog of {points:,} points")
            found[points] = run(drain, load, points, made)
        else:
            yield f"A backlog of {points:,} points is left out: the disk of the temporary folder has no room for it."
    yield render_backlogs(found)


def render_homes(found: Mapping[int, Sequence[Homed]]) -> Table:
    """One row a home: medians of the rounds, and of their own ratios."""
    headings = "events/s", "CPU µs/event", "one core: /s", "peak MB", "floor µs/event", "× floor"
    shown = figures("Entities, as fast as it takes events", *headings)
    for home, rounds in found.items():
        rate, micros, peak = _medians([each.sample for each in rounds])
        least, ratio = median(each.floor for each in rounds), median(each.in_floors for each in rounds)
        figured = (
            f"{rate:,.0f}",
            f"{micros:,.1f}",
            f"{1e6 / micros:,.0f}",
            f"{peak:.0f}",
            f"{least:.1f}",
            f"{ratio:.1f}",
        )
        shown.add_row(f"{home:,} entities", *figured)
    return shown


def _medians(samples: Sequence[Sample]) -> tuple[float, float, float]:
    """Events a second, µs an event, MB at most."""
    peak = median(each.peak for each in samples) / MIB
    return median(each.rate for each in samples), median(each.micros for each in samples), peak


def render(title: str, found: dict[str, list[Sample]]) -> Table:
    """One row a point on the axis: medians of the rounds."""
    shown = figures(title, "events/s", "CPU µs/event", "one core: /s", "peak MB")
    for name, samples in found.items():
        rate, micros, peak = _medians(samples)
        shown.add_row(name, f"{rate:,.0f}", f"{micros:,.1f}", f"{1e6 / micros:,.0f}", f"{peak:.0f}")
    return shown


def render_paced(title: str, found: Mapping[str, Sequence[Paced]]) -> Table:
    """One row a run at a pace, or medians of its rounds."""
    shown = figures(title, "CPU µs/event", "CPU", "waited", "peak MB")
    for name, rounds in found.items():
        micros, busy = median(each.micros for each in rounds), median(each.busy for each in rounds)
        waited, peak = median(each.waited for each in rounds), median(each.peak for each in rounds) / MIB
        shown.add_row(name, f"{micros:,.0f}", f"{busy:.2%}", f"{waited:.1%}", f"{peak:.0f}")
    return shown


def render_backlogs(found: dict[int, Drained]) -> Table:
    """One row a backlog."""
    title = "Backlog at the start, with 100 live events/s"
    shown = figures(title, "listens after s", "delivered after s", "points/s", "CPU µs/point", "live p99 s", "peak MB")
    for points, each in found.items():
        rate = f"{points / (each.drained - each.start):,.0f}" if points and each.drained > each.start else ""
        micros = f"{each.cpu / points * 1e6:.1f}" if points else ""
        late = f"{each.late[len(each.late) * 99 // 100]:.1f}"
        shown.add_row(
            f"{points:,} points",
            f"{each.start:.1f}",
            f"{each.drained:.1f}",
            rate,
            micros,
            late,
            f"{each.peak / MIB:.0f}",
        )
    return shown
