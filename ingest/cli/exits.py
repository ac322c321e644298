"""Exit codes, and how an error leaves the process: one sentence, no traceback, unless it is a bug."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from ingest.core.words import LAYOUT, printable
from ingest.edge.journald import marked
from ingest.errors import IngestError, Transient

FAILED = 1
"""Something out of our hands did not work; trying again may help. A bug, too, with its traceback."""

REFUSED = 2
"""A person must act: a wrong option, a wrong configuration, a refused token."""

DEGRADED = 1
"""`status`: nothing is lost, but something waits or is unusual."""

DOUBTFUL = 1
"""`doctor`: it works, and something will be missing one day."""

ILL = 2
"""`doctor`: something is not stored, or will not be."""

UNEXPLAINED = 3
"""`compare`: some differences have no reason. Another code than that of a database that cannot be asked."""

UNHEALTHY = 2
"""`status`: changes are missed or were lost, a person must act, or there is no service."""

GAVE_UP = 75
"""Home Assistant stayed away for longer than home_assistant.max_retries allows."""


@contextmanager
def explained() -> Iterator[None]:
    """Turn the errors that have a remedy into their sentence and an exit code."""
    try:
        yield
    except IngestError as error:
        complain(str(error))
        sys.exit(FAILED if isinstance(error, Transient) else REFUSED)


def complain(sentence: str) -> None:
    """Say on standard error why the process ends."""
    click.echo(marked(f"homeiq-ingest: {printable(sentence, LAYOUT)}", "error"), err=True)
