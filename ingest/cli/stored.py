"""Which embedded store a command reads: `--db FILE`, else the configured one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from ingest.cli.options import configured, loaded

F = TypeVar("F", bound=Callable[..., Any])

db_option = click.option(
    "--db", type=click.Path(path_type=Path, dir_okay=False), help="The store's file (else the configured one)."
)
since_option = click.option("--since", metavar="TIME", help="From then on: 90s, 5m, 2h, 1d, 1w, or 2026-11-20T08:00.")
until_option = click.option("--until", metavar="TIME", help="Before then; the same forms.")


def reading(function: F) -> F:
    """Give a command `--db`, `--since`, `--until`, `--config` and `--set`."""
    return db_option(since_option(until_option(configured(function))))


def store_path(db: Path | None, config_path: Path | None, assignments: tuple[str, ...]) -> Path:
    """The file. Raises `Problems` when it is not named and the configuration cannot be read."""
    return db or loaded(config_path, assignments).settings.embedded.path
