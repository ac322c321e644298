"""`homeiq-ingest systemd`: the service as a unit."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ingest.cli.exits import explained
from ingest.cli.systemd_places import Places
from ingest.cli.systemd_unit import MEMORY, unit_text
from ingest.config.files import FOLDER_REMEDY, SYSTEM_FILE
from ingest.edge.database_file import is_there
from ingest.errors import Refused

if TYPE_CHECKING:
    from ingest.cli.systemd_machine import Machine

F = TypeVar("F", bound=Callable[..., Any])

_file = click.Path(path_type=Path, dir_okay=False)
_dry_run = click.option("--dry-run", is_flag=True, help="Print every file and command; change nothing.")
_python = click.option("--python", type=_file, help="The Python to run it with; by default the best of the system's.")
_memory = click.option(
    "--memory",
    type=click.IntRange(128),
    metavar="MIB",
    help=f"Memory limit in MiB; default {MEMORY}, or as installed before.",
)


@click.group()
def systemd() -> None:
    """Run the service under systemd: install it, upgrade it, remove it."""


@systemd.command()
@click.option(
    "--config",
    "config_path",
    type=_file,
    help="The configuration to install; by default the one in /etc, or else yours, or root's.",
)
@click.option("--force", is_flag=True, help="Replace a configuration that is installed and differs.")
@click.option("--state", type=_file, help="A state file (spool.path) of an earlier run to bring along.")
@click.option("--store", type=_file, help="An embedded store (embedded.path) of an earlier run to bring along.")
@click.option("--fresh", is_flag=True, help="Bring nothing along of what was stored with the configuration so far.")
@click.option("--no-start", is_flag=True, help="Do not start it yet.")
@_memory
@_python
@_dry_run
def install(  # noqa: PLR0917  options
    config_path: Path | None,
    force: bool,
    state: Path | None,
    store: Path | None,
    fresh: bool,
    no_start: bool,
    memory: int | None,
    python: Path | None,
    dry_run: bool,
) -> None:
    """Install this program as a systemd service, and start it. Needs root.

    The program gets an environment of its own below /opt/homeiq-ingest, the configuration goes to /etc/homeiq-ingest with its
    tokens in files owned by root, data is in /var/lib/homeiq-ingest. What was stored with the configuration so far is copied
    there, as long as there is nothing yet. It asks nothing; what is already in place stays as it is.
    """
    from ingest.cli.systemd_install import Wanted  # noqa: PLC0415
    from ingest.cli.systemd_install import install as do  # noqa: PLC0415

    if fresh and (state or store):
        raise click.UsageError("--fresh takes nothing along: leave it away, or --state and --store.")
    with explained(), _alone(dry_run) as machine:
        do(machine, Wanted(config_path, force, python, memory, not no_start, state, store, fresh))


@systemd.command()
@click.option("--roll-back", is_flag=True, help="Run the version before the last upgrade again.")
@_python
@_dry_run
def upgrade(roll_back: bool, python: Path | None, dry_run: bool) -> None:
    """Have the service run this program instead of the version that is installed. Needs root.

    Run it from the newer package. The new version is built beside the old one and tried with the configuration; when it
    does not come up, or does not stay up, the old one runs again. The version before is kept for --roll-back.
    """
    from ingest.cli import systemd_upgrade  # noqa: PLC0415

    with explained(), _alone(dry_run) as machine:
        if roll_back:
            systemd_upgrade.roll_back(machine)
        else:
            systemd_upgrade.upgrade_to_this(machine, python)


@systemd.command()
@click.option("--purge", is_flag=True, help="Also remove its configuration, its tokens and everything it stored here.")
@click.option("--yes", is_flag=True, help="Do not ask whether to purge.")
@_dry_run
def uninstall(purge: bool, yes: bool, dry_run: bool) -> None:
    """Stop the service and remove it; its configuration and its data stay. Needs root."""
    from ingest.cli.systemd_uninstall import uninstall as do  # noqa: PLC0415

    with explained(), _alone(dry_run) as machine:
        if purge and not yes and not dry_run:
            _confirm()
        do(machine, purge=purge)


@systemd.command()
@click.option("--config", "config_path", type=_file, default=SYSTEM_FILE, show_default=True, help="What it reads.")
@click.option("--program", type=_file, default=Places().command, show_default=True, help="What it runs.")
@_memory
def unit(config_path: Path, program: Path, memory: int | None) -> None:
    """Print the unit file, as `install` writes it."""
    from ingest.cli.systemd_config import credentials  # noqa: PLC0415

    with explained():
        config = config_path.absolute()
        named = credentials(config) if is_there(config, FOLDER_REMEDY) else {}
        for warning in _warnings(program, config):
            click.echo(f"warning: {warning}", err=True)
        click.echo(unit_text(program.absolute(), config, named, memory or MEMORY), nl=False)


def _confirm() -> None:
    """Raises `Refused` where nobody sits there who could be asked: years of history may be in it."""
    if not sys.stdin.isatty():
        raise Refused("there is no terminal to confirm the purge on", remedy="Add --yes to purge all the same.")
    click.confirm("Remove the configuration, its tokens and everything stored here?", abort=True)


@contextmanager
def _alone(dry_run: bool) -> Iterator[Machine]:
    from ingest.cli import systemd_machine  # noqa: PLC0415
    from ingest.cli.systemd_steps import Steps  # noqa: PLC0415

    machine = systemd_machine.Machine(Steps(dry_run))
    with machine.alone():
        yield machine


def _warnings(program: Path, config: Path) -> Iterator[str]:
    from ingest.edge.interpreters import HIDDEN  # noqa: PLC0415

    for path in (program, config):
        if not is_there(path, FOLDER_REMEDY):
            yield f"there is no {path} yet: `homeiq-ingest systemd install` makes it"
        elif any(path.absolute().is_relative_to(each) for each in HIDDEN):
            yield f"{path} is where the service cannot see it: `homeiq-ingest systemd install` copies it to where it does"
