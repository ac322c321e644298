"""`homeiq-ingest gaps`: when changes may have been missed, why, and how far that has been filled in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec

from ingest.cli.asking import ask
from ingest.cli.exits import explained
from ingest.cli.held import Runs, held
from ingest.cli.moments import SECOND_NS, iso, parse_moment, shown
from ingest.cli.options import configured, loaded
from ingest.cli.output import written
from ingest.cli.own_file import looking, own_state, state_of
from ingest.cli.tables import Columns, Entry, listing, terminal, wrapped
from ingest.cli.two_series import tell_of_two_series
from ingest.config.settings import Settings
from ingest.core import control
from ingest.core.coverage import FOREVER, Cause, Gap
from ingest.core.ledger import SpanFate
from ingest.core.plot import lasting
from ingest.core.state import nanoseconds
from ingest.core.words import counted, entities
from ingest.edge.ledger_file import LedgerFile, listed, told
from ingest.edge.spool_rows import Key
from ingest.edge.sqlite import translated
from ingest.errors import Refused

NONE = "There are no gaps."
NOTHING = "There are no gaps in which anything can have been missed."

LIST = Columns(("id", "home", "store", "from", "to", "cause", "entities", "state", "filled", "why"), right=(0, 6, 8))
SHORT_LIST = Columns(("id", "from", "lasted", "entities", "state", "filled"), right=(0, 3, 5))
SPANS = Columns(("entity", "after", "before", "filled", "why"), right=(3,))
SHORT_SPANS = Columns(("entity", "filled"), right=(1,))


@click.group()
def gaps() -> None:
    """See when changes may have been missed, and how far that has been filled in."""


@gaps.command("list")
@click.option("--all", "everything", is_flag=True, help="Also those in which nothing was missed.")
@configured
def list_(*, everything: bool, config_path: Path | None, assignments: tuple[str, ...]) -> None:
    """List the gaps, the oldest first. The service may run.

    When nothing at all changed while nobody listened, as between two short runs of `backfill`, there is a gap all the same:
    the ledger says when nobody did. Such gaps are counted here, and listed with --all. Where a line is too long for the terminal,
    causes and reasons have lines of their own; in a pipe each gap is one line.
    """
    with explained(), looking(own := own_state(config_path, assignments)) as connection, translated(own.path):
        found = listed(connection)
    told = found if everything else [each for each in found if not each[1].is_empty]
    several = len({key for key, _ in told}) > 1
    entries = [_entry(key, gap, several=several) for key, gap in told]
    if entries:
        click.echo("\n".join(listing(LIST, SHORT_LIST, entries, terminal())))
    else:
        click.echo(NOTHING if found else NONE)
    if more := len(found) - len(told):
        click.echo(f"In {counted(more, 'gap')} nothing was missed (--all lists them).", err=True)


def _entry(key: Key, gap: Gap, *, several: bool) -> Entry:
    first, entities, filled = shown(gap.from_ns, "seconds"), f"{gap.spans:,}", f"{gap.filled:,}"
    return Entry(
        (
            str(gap.id), key.home, key.store, first, shown(gap.to_ns, "seconds"), gap.cause.value,
            entities, gap.progress.value, filled, gap.why,
        ),
        (str(gap.id), first, lasting((gap.to_ns - gap.from_ns) / SECOND_NS), entities, gap.progress.value, filled),
        (f"{f'{key.home}, {key.store}: ' if several else ''}{gap.cause.value}{f'; {gap.why}' if gap.why else ''}",),
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
    width = terminal()
    for line in (
        f"{key.home}, {key.store}: {shown(gap.from_ns, 'seconds')} to {shown(gap.to_ns, 'seconds')}",
        f"{gap.cause.value}; {gap.progress.value}{f': {gap.why}' if gap.why else ''}",
        f"{entities(gap.spans)}, {gap.left:,} left to fill, {counted(gap.filled, 'state')} filled",
    ):
        click.echo("\n".join(wrapped(line, width)))
    if spans:
        click.echo("\n" + "\n".join(listing(SPANS, SHORT_SPANS, [_span(each) for each in spans], width)))
    elif gap.spans:
        click.echo("What was missing of each entity is not kept any more.")


def _span(each: SpanFate) -> Entry:
    name, filled = each.span.entity_id or "?", "to do" if each.filled is None else f"{each.filled:,}"
    after = shown(each.span.after_ns, "milliseconds")
    before = "it is back" if each.span.before_ns == FOREVER else shown(each.span.before_ns, "milliseconds")
    times = f"after {after}, before {_without(before, after)}"
    return Entry((name, after, before, filled, each.why), (name, filled), (times, each.why))


def _without(moment: str, other: str) -> str:
    """The moment without the day and the offset that it shares with another."""
    day, zone = other.partition(" ")[0] + " ", other[-len("+00:00") :]
    return moment[len(day) : -len(zone)] if moment.startswith(day) and moment.endswith(zone) else moment


@gaps.command()
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@configured
def export(*, file: Path, config_path: Path | None, assignments: tuple[str, ...]) -> None:
    """Write all gaps to FILE as JSON lines; `-` is standard output. The service may run.

    Times are in UTC, ISO 8601. What is missing of an entity that is not back yet has no end: its `before` is null.
    """
    with explained(), looking(own := own_state(config_path, assignments)) as connection, translated(own.path):
        found = listed(connection)
        with written(None if str(file) == "-" else file, own.used) as out:
            for key, gap in found:
                out.write(msgspec.json.encode(_as_json(key, gap, told(connection, gap.id))) + b"\n")
            out.flush()
    click.echo(f"{counted(len(found), 'gap')} in {file}", err=True)


def _as_json(key: Key, gap: Gap, spans: Iterable[SpanFate]) -> Mapping[str, Any]:
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
                "before": iso(each.span.before_ns) if each.span.before_ns < FOREVER else None,
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

    What the database has of that time and Home Assistant's history tells poorer is written over. Of an entity that was moved to
    another area since, InfluxDB keeps both, as two series.
    """
    since_ns = nanoseconds(parse_moment(since, datetime.now(UTC)))
    with explained():
        found = loaded(config_path, assignments)
        state_of(found).check_same()
        settings = found.settings
        asked = control.Reopen(since_ns, settings.home)
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
    tell_of_two_series(settings)
    click.echo(f"Gap {done.gap_id}, {whole}, of {entities(done.entities)} is open; {then}.")


def _reopen(path: Path, key: Key, asked: control.Reopen) -> control.Reopened:
    with held(path) as connection:
        gap = LedgerFile(connection, path, key).reopen(asked.since_ns)
    return control.Reopened() if gap is None else control.Reopened(gap.id, gap.spans, gap.from_ns, gap.to_ns)


@gaps.command()
@configured
def fill(*, config_path: Path | None, assignments: tuple[str, ...]) -> None:
    """Fill now what is open, and try once more what could not be retrieved. When the service runs, it does the work.

    What could not be retrieved, or only in part, is all read again: Home Assistant may have been without a recorder, or
    behind. Only the history has anything between two stored states, so nothing richer is overwritten. But what came in
    part comes whole once more: of an entity that was moved to another area since, InfluxDB keeps both, as two series.
    """
    from ingest.actors.importing import Importing  # noqa: PLC0415  only where it is used
    from ingest.cli.filling import Watched, alone, check_no_service, follow, tell  # noqa: PLC0415

    with explained():
        found = loaded(config_path, assignments, for_running=True)
        state_of(found).check_same()
        settings = found.settings
        path, every = settings.spool.path, Watched(tuple(Cause))
        try:
            check_no_service(path)
        except Runs as service:
            done = ask(service, "fill", control.Fill(settings.home), control.Filling, doing="looking", of="{} gaps")
            if _announce(done, settings):
                tell(follow(path, Key(settings.home, settings.store_kind), every))
            return

        async def begin(importing: Importing) -> bool:
            return _announce(await importing.fill(), settings)

        tell(alone(settings, begin, every))


def _announce(done: control.Filling, settings: Settings) -> bool:
    if done.again:
        tell_of_two_series(settings)
    again = f", {done.again:,} of their entities once more" if done.again else ""
    click.echo(f"Filling {counted(len(done.gaps), 'gap')}{again}." if done.gaps else "There is nothing to fill.")
    return bool(done.gaps)
