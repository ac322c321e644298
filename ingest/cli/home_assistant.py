"""`homeiq-ingest home-assistant`: what Home Assistant needs to watch the service."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import click

from ingest.cli.exits import explained
from ingest.cli.options import configured, loaded
from ingest.cli.service_api import seen_url
from ingest.core.home_assistant_package import package as packaged

_SECTIONS: Final = frozenset({"api"})
_ADDRESS: Final = r"https?://[\w.~%:\[\]-]+(/[\w.~%/-]*)?"
"""It stands in YAML and in a template of Home Assistant's: nothing in it may mean something there."""


@click.group("home-assistant")
def home_assistant() -> None:
    """Print what Home Assistant needs to watch this service."""


@home_assistant.command()
@click.option("--url", metavar="URL", help="Where Home Assistant sees the service; else by api.host and api.port.")
@configured
def package(url: str | None, config_path: Path | None, assignments: tuple[str, ...]) -> None:
    """Print a package that watches the service.

    It has sensors of the service, one of whether it has a problem, and notifications.
    """
    with explained():
        if url is not None and not re.fullmatch(_ADDRESS, url):
            raise click.BadParameter(f"{url!r} is not an address such as http://host:8001", param_hint="--url")
        api = loaded(config_path, assignments, sections=_SECTIONS).settings.api
        click.echo(packaged((url or seen_url(api, "--url")).rstrip("/")), nl=False)
