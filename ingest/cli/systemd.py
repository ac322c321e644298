"""`homeiq-ingest systemd`: the service as a unit."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path

import click

from ingest.cli.exits import REFUSED

UNIT = """\
# homeiq-ingest as a systemd service. Install it with:
#   homeiq-ingest systemd unit | sudo tee /etc/systemd/system/homeiq-ingest.service
#   sudo systemctl daemon-reload && sudo systemctl enable --now homeiq-ingest
[Unit]
Description=Stores every state change of Home Assistant
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart={command} run --config {config}
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
    click.echo(
        UNIT.format(command=command, config=config_path.absolute(), user=user or getpass.getuser(), refused=REFUSED),
        nl=False,
    )
