"""`homeiq-ingest estimate`: what storing this home comes to, before it is stored."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click
import msgspec
import trio
from attrs import field, frozen

from ingest.cli.database import schema
from ingest.cli.exits import explained
from ingest.cli.home_asked import asked
from ingest.cli.options import configured, loaded
from ingest.cli.present import points
from ingest.cli.sampling import LONGEST_NS, Sample, sampled
from ingest.config.settings import Settings
from ingest.core.coverage import Span
from ingest.core.forecast import DAY, FULL, ON_DISK, Entity, Limit, Lines, as_live, count_series, limits, per_day
from ingest.core.point import Point
from ingest.core.rows import row_of
from ingest.core.rules import Rules, treated
from ingest.core.sealing import line_of, seal_grouped
from ingest.core.store import Batch
from ingest.edge.embedded_read import open_store
from ingest.errors import IngestError, Refused
from ingest.runtime.lane import InlineLane
from ingest.runtime.supervise import one_error

KEPT: Final = 5_000
"""Rows of the day from which it is learnt what a point weighs."""

ENOUGH: Final = 10_000
"""Changes in an embedded store of one's own that say well enough what one weighs."""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@configured
def estimate(*, as_json: bool, config_path: Path | None, assignments: tuple[str, ...]) -> None:
    """Forecast how much of this home is stored per day, and which entities account for most of it.

    From the states of all entities and a day of Home Assistant's history, in samples: points, megabytes, series, and the
    limits of databases that come near. For the busiest entities it says how to leave them out. Nothing is written, and
    no database is asked.
    """
    from ingest.cli.forecast_show import as_object, screen  # noqa: PLC0415  only where there is something to show

    with explained():
        settings = loaded(config_path, assignments, for_running=True).settings
        with one_error(IngestError):
            found = trio.run(_forecast, settings)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(as_object(found))).decode())
    else:
        click.echo("\n".join(screen(found)))


@frozen
class Forecast:
    """A day of this home. `sent` and `disk` are bytes; `sent` and `lines` None where the store takes no lines.

    `seconds` of the last day were counted, in samples. `unwritten`: entities of which the schema writes nothing,
    neither of their present state nor of those of the day.
    """

    entities: Sequence[Entity]
    left_out: int
    unwritten: int
    seconds: float
    series: int | None
    lines: float | None
    sent: float | None
    disk: float
    limits: Sequence[Limit] = field(factory=tuple)
    include: bool = False

    @property
    def points(self) -> float:
        """Points a day that all entities together make."""
        return sum(each.points for each in self.entities)


async def _forecast(settings: Settings) -> Forecast:
    rules = Rules(settings.filter)
    async with asked(settings) as home:
        everybody = await points(home.bulk, settings, home.catalog)
        decided = [(each, rules.decide(each.entity_id, each.attributes, each.facts)) for each in everybody]
        stored = {each.entity_id: treated(each, how) for each, how in decided if how.passed}
        if not stored:
            raise Refused("the filter leaves every entity out", remedy="Look at filter.mode and filter.patterns.")
        now_ns = time.time_ns()
        day = [Span(name, each.facts.registry_id, now_ns - int(DAY) * 10**9, now_ns) for name, each in stored.items()]
        sample = await sampled(home.bulk, day, KEPT)
    beats = {each.entity_id: how.heartbeat_ns for each, how in decided if how.passed and how.heartbeat_ns}
    named = {each.entity_id: how.rule for each, how in decided}
    reckoned = _of_rows if settings.store_kind == "embedded" else _of_lines
    found = await reckoned(settings, stored, sample, beats)
    return Forecast(
        tuple(Entity(each.entity_id, each.points, each.size, named[each.entity_id]) for each in found.entities),
        len(everybody) - len(stored), found.unwritten, found.seconds, found.series, found.lines, found.sent, found.disk,
        found.limits, settings.filter.mode == "include",
    )  # fmt: skip


async def _of_lines(
    settings: Settings, stored: Mapping[str, Point], sample: Sample, beats: Mapping[str, int]
) -> Forecast:
    """What a database that takes lines is sent and keeps."""
    codec = schema(settings)
    present = {name: line for name, each in stored.items() if (line := line_of(codec, each)) is not None}
    live = [(each.entity_id, line_of(codec, each)) for each in as_live(sample.rows, stored)]
    lines = Lines(present, [(name, line) for name, line in live if line is not None])
    rates, counted = per_day(sample.windows, sample.width_ns / sample.stride_ns)
    weights, written = lines.weights(), lines.each()
    entities = [
        Entity(name, made := rates.get(name, 0.0) + _beaten(beats.get(name)), made * weights[name], "")
        for name in written
    ]
    size, count = sum(each.size for each in entities), sum(each.points for each in entities)
    batch = min(settings.batch.size, max(1, round(count / DAY * settings.batch.timeout)))
    disk = size * lines.compressed(seal_grouped, FULL) * ON_DISK
    found = limits(written, _peak(sample, weights))
    return Forecast(
        entities, 0, len(stored) - len(written), counted * sample.width_ns / 1e9, count_series(written.values()),
        size, size * lines.compressed(seal_grouped, batch), disk, found,
    )  # fmt: skip


async def _of_rows(settings: Settings, stored: Mapping[str, Point], sample: Sample, _: Mapping[str, int]) -> Forecast:
    """What the embedded store keeps."""
    rates, counted = per_day(sample.windows, sample.width_ns / sample.stride_ns)
    size = _own_rows(settings.embedded.path) or await _row_size([*stored.values(), *as_live(sample.rows, stored)])
    entities = [Entity(name, rates.get(name, 0.0), rates.get(name, 0.0) * size, "") for name in stored]
    disk = sum(each.size for each in entities)
    return Forecast(entities, 0, 0, counted * sample.width_ns / 1e9, None, None, None, disk)


def _beaten(interval_ns: int | None) -> float:
    return DAY * 1e9 / interval_ns if interval_ns else 0.0


def _peak(sample: Sample, weights: Mapping[str, float]) -> float:
    """Bytes a second, in the busiest window."""
    busiest = max(sum(count * weights.get(name, 0.0) for name, count in each.items()) for each in sample.windows)
    return busiest / (min(sample.width_ns, LONGEST_NS) / 1e9)


def _own_rows(path: Path) -> float | None:
    """Bytes of a change in the store that is there; None when it says too little."""
    try:
        with open_store(path) as reader:
            usage = reader.usage()
    except IngestError:
        return None
    return usage.size / usage.changes if usage is not None and usage.changes >= ENOUGH else None


async def _row_size(made: Sequence[Point]) -> float:
    """Bytes of a change in a store that holds these and is thrown away."""
    from ingest.edge.embedded import EmbeddedSettings, open_embedded  # noqa: PLC0415  only where it is used

    rows = tuple(map(row_of, made))
    times = [row.time_ns for row in rows]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "sample.db")
        async with open_embedded(EmbeddedSettings(path), InlineLane(), time.time_ns) as embedded:
            batch: Batch[Any] = Batch(rows, len(rows), 0, min(times), max(times))
            await embedded.store.deliver(batch)
        with open_store(path) as reader:
            usage = reader.usage()
        return usage.size / usage.changes if usage is not None else 0.0
