"""`homeiq-ingest statistics`: the hours of years that Home Assistant keeps, into InfluxDB."""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import click
import trio
from attrs import define, frozen

from ingest.actors.bringing import Bringer
from ingest.actors.connection import connected
from ingest.actors.history import History
from ingest.actors.statistics import Brought, Series, StatisticsImport, listed
from ingest.cli.candidates import candidates, deadlines
from ingest.cli.database import opened_database, tagged_home
from ingest.cli.exits import explained
from ingest.cli.moments import parse_moment, shown
from ingest.cli.options import configured, loaded
from ingest.cli.present import catalog_of, present
from ingest.cli.progress import above_the_bar, filling
from ingest.config.settings import Settings
from ingest.core.catalog import NO_CATALOG
from ingest.core.conversation import Received
from ingest.core.coverage import Mark
from ingest.core.importing import NOTHING, chosen
from ingest.core.reports import Emit
from ingest.core.rules import Rules
from ingest.core.state import HOUR_NS, nanoseconds
from ingest.core.statistics import Statistic, head, questions
from ingest.core.store import Keep
from ingest.core.words import printable
from ingest.edge.journal import open_journal
from ingest.edge.websocket import open_socket
from ingest.errors import IngestError, Refused, Transient
from ingest.plan import Destination
from ingest.runtime.supervise import one_error

AGAIN = "Run the command again later: the same hours are the same points, so nothing is stored twice"


@click.command()
@click.option("--since", required=True, metavar="TIME", help="Since when: `2y`, `2024-01-01`.")
@click.option("--entities", multiple=True, metavar="GLOB", help="Only these, such as `sensor.*`; may be repeated.")
@click.option("--dry-run", is_flag=True, help="Show how much it would be; write nothing.")
@configured
def statistics(
    *,
    since: str,
    entities: tuple[str, ...],
    dry_run: bool,
    config_path: Path | None,
    assignments: tuple[str, ...],
) -> None:
    """Store Home Assistant's long-term statistics since TIME in InfluxDB.

    Home Assistant keeps mean, minimum, maximum, state and sum of every hour for years, long after the states
    themselves are gone. Each hour becomes a point of the measurement `home_assistant_statistics`, with a connection of its
    own: the service may run meanwhile, and neither is in the other's way.

    If it is interrupted, even killed, run it again: the same hours are the same points, so nothing is stored twice.
    """
    now = datetime.now(UTC)
    moment = parse_moment(since, now)
    if moment >= now:
        raise click.BadParameter(f"{since!r} is not in the past", param_hint="--since")
    with explained(), one_error(IngestError):
        settings = loaded(config_path, assignments, for_running=True).settings
        if not settings.influxdb.url:
            raise Refused(
                "long-term statistics go into InfluxDB, and none is configured; the embedded store has no place for them",
                remedy="Set influxdb.url and influxdb.token_file, for this command alone with --set.",
            )
        trio.run(_statistics, settings, _Asked(*_hours(settings, moment, now), entities), dry_run)


@frozen
class _Asked:
    """Hours from `from_ns` until `to_ns`, of the statistics that one of the globs names; all without globs."""

    from_ns: int
    to_ns: int
    globs: Sequence[str]


def _hours(settings: Settings, moment: datetime, now: datetime) -> tuple[int, int]:
    """From when to when, whole hours; nothing that the bucket would throw away at once, where it is said to."""
    from_ns, to_ns, kept = nanoseconds(moment), nanoseconds(now), settings.influxdb.retention
    oldest_ns = to_ns - int(kept * 1e9) + HOUR_NS if kept is not None else from_ns
    if from_ns < oldest_ns:
        click.echo(f"The bucket keeps nothing before {shown(oldest_ns)} (influxdb.retention): not asked for.", err=True)
        from_ns = oldest_ns
    return from_ns - from_ns % HOUR_NS, to_ns - to_ns % HOUR_NS


async def _statistics(settings: Settings, asked: _Asked, dry_run: bool) -> None:
    home = _Home(settings, open_journal("warning", settings.log.format, above_the_bar()))
    found = await home.chosen(asked.globs)
    _say_what_there_is(found, asked)
    if dry_run:
        click.echo("Nothing was written.")
    elif found:
        async with opened_database(settings) as destination:
            _sum_up(await _bring(home, destination, found, asked), len(found), destination)


@define(eq=False)
class _Home:
    """The Home Assistant that is asked, on connections of its own. What cannot be read of its answers goes to `emit`."""

    settings: Settings
    emit: Emit

    @asynccontextmanager
    async def history(self) -> AsyncGenerator[History]:
        """A connection whose history may be asked, while the block runs."""
        candidate = candidates(self.settings)[0]
        async with (
            trio.open_nursery() as nursery,
            connected(
                nursery, candidate.target, candidate.token(), _ignore,
                deadlines=deadlines(self.settings), opener=open_socket, opened=lambda: None,
            ) as bulk,
        ):  # fmt: skip
            yield History(bulk, self.emit, time.time_ns)

    async def chosen(self, globs: Sequence[str]) -> Mapping[Statistic, Series]:
        """The statistics that one of the globs names and that the rules do not leave out, as they are written."""
        async with self.history() as history, trio.open_nursery() as nursery:
            there = {each.statistic_id: each for each in await listed(history)}
            catalog = await catalog_of(nursery, history.bulk, self.settings, self.emit)
            if catalog is NO_CATALOG:
                # Without them the points would lack the id for life, and be others than those of the next run.
                raise Transient("the registries could not be read", remedy="Run the command again.")
            _, left_out = await present(history.bulk, self.settings, catalog)
            nursery.cancel_scope.cancel()
        rules = Rules(self.settings.filter)

        def passes(entity: Mark) -> bool:
            facts = catalog.facts(entity.entity_id)
            return entity.registry_id not in left_out and rules.may_pass(entity.entity_id, facts)

        marks = [Mark(catalog.facts(each).registry_id, each, NOTHING) for each in there]
        found = {there[each.entity_id]: each.registry_id for each in chosen(marks, globs, passes)}
        units, home = not self.settings.influxdb.numeric_only, tagged_home(self.settings)
        return {
            each: Series(head(each, None if each.external else name, home), each.unit if units else None)
            for each, name in found.items()
        }


async def _bring(home: _Home, destination: Destination, found: Mapping[Statistic, Series], asked: _Asked) -> Brought:
    series = {each.statistic_id: written for each, written in found.items()}
    asking = deque(questions([*series], asked.from_ns, asked.to_ns))
    total = len(asking)

    def database_waits(verdict: Keep, delay: float) -> None:
        click.echo(f"waiting {delay:.0f} s for the database: {verdict.reason}", err=True)

    def home_waits(why: str, delay: float) -> None:
        click.echo(f"waiting {delay:.0f} s for Home Assistant: {why}", err=True)

    bringer = Bringer(destination.store, database_waits, random.random, AGAIN)
    with filling("importing", "hours") as show:

        def tell(brought: Brought) -> None:
            show(brought.questions / total, brought.hours)

        return await StatisticsImport(home.history, bringer, series, asking, tell, home_waits).run()


def _say_what_there_is(found: Mapping[Statistic, Series], asked: _Asked) -> None:
    """How much it may be; Home Assistant cannot be asked how many hours it has."""
    if not found:
        click.echo("Home Assistant has no statistics of what was asked for.")
        return
    means, totals = sum(each.mean for each in found), sum(each.total for each in found)
    whole = f"from {shown(asked.from_ns)} to {shown(asked.to_ns)}"
    most = len(found) * (asked.to_ns - asked.from_ns) // HOUR_NS
    said = f"{len(found):,} statistics ({means:,} with a mean, {totals:,} with a sum), {whole}: {most:,} hours at most."
    click.echo(said, err=True)


def _sum_up(brought: Brought, count: int, destination: Destination) -> None:
    for rejection in brought.rejected:
        click.echo(printable(f"refused: {rejection.reason}: {rejection.line[:200]}"), err=True)
    parts = [f"{brought.hours - brought.refused:,} hours of {count:,} statistics stored in {destination.where}"]
    parts += [f"{brought.refused:,} refused"] if brought.refused else []
    click.echo(", ".join(parts))


def _ignore(_: Received) -> None:
    pass
