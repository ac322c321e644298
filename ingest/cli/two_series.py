"""What commands say that have states read again, some of which may be stored."""

from __future__ import annotations

from typing import Final

import click

from ingest.config.settings import Settings

TWO_SERIES: Final = (
    "What is read again carries the tags of today: of an entity that was moved to another area since it was stored (or given"
    " another device or class), InfluxDB keeps both points, in two series."
)


def tell_of_two_series(settings: Settings) -> None:
    """Say it, where the store is one that keeps two points apart by their tags."""
    if settings.store_kind == "influxdb":
        click.echo(TWO_SERIES, err=True)
