"""A command's end of a control connection."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import trio

from ingest.core.control import Progress, Request, line, read_answer
from ingest.edge.control import Gone, Lines
from ingest.edge.control_socket import address
from ingest.errors import IngestError, Refused, Transient

PATIENCE: Final = 5.0
"""Seconds for being let in, and for the request to be taken."""

SILENCE: Final = 30.0
"""Seconds without a word after which the service is not working on it: it says every five that it is."""


async def ask(path: Path, request: Request, tell: Callable[[Progress], None]) -> Mapping[str, Any]:
    """Have a running service do something; returns its result. Raises what the service raised, or `Transient`."""
    async with await _reached(path) as stream:
        try:
            with trio.fail_after(PATIENCE):
                await stream.send_all(line(request))
        except (trio.BrokenResourceError, trio.TooSlowError) as error:
            raise _left(path) from error
        return await converse(stream, tell, path)


async def converse(stream: trio.abc.ReceiveStream, tell: Callable[[Progress], None], path: Path) -> Mapping[str, Any]:
    """Hear what the service at `path` says until it has answered.

    Raises the error that the service answers with, or `Transient` when it goes first.
    """
    lines = Lines(stream)
    while True:
        try:
            with trio.fail_after(SILENCE):
                found = read_answer(await lines.next())
        except (Gone, trio.TooSlowError) as error:
            raise _left(path) from error
        if found.error is not None:
            raise found.error.error()
        if found.done is not None:
            return found.done
        if found.progress is not None:
            tell(found.progress)


async def _reached(path: Path) -> trio.SocketStream:
    try:
        with trio.fail_after(PATIENCE), address(path) as where:
            return await trio.open_unix_socket(where)
    except PermissionError as error:
        remedy = "Run this as the service's user or with sudo."
        raise Refused("you may not speak to the running service", where=str(path), remedy=remedy) from error
    except (OSError, trio.TooSlowError) as error:
        what = "a running service holds the state file, and does not answer on its control socket"
        raise Refused(what, where=str(path), remedy="Stop it, run this again, then start it.") from error


def _left(path: Path) -> IngestError:
    remedy = "Look at its log, and run this again: what was done is not done twice."
    return Transient("the service left before it was done", where=str(path), remedy=remedy)
