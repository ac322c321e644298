"""`homeiq-ingest gaps`: when changes may have been missed, why, and how far that is mended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec

from ingest.cli import counts
from ingest.cli.asking import ask
from ingest.cli.exits import explained
from ingest.cli.held import Runs, held
from ingest.cli.moments import iso, parse_moment, shown
from ingest.cli.options import configured, loaded
from ingest.cli.output import written
from ingest.cli.own_file import looking, own_state
from ingest.core import control
from ingest.core.coverage import FOREVER, Cause, Gap
from ingest.core.ledger import Told
from ingest.core.plot import table
from ingest.core.state import nanoseconds
from ingest.core.words import cut
from ingest.edge.ledger_file import LedgerFile, listed, told
from ingest.edge.spool_rows import Key
from ingest.edge.sqlite import translated
from ingest.errors import Refused

NONE = "There are no gaps."
WHY = 60
"""Characters of a reason in the list; `gaps show` has all of it."""


@click.group()
def gaps() -> None:
    """See when changes may have been missed, and how far that is mended."""


@gaps.command("list")
@configured
def list_(*, config_path: Path | None, assignments: tuple[str, ...]) -> None:
    """List the gaps, the oldest first. The service may run."""
    with explained(), looking(own := own_state(config_path, assignments)) as connection, translated(own.path):
        found = listed(connection)
    head = ("id", "home", "store", "from", "to", "cause", "entities", "state", "filled", "why")
    rows = [_row(key, gap) for key, gap in found]
    click.echo("\n".join(table(head, rows, right=(0, 6, 8))) if rows else NONE)


def _row(key: Key, gap: Gap) -> tuple[str, ...]:
    return (
        str(gap.id), key.home, key.store, shown(gap.from_ns, "seconds"), shown(gap.to_ns, "seconds"), gap.cause.value,
        f"{gap.spans:,}", gap.progress.value, f"{gap.filled:,}", cut(gap.why, WHY),
    )  # fmt: skip


@gaps.command()
@click.argument("gap_id", metavar="ID", type=int)
@configured
def show(*, gap_id: int, config_path: Path | None, assignments: tuple[str, ...]) -> None:
    """Show one gap whole, with what is missing of each entity. The service may run."""
    with explained(), looking(own := own_state(config_path, assignments)) as connection, translated(own.path):
        found = [each for each in listed(connection) if each[1].id == gap_id]
        if not found:
            raise Refused(f"there is no gap {gap_id}", remedy="See `homeiq-ingest gaps list`.")
        ((key, gap),) = found
        spans = told(connection, gap_id)
    click.echo(f"{key.home}, {key.store}: {shown(gap.from_ns, 'seconds')} to {shown(gap.to_ns, 'seconds')}")
    click.echo(f"{gap.cause.value}; {gap.progress.value}{f': {gap.why}' if gap.why else ''}")
    click.echo(f"{counts.entities(gap.spans)}, {gap.left:,} left to fill, {gap.filled:,} states filled")
    if spans:
        head = ("entity", "after", "before", "filled", "why")
        click.echo("\n" + "\n".join(table(head, [_span_row(each) for each in spans], right=(3,))))
    elif gap.spans:
        click.echo("What was missing of each entity is not kept any more.")


def _span_row(each: Told) -> tuple[str, ...]:
    after, before = (_shown(time_ns) for time_ns in (each.span.after_ns, each.span.before_ns))
    return each.span.entity_id or "?", after, before, "to do" if each.filled is None else f"{each.filled:,}", each.why


def _shown(time_ns: int) -> str:
    return shown(time_ns, "milliseconds") if time_ns < FOREVER else "not known yet"


@gaps.command()
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@configured
def export(*, file: Path, config_path: Path | None, assignments: tuple[str, ...]) -> None:
    """Write all gaps to FILE as JSON lines; `-` is standard output. The service may run."""
    with explained(), looking(own := own_state(config_path, assignments)) as connection, translated(own.path):
        found = listed(connection)
        with written(None if str(file) == "-" else file) as out:
            for key, gap in found:
                out.write(msgspec.json.encode(_as_json(key, gap, told(connection, gap.id))) + b"\n")
            out.flush()
    click.echo(f"{counts.gaps(len(found))} in {file}", err=True)


def _as_json(key: Key, gap: Gap, spans: Iterable[Told]) -> Mapping[str, Any]:
    return {
        "id": gap.id,
        "home": key.home,
        "store": key.store,
        "from": iso(gap.from_ns),
        "to": iso(gap.to_ns),
        "cause": gap.cause.name.lower(),
        "state": gap.progress.value,
        "why": gap.why,
        "entities": gap.spans,
        "left": gap.left,
        "filled": gap.filled,
        "spans": [
            {
                "entity_id": each.span.entity_id,
                "registry_id": each.span.registry_id,
                "after": iso(each.span.after_ns),
                "before": iso(each.span.before_ns),
                "filled": each.filled,
                "why": each.why,
            }
            for each in spans
        ],
    }


@gaps.command()
@click.option("--since", required=True, metavar="TIME", help="When the back-up was made: `1d`, `2026-11-20T08:00`.")
@configured
def reopen(*, since: str, config_path: Path | None, assignments: tuple[str, ...]) -> None:
    """Have everything since TIME filled again: the database was restored from a back-up of then. The service may run.

    What the database has of that time and Home Assistant's history tells poorer is written over.
    """
    asked = control.Reopen(nanoseconds(parse_moment(since, datetime.now(UTC))))
    with explained():
        settings = loaded(config_path, assignments).settings
        path, key = settings.spool.path, Key(settings.home, settings.store_kind)
        try:
            done, then = _reopen(path, key, asked), "the service fills it when it runs"
        except Runs as service:
            done = ask(service, "reopen", asked, control.Reopened, doing="reopening", of="{} entities")
            then = "the service fills it"
    if not done.entities:
        click.echo("Nothing was stored since then.")
        return
    whole = f"from {shown(done.from_ns, 'seconds')} to {shown(done.to_ns, 'seconds')}"
    click.echo(f"Gap {done.gap_id}, {whole}, of {counts.entities(done.entities)} is open; {then}.")


def _reopen(path: Path, key: Key, asked: control.Reopen) -> control.Reopened:
    with held(path) as connection:
        gap = LedgerFile(connection, path, key).reopen(asked.since_ns)
    return control.Reopened() if gap is None else control.Reopened(gap.id, gap.spans, gap.from_ns, gap.to_ns)


@gaps.command()
@configured
def fill(*, config_path: Path | None, assignments: tuple[str, ...]) -> None:
    """Fill now what is open, and try once more what could not be had. When the service runs, it does.

    Of what could not be had, or in part, everything is read again: Home Assistant may have been without a recorder, or
    behind. Only the history has anything between two stored states, so nothing richer is written over.
    """
    from ingest.actors.importing import Importing  # noqa: PLC0415  only where it is used
    from ingest.cli.filling import Watched, alone, check_no_service, follow, tell  # noqa: PLC0415

    with explained():
        settings = loaded(config_path, assignments, for_running=True).settings
        path, every = settings.spool.path, Watched(tuple(Cause))
        try:
            check_no_service(path)
        except Runs as service:
            done = ask(service, "fill", control.Fill(), control.Filling, doing="looking", of="{} gaps")
            if _announce(done):
                tell(follow(path, Key(settings.home, settings.store_kind), every))
            return

        async def begin(importing: Importing) -> bool:
            return _announce(await importing.fill())

        tell(alone(settings, begin, every))


def _announce(done: control.Filling) -> bool:
    again = f", {done.again:,} of their entities once more" if done.again else ""
    click.echo(f"Filling {counts.gaps(len(done.gaps))}{again}." if done.gaps else "There is nothing to fill.")
    return bool(done.gaps)
