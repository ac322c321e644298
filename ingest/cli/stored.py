"""Which embedded store a command reads: `--db FILE`, else the configured one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from ingest.cli.moments import shown
from ingest.cli.options import configured
from ingest.cli.own_file import OwnFile
from ingest.edge.database_file import is_there
from ingest.edge.embedded_read import Reader, open_store
from ingest.errors import Refused

ASIDE: Final = "This configuration stores in InfluxDB"
NAME_ONE: Final = "Ask InfluxDB for what is stored, or name a file with --db FILE."

F = TypeVar("F", bound=Callable[..., Any])

db_option = click.option(
    "--db", type=click.Path(path_type=Path, dir_okay=False), help="The store's file (else the configured one)."
)
since_option = click.option("--since", metavar="TIME", help="Since when: 90s, 5m, 2h, 1d, 1w, or 2026-11-20T08:00.")
until_option = click.option("--until", metavar="TIME", help="Until when; the same forms.")


def reading(function: F) -> F:
    """Give a command `--db`, `--since`, `--until`, `--config` and `--set`."""
    return db_option(since_option(until_option(configured(function))))


@contextmanager
def store_read(own: OwnFile) -> Iterator[Reader]:
    """Read it for the time of a block.

    Raises as `open_store`, and `Refused` when it holds nothing and a running service has another one.
    """
    if not is_there(own.path):
        own.look_elsewhere()
        if own.aside:
            raise Refused(f"{ASIDE}, and there is no embedded store", where=str(own.path), remedy=NAME_ONE)
    with open_store(own.path) as reader:
        if (newest_ns := reader.newest_ns) is None:
            own.look_elsewhere()
        if own.aside:
            until = "holds nothing" if newest_ns is None else f"goes until {shown(newest_ns)}"
            click.echo(f"{ASIDE}. This is the embedded store {own.path}, which {until}.", err=True)
        with own.telling():
            yield reader
