"""`homeiq-ingest prometheus`: what Prometheus is told to read the service, and to warn of."""

from __future__ import annotations

from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import click

from ingest.cli.exits import explained
from ingest.cli.options import configured, loaded
from ingest.cli.service_api import seen_url
from ingest.core.prometheus_rules import rules_yaml, scrape_yaml

_SECTIONS: Final = frozenset({"api"})


@click.group()
def prometheus() -> None:
    """Print what Prometheus needs: alert rules, and how it reads the service."""


@prometheus.command()
def rules() -> None:
    """Print eight alert rules.

    Prometheus takes them, and so does VictoriaMetrics' vmalert.
    """
    click.echo(rules_yaml(), nl=False)


@prometheus.command()
@click.option("--target", metavar="HOST:PORT", help="Where Prometheus sees the service; else by api.host and api.port.")
@configured
def scrape(target: str | None, config_path: Path | None, assignments: tuple[str, ...]) -> None:
    """Print what reads /metrics.

    It is a part of prometheus.yml.
    """
    with explained():
        api = loaded(config_path, assignments, sections=_SECTIONS).settings.api
        where = target or urlsplit(seen_url(api, "--target")).netloc
        click.echo(scrape_yaml(where, guarded=bool(api.token or api.token_file)), nl=False)
