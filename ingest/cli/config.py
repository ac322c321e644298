"""`homeiq-ingest config`: is the configuration good, and what is in effect."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import click
import trio

from ingest.cli.exits import REFUSED, explained
from ingest.cli.options import configured, loaded
from ingest.config.load import Loaded, Secrets
from ingest.config.show import as_json, as_table, as_toml
from ingest.errors import IngestError, Problems

_FORMATS: Final = {"table": as_table, "toml": as_toml, "json": as_json}


@click.group()
def config() -> None:
    """Check the configuration, or show what is in effect."""


@config.command()
@configured
@click.option(
    "--connect", is_flag=True, help="Also ask Home Assistant, the database and data-api, as the service would."
)
def check(config_path: Path | None, assignments: tuple[str, ...], *, connect: bool) -> None:
    """Name every problem of the configuration; exit code 2 when there is one."""
    found = _read(config_path, assignments, for_running=True)
    source = f"file {found.file}" if found.file else "no file; defaults, environment and command line"
    click.echo(f"The configuration is good ({source}).")
    if connect and not _connects(found):
        sys.exit(REFUSED)


def _connects(found: Loaded) -> bool:
    """Ask every end and say what it answered; False when one of them would not do."""
    from ingest.cli.checks import every_end  # noqa: PLC0415  imports the network

    good = True
    for name, answer in trio.run(every_end, found.settings):
        click.echo(f"{name}: {answer}", err=isinstance(answer, IngestError))
        good = good and not isinstance(answer, IngestError)
    return good


@config.command()
@configured
@click.option(
    "--format", "form", type=click.Choice(list(_FORMATS)), default="table", show_default=True, help="How to print it."
)
def show(config_path: Path | None, assignments: tuple[str, ...], form: str) -> None:
    """Print every setting and where it came from, secrets masked. Those in files that you may not read are left out."""
    click.echo(_FORMATS[form](_read(config_path, assignments, for_running=False, secrets="readable")))


def _read(
    config_path: Path | None, assignments: tuple[str, ...], *, for_running: bool, secrets: Secrets = "needed"
) -> Loaded:
    """The configuration, its warnings printed; or all of its problems, a line each, and the end of the process."""
    with explained():
        try:
            found = loaded(config_path, assignments, for_running=for_running, secrets=secrets)
        except Problems as error:
            _say("error", error.problems)
            sys.exit(REFUSED)
    _say("warning", found.warnings)
    return found


def _say(kind: str, sentences: tuple[str, ...]) -> None:
    for sentence in sentences:
        click.echo(f"{kind}: {sentence}", err=True)
