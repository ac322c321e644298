"""What the service takes of its machine, each figure beside its bound."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from statistics import median
from typing import Any

from attrs import frozen
from rich.box import SIMPLE_HEAD
from rich.table import Column, Table

from scripts.benchmark.footprint import Held, Idle, Load, Started, Written, held, idle, started, written
from scripts.benchmark.runs import embedded, influxdb

MIB = 1024 * 1024

BOUNDS: Mapping[str, float] = {
    "peak MB, InfluxDB and API": 96,
    "settled MB, InfluxDB and API": 96,
    "peak MB, embedded, no API": 64,
    "settled MB, embedded, no API": 64,
    "s to the first event in the spool": 2,
    "s to the first event in InfluxDB": 4,
    "% of a processor, idle, with API": 0.2,
}
"""What each figure may be at most."""

AGES = (1, 60)
RATES = (5, 50)

Run = Callable[..., Any]
"""Runs an async function with its arguments, in a trio of its own."""


@frozen
class Footprint:
    """What was measured. `written` is by batch.timeout in seconds and events a second, of the InfluxDB store's spool."""

    influxdb: Held
    embedded: Held
    starts: tuple[Started, ...]
    idle: Idle
    written: Mapping[tuple[int, int], Written]

    @property
    def values(self) -> Mapping[str, float]:
        """Each figure by its name in `BOUNDS`: memory in MiB, of the starts the median."""
        found = [
            self.influxdb.peak / MIB,
            self.influxdb.settled / MIB,
            self.embedded.peak / MIB,
            self.embedded.settled / MIB,
            median(each.spooled for each in self.starts),
            median(each.stored for each in self.starts),
            self.idle.percent,
        ]
        return dict(zip(BOUNDS, found, strict=True))


def footprint(run: Run, *, quick: bool) -> Footprint:
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


def footprint_tables(run: Run, *, quick: bool) -> Iterator[Table | str]:
    """Measure, and say it: the figures beside their bounds, the starts, the disk."""
    found = footprint(run, quick=quick)
    yield bounds(found.values)
    yield starts(found)
    yield disk(found.written)


def bounds(values: Mapping[str, float]) -> Table:
    """Each figure beside what it may be at most."""
    table = _table("Footprint: 500 entities, 1,000 events/s", "measured", "at most", "")
    for name, value in values.items():
        table.add_row(name, f"{value:.3g}", f"{BOUNDS[name]:g}", "" if value <= BOUNDS[name] else "exceeded")
    return table


def starts(found: Footprint) -> str:
    """What the time of a start is made of, and how often an idle service wakes."""
    used, waited = (median(getattr(each, name) for each in found.starts) for name in ("cpu", "waited"))
    return (
        f"a start: {used:.2f} s of processor, {waited:.2f} s waiting for one, a second for the batch to be of age; "
        f"idle: its loop wakes {found.idle.wakes:.0f} times a minute"
    )


def disk(found: Mapping[tuple[int, int], Written]) -> Table:
    """What the disk takes, by the age at which a batch is committed and the rate of events."""
    table = _table("Disk writes", "bytes/event", "MB/hour", "syncs/hour")
    for (age, rate), each in found.items():
        syncs = "no strace" if each.syncs is None else f"{each.syncs:,.0f}"
        name = f"batch.timeout {age} s, {rate} events/s"
        table.add_row(name, f"{each.bytes_per_event:,.0f}", f"{each.bytes_per_hour / MIB:,.0f}", syncs)
    return table


def _table(title: str, *headings: str) -> Table:
    table = Table(Column(no_wrap=True), title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table
