"""Having a running service do what a command is for, and showing how far it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TypeVar

import attrs
import click
import trio
from attrs import define, field

from ingest.cli.held import Runs
from ingest.cli.progress import Tell, telling
from ingest.core.control import Progress, Request, read_as
from ingest.edge.control_client import ask as ask_service
from ingest.runtime.supervise import one_error

STARTING: float = 5.0
"""Seconds for a service to take commands: it holds its file before it does, and one that starts has to read it."""

R = TypeVar("R")


def ask(
    service: Runs, command: str, arguments: attrs.AttrsInstance, kind: type[R], *, doing: str, of: str = "{} points"
) -> R:
    """The result of a command that the service does. Raises what it says, or `Runs` when it takes no commands."""
    service.wait(STARTING)
    if service.socket is None:
        remedy = f"If it is only starting, run this again in a moment. Else: {service.remedy}"
        raise Runs(service.what, where=service.where, remedy=remedy)
    request = Request(command, attrs.asdict(arguments))
    with _shown(doing, of) as shown, one_error():
        return read_as(trio.run(partial(ask_service, service.socket, request, shown.tell)), kind)


@define(eq=False)
class _Shown:
    """Progress as it comes: sentences at once, figures when it is not done at once and the total is known."""

    doing: str
    of: str
    stack: ExitStack
    tell_done: Tell | None = field(default=None)

    def tell(self, progress: Progress) -> None:
        if progress.said:
            click.echo(progress.said, err=True)
        if self.tell_done is None and progress.done < progress.total:
            self.tell_done = self.stack.enter_context(telling(self.doing, progress.total, self.of))
        if self.tell_done is not None:
            self.tell_done(progress.done)


@contextmanager
def _shown(doing: str, of: str) -> Iterator[_Shown]:
    with ExitStack() as stack:
        yield _Shown(doing, of, stack)
