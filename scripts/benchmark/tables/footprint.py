"""What the service takes of its machine, each figure beside its bound."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from statistics import median

from attrs import frozen
from rich.table import Table

from scripts.benchmark.footprint import Held, Idle, Load, Started, Written, held, idle, started, written
from scripts.benchmark.report import MIB, Piece, figures, say
from scripts.benchmark.runs import embedded, influxdb, run
from scripts.benchmark.size import Size
from scripts.benchmark.verdict import Bound, Verdict

BOUNDS = (
    Bound("500 entities, 1,000 events/s, InfluxDB and API: at most", 96, "MB", form=".0f"),
    Bound("the same: afterwards", 96, "MB", form=".0f"),
    Bound("500 entities, 1,000 events/s, embedded, no API: at most", 64, "MB", form=".0f"),
    Bound("the same: afterwards", 64, "MB", form=".0f"),
    Bound("from the start to the first event in the spool", 2, "s"),
    Bound("from the start to the first event in InfluxDB", 4, "s"),
    Bound("idle, with API", 0.2, "% of a processor", form=".2f"),
)

AGES = (1, 60)
RATES = (5, 50)


@frozen
class Footprint:
    """What was measured. `written` is by batch.timeout in seconds and events a second, of the InfluxDB store's spool."""

    influxdb: Held
    embedded: Held
    starts: tuple[Started, ...]
    idle: Idle
    written: Mapping[tuple[int, int], Written]

    @property
    def values(self) -> tuple[float, ...]:
        """What `BOUNDS` are of, in their order: memory in MiB, of the starts the median."""
        return (
            self.influxdb.peak / MIB,
            self.influxdb.settled / MIB,
            self.embedded.peak / MIB,
            self.embedded.settled / MIB,
            median(each.spooled for each in self.starts),
            median(each.stored for each in self.starts),
            self.idle.percent,
        )


def table(size: Size) -> Iterator[Piece | list[Verdict]]:
    """Measure, and show: the starts, the disk, the figures beside their bounds."""
    say("footprint: memory under load, starts, idle time, disk writes")
    found = measure(quick=size.quick)
    yield starts(found)
    yield disk(found.written)
    yield judged(found.values)


def measure(*, quick: bool) -> Footprint:
    """Measure everything: twelve minutes, or two when it is to be quick. Raises `Failed`."""
    load, rest = Load(1000, 5 if quick else 65), 10 if quick else 60
    return Footprint(
        influxdb=run(held, influxdb, load, True),
        embedded=run(held, embedded, load, False),
        starts=tuple(run(started) for _ in range(1 if quick else 5)),
        idle=run(idle, influxdb, rest),
        written={
            (age, rate): run(written, influxdb, Load(rate, max(rest, age)), age)
            for age in AGES[: 1 if quick else None]
            for rate in RATES
        },
    )


def judged(values: Iterable[float]) -> list[Verdict]:
    """Each figure beside what it may be at most."""
    return [bound.judge(value) for bound, value in zip(BOUNDS, values, strict=True)]


def starts(found: Footprint) -> str:
    """What the time of a start is made of, and how often an idle service wakes."""
    used, waited = (median(getattr(each, name) for each in found.starts) for name in ("cpu", "waited"))
    return (
        f"a start: {used:.2f} s of processor, {waited:.2f} s waiting for one, a second for the batch to be of age; "
        f"idle: its loop wakes {found.idle.wakes:.0f} times a minute"
    )


def disk(found: Mapping[tuple[int, int], Written]) -> Table:
    """What the disk takes, by the age at which a batch is committed and the rate of events."""
    shown = figures("Disk writes", "bytes/event", "MB/hour", "syncs/hour")
    for (age, rate), each in found.items():
        syncs = "no strace" if each.syncs is None else f"{each.syncs:,.0f}"
        name = f"batch.timeout {age} s, {rate} events/s"
        shown.add_row(name, f"{each.bytes_per_event:,.0f}", f"{each.bytes_per_hour / MIB:,.0f}", syncs)
    return shown
