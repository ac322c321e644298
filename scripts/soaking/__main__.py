"""`scripts/soak`: whether the service stays as it is for hours, in memory, files and speed."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import trio

from ingest.runtime.supervise import one_error
from scripts.benchmark.account import Failed
from scripts.soaking.database import Counting, Database, database
from scripts.soaking.report import markdown, plain, rows
from scripts.soaking.soak import Soak


@click.command()
@click.option("--minutes", type=click.FloatRange(0.5), default=60.0, show_default=True, help="How long.")
@click.option("--day", type=click.FloatRange(0.2), default=3.0, show_default=True, help="Minutes of a compressed day.")
@click.option("--entities", type=click.IntRange(20, 100_000), default=500, show_default=True, help="Size of the home.")
@click.option("--rate", type=click.FloatRange(1, 1000), default=50.0, show_default=True, help="Changes a second.")
@click.option(
    "--report", type=click.Path(path_type=Path, dir_okay=False), help="Where the report is written, as Markdown."
)
@click.option("--sink", is_flag=True, help="A sink in place of VictoriaMetrics.")
def soak(*, minutes: float, day: float, entities: int, rate: float, report: Path | None, sink: bool) -> None:
    """Run the service beside a home and a database that come and go, and say what drifts. Ends with 1 when something does."""
    with TemporaryDirectory(prefix="homeiq-soak-") as name:
        folder = Path(name)
        chosen: Database = Counting() if sink else database(folder / "database")
        if isinstance(chosen, Counting) and not sink:
            _say(
                "VictoriaMetrics is not here and cannot be fetched (apt-get update?): a sink that keeps the lines takes its place"
            )
        made = Soak(minutes * 60, day * 60, entities, rate, folder, chosen, _say)
        failed = _run(made)
        click.echo(plain(made))
        if report is not None:
            report.write_text(markdown(made), encoding="utf-8")
    if failed or not all(row.well for row in rows(made)):
        sys.exit(f"soak: {failed or 'not all is well'}")


def _run(made: Soak) -> str:
    """Until it is over or Ctrl-C; what went wrong."""
    try:
        with one_error():
            trio.run(_until_interrupted, made)
    except (Failed, trio.TooSlowError) as error:
        return str(error) if isinstance(error, Failed) else "something did not start in time"
    return ""


async def _until_interrupted(made: Soak) -> None:
    async def listen(scope: trio.CancelScope) -> None:
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async for _ in signals:
                scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(listen, nursery.cancel_scope)
        await made.run()
        nursery.cancel_scope.cancel()


def _say(what: str) -> None:
    click.echo(f"soak: {what}", err=True)


if __name__ == "__main__":
    soak()
