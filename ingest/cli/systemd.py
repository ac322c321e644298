"""`homeiq-ingest systemd`: the service as a unit."""

from __future__ import annotations

import getpass
import os
import pwd
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from ingest.cli.exits import REFUSED
from ingest.cli.own_name import own_command

UNIT = """\
# homeiq-ingest as a systemd service. Install it with:
#   {again} | sudo tee /etc/systemd/system/homeiq-ingest.service
#   sudo systemctl daemon-reload && sudo systemctl enable --now homeiq-ingest
# It reads {config}, which {user} must be able to read, and the token files
# that it names. One that `init` wrote elsewhere comes there with:
#   sudo install -D -o {user} -m 600 ~/.config/homeiq-ingest/config.toml {config}
# Its files are in /var/lib/homeiq-ingest.
[Unit]
Description=Stores every state change of Home Assistant
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart={command} run --config {config}
ExecReload={command} reload --config {config}
User={user}
StateDirectory=homeiq-ingest
StateDirectoryMode=0700
RuntimeDirectory=homeiq-ingest
RuntimeDirectoryMode=0700
UMask=0077
Restart=on-failure
RestartSec=5
# A configuration that only a person can mend is not tried again and again.
RestartPreventExitStatus={refused}
# The service itself is out within 5 s of SIGTERM, whatever the database does.
TimeoutStopSec=15
NoNewPrivileges=yes

[Install]
WantedBy=multi-user.target
"""


@click.group()
def systemd() -> None:
    """Run the service under systemd."""


@systemd.command()
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("/etc/homeiq-ingest/config.toml"),
    show_default=True,
    help="The configuration that the service reads.",
)
@click.option("--user", help="The user that it runs as; you, when it is not given.")
def unit(config_path: Path, user: str | None) -> None:
    """Print a unit file for the program as it is installed here."""
    script = Path(sys.executable).with_name("homeiq-ingest")
    command = str(script) if script.exists() else f"{sys.executable} -m ingest"
    config, runs_as = config_path.absolute(), user or getpass.getuser()
    for warning in _warnings(runs_as, Path(command.partition(" ")[0]), config):
        click.echo(f"warning: {warning}", err=True)
    again = f"{own_command()} systemd unit --config {shlex.quote(str(config))} --user {shlex.quote(runs_as)}"
    click.echo(UNIT.format(again=again, command=command, config=config, user=runs_as, refused=REFUSED), nl=False)


def _warnings(user: str, program: Path, config: Path) -> Iterator[str]:
    make = f"sudo useradd --system --no-create-home {user if user != 'root' else 'homeiq-ingest'}"
    if user == "root":
        yield f"the service would run as root; give it a user of its own: {make}, then --user homeiq-ingest"
    elif not _is_known(user):
        yield f"there is no user {user} on this machine; make it: {make}"
    if any(program.is_relative_to(home) for home in (Path("/home"), Path("/root"), Path.home())):
        yield f"{program} lies in a home folder: {user} must be able to run it there, and it must stay there"
    elif any((folder / "pyproject.toml").exists() for folder in program.parents):
        yield f"{program} lies in a checkout, which must stay where it is"
    if not os.path.lexists(config):
        yield f"there is no {config} yet; the head of the unit says how it comes there"


def _is_known(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True
