"""`homeiq-ingest query`: what an entity did, as a plot and a table."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

import click
import msgspec

from ingest.cli.exits import explained
from ingest.cli.moments import SECOND_NS, iso, shown
from ingest.cli.own_file import own_store
from ingest.cli.own_name import own_command
from ingest.cli.query_span import LONG_NS, Window, buckets_of, units_of, window
from ingest.cli.stored import reading, store_read
from ingest.core import plot
from ingest.core.rollup import Bucket
from ingest.core.state import HOUR_NS
from ingest.core.words import counted, printable
from ingest.edge.embedded_read import Entity, Reader
from ingest.errors import Refused

WHOLE = 4
"""More entities than this are listed, not shown."""

ABSENT = {"unavailable", "unknown", "removed", ""}


@click.command()
@click.argument("entity", required=False)
@click.option("--every", metavar="SPAN", help="One row for each 5m, 1h, 1d … (else what gives some 25 rows).")
@click.option("--json", "as_json", is_flag=True, help="One JSON object an entity, times in UTC.")
@reading
def query(
    *,
    entity: str | None,
    every: str | None,
    as_json: bool,
    db: Path | None,
    since: str | None,
    until: str | None,
    config_path: Path | None,
    assignments: tuple[str, ...],
) -> None:
    """Show an entity's stored values as a plot and a table; without ENTITY, what is stored at all.

    ENTITY is an entity id, one it once had, or a glob such as 'sensor.*_temperature'. The last day, unless --since says
    otherwise. Means are weighted by time. The file may be in use.
    """
    with explained(), store_read(own_store(db, config_path, assignments)) as reader:
        if entity is None:
            _summary(reader, db)
            return
        asked = window(since or "1d", until, every)
        found = _found(reader, entity)
        if as_json:
            for each in found:
                click.echo(msgspec.json.encode(_as_json(reader, each, asked)))
        elif len(found) > WHOLE:
            _listing(found)
        else:
            _show(reader, found, asked)


def _summary(reader: Reader, db: Path | None) -> None:
    usage, names = reader.usage(), reader.names()
    if usage is None:
        click.echo("Nothing is stored yet.")
        return
    click.echo(f"{usage.changes:,} changes of {len(names):,} entities, {usage.size / 1e6:,.1f} MB")
    click.echo(f"from {shown(usage.oldest_ns)} to {shown(usage.newest_ns)}")
    click.echo(f"{usage.per_day:,} changes in the last day of it, about {usage.bytes_per_day / 1e6:,.2f} MB a day")
    again = own_command() + " query" + (f" --db {shlex.quote(str(db))}" if db else "")
    click.echo(f"\nLook at one, or at several:\n  {again} {names[0]}\n  {again} 'sensor.*'")


def _found(reader: Reader, name: str) -> Sequence[Entity]:
    if found := reader.find(name):
        return found
    alike = reader.alike(name)
    remedy = f"Did you mean {' or '.join(alike)}?" if alike else "`homeiq-ingest query '*'` lists what there is"
    raise Refused(f"nothing is stored of {name}", remedy=remedy)


def _listing(found: Sequence[Entity]) -> None:
    rows = [(each.entity_id, each.friendly_name or "", each.unit or "") for each in found]
    click.echo("\n".join(plot.table(("entity", "name", "unit"), rows)))
    click.echo(f"\n{len(found)} entities match; name one of them to see its values.")


def _show(reader: Reader, found: Sequence[Entity], asked: Window) -> None:
    for at, entity in enumerate(found):
        buckets = list(buckets_of(reader, entity, asked))
        units = units_of(reader, entity, asked)
        title = [entity.entity_id, entity.friendly_name, _unit(entity, units)]
        click.echo(("\n" if at else "") + " · ".join(printable(part) for part in title if part))
        if len(units) > 1:
            click.echo(
                f"Its unit has changed ({printable(', '.join(units))}), and no value is converted: each is in the unit of its time."
            )
        click.echo(f"{shown(asked.start_ns)} to {shown(asked.end_ns)}\n")
        if all(bucket.last_state is None for bucket in buckets):
            click.echo("Nothing is stored of it by then; try a longer --since.")
            continue
        click.echo("\n".join(_picture(reader, entity, asked, buckets)))
        click.echo(f"\n{counted(sum(bucket.changes for bucket in buckets), 'change')}")


def _unit(entity: Entity, units: Sequence[str]) -> str | None:
    """That of the span where it has one; else the newest."""
    return units[0] if len(units) == 1 else entity.unit


def is_numeric(buckets: Sequence[Bucket]) -> bool:
    """True when the values are a curve: numbers, and nothing said in words but that there was none."""
    words = {word for bucket in buckets for word in bucket.states}
    return words <= ABSENT and any(bucket.low is not None for bucket in buckets)


def _picture(reader: Reader, entity: Entity, asked: Window, buckets: Sequence[Bucket]) -> list[str]:
    if is_numeric(buckets):
        lowest = min(bucket.low for bucket in buckets if bucket.low is not None)
        highest = max(bucket.high for bucket in buckets if bucket.high is not None)
        labels = (plot.number(highest), plot.number(lowest))
        fine = _fine(reader, entity, asked, plot.columns(_width(), labels))
        drawing = plot.curve([bucket.mean for bucket in fine], labels)
        return [*drawing, "", *_numbers(buckets)]
    states = list(dict.fromkeys(word for bucket in buckets for word in sorted(bucket.states)))[:8]
    margin = max(map(len, states), default=0) + 2
    fine = _fine(reader, entity, asked, max(2, _width() - margin))
    return [*plot.lanes([_shares(bucket) for bucket in fine], states), "", *_words(buckets)]


def _width() -> int:
    return min(shutil.get_terminal_size((80, 24)).columns, 160)


def _fine(reader: Reader, entity: Entity, asked: Window, count: int) -> Sequence[Bucket]:
    """As many buckets as a plot has columns, about; whole hours for a long span."""
    length_ns = asked.end_ns - asked.start_ns
    step = max(1, -(-length_ns // count))
    if length_ns > LONG_NS:
        step = -(-step // HOUR_NS) * HOUR_NS
    return list(buckets_of(reader, entity, Window(asked.start_ns, asked.end_ns, step)))


def _shares(bucket: Bucket) -> dict[str, float]:
    lasted = (bucket.end_ns - bucket.start_ns) / SECOND_NS
    return {state: seconds / lasted for state, seconds in bucket.states.items()}


def _numbers(buckets: Sequence[Bucket]) -> list[str]:
    rows = [
        (
            shown(bucket.start_ns),
            *(plot.number(value) for value in (bucket.low, bucket.mean, bucket.high, bucket.last_value)),
            str(bucket.changes),
        )
        for bucket in buckets
    ]
    return plot.table(("from", "min", "mean", "max", "last", "changes"), rows, right=(1, 2, 3, 4, 5))


def _words(buckets: Sequence[Bucket]) -> list[str]:
    rows = [
        (
            shown(bucket.start_ns),
            str(bucket.changes),
            (bucket.last_state or "–")[:40],
            ", ".join(f"{state[:40]} {plot.lasting(seconds)}" for state, seconds in sorted(bucket.states.items())),
        )
        for bucket in buckets
    ]
    return plot.table(("from", "changes", "last", "time in each state"), rows, right=(1,))


def _as_json(reader: Reader, entity: Entity, asked: Window) -> dict[str, object]:
    units = units_of(reader, entity, asked)
    return {
        "entity_id": entity.entity_id,
        "friendly_name": entity.friendly_name,
        "unit": _unit(entity, units),
        "units": units,
        "every_seconds": asked.every_ns / SECOND_NS,
        "buckets": [_bucket_as_json(bucket) for bucket in buckets_of(reader, entity, asked)],
    }


def _bucket_as_json(bucket: Bucket) -> dict[str, object]:
    return {
        "from": iso(bucket.start_ns),
        "to": iso(bucket.end_ns),
        "changes": bucket.changes,
        "min": bucket.low,
        "mean": bucket.mean,
        "max": bucket.high,
        "last": bucket.last_value,
        "last_state": bucket.last_state,
        "seconds_by_state": bucket.states,
    }
