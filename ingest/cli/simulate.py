"""`homeiq-ingest simulate`: a Home Assistant with a home in it, for anybody who has none at hand."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import click
import trio

from ingest.cli.exits import explained
from ingest.cli.moments import parse_span
from ingest.cli.own_name import own_command
from ingest.core.token import token_problem
from ingest.edge.reason import reason
from ingest.errors import Refused
from ingest.runtime.signals import on_stop
from ingest.runtime.supervise import one_error
from ingest.simulator.faults import Script, read
from ingest.simulator.home import Home
from ingest.simulator.serve import LOOPBACK, serve


def _span(ctx: click.Context, param: click.Parameter, value: str) -> timedelta:
    """Read a length of time: `90s`, `15m`, `24h`, `2d`, or `0`."""
    del ctx, param
    span = parse_span("0s" if value == "0" else value)
    if span is None:
        raise click.BadParameter(f"{value!r} is not a length of time: write 90s, 15m, 24h, 2d or 0.")
    return span


def _token(ctx: click.Context, param: click.Parameter, value: str) -> str:
    """A token that `homeiq-ingest run` sends; it refuses one that no Home Assistant could have made."""
    del ctx, param
    if value == "random":
        return secrets.token_hex(32)
    if problem := token_problem(value):
        raise click.BadParameter(f"the token {problem}.")
    return value


@click.command()
@click.option("--entities", type=click.IntRange(1, 100_000), default=60, show_default=True, help="Size of the home.")
@click.option("--port", type=click.IntRange(0, 65535), default=8123, show_default=True, help="0 for any free one.")
@click.option("--seed", type=int, default=1, show_default=True, help="Another number makes another home.")
@click.option("--replay", callback=_span, default="24h", show_default=True, help="How much of its past it plays first.")
@click.option(
    "--speed",
    type=click.FloatRange(0.01, 10_000),
    default=1.0,
    show_default=True,
    help="How fast its time goes; 1 is real time.",
)
@click.option("--faults", type=click.Path(path_type=Path, dir_okay=False, exists=True), help="A script of faults.")
@click.option(
    "--token", callback=_token, default="random", show_default=True, help="The access token clients must have."
)
def simulate(
    *, entities: int, port: int, seed: int, replay: timedelta, speed: float, faults: Path | None, token: str
) -> None:
    """Run a simulated Home Assistant on this machine.

    It plays its last 24 hours to the first client that listens to its state changes, then continues in real time.
    """
    make = partial(_home, seed, entities, replay)
    with explained():
        script = read(faults) if faults else ()
        try:
            with one_error(OSError):
                trio.run(_run, make, token, port, speed, script)
        except OSError as error:
            raise Refused(
                f"Port {port} cannot be used: {reason(error)}", remedy="Choose another with --port."
            ) from None
    click.echo("\nThe simulated home is gone.")


def _home(seed: int, entities: int, replay: timedelta) -> Home:
    click.echo(f"Making a home of {entities:,} entities …")
    return Home(seed, entities, datetime.now(UTC) - replay)


async def _run(make: Callable[[], Home], token: str, port: int, speed: float, script: Script) -> None:
    async with trio.open_nursery() as nursery:
        # Before anything that takes its time: a signal is never answered with a traceback.
        nursery.start_soon(on_stop, nursery.cancel_scope.cancel, nursery.cancel_scope.cancel)
        for _ in range(2):
            await trio.lowlevel.checkpoint()
        now = partial(datetime.now, UTC)
        start = partial(serve, make(), token=token, now=now, port=port, script=script, speed=speed)
        bound: int = await nursery.start(start)
        _say(f"http://{LOOPBACK}:{bound}", token)


def _say(url: str, token: str) -> None:
    click.echo(f"Home Assistant (simulated)  {url}\naccess token                {token}\n")
    click.echo("Point the service at it, in another terminal:")
    at = f"HOMEIQ_INGEST_HOME_ASSISTANT_URL={url} HOMEIQ_INGEST_HOME_ASSISTANT_TOKEN={token}"
    click.echo(f"  {at} {own_command()} run")
    click.echo("or have it ask, and keep the answers:")
    click.echo(f"  {own_command()} init")
    click.echo("End with Ctrl-C.")
