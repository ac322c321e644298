from __future__ import annotations

import errno
import io
import logging

import pytest
import trio
import trio.testing

from ingest.core.reports import Report
from ingest.edge.accepting import accepting
from ingest.edge.journal import open_journal


class Full(trio.abc.Listener[trio.SocketStream]):
    """A listener of a process that has no file descriptor left."""

    def __init__(self, code: int) -> None:
        self.code = code

    async def accept(self) -> trio.SocketStream:
        raise OSError(self.code, "no")

    async def aclose(self) -> None:
        """Nothing is open."""


async def nobody(stream: trio.SocketStream) -> None:
    raise AssertionError(stream)


async def listen(code: int, seconds: float) -> None:
    with trio.move_on_after(seconds):
        await trio.serve_listeners(nobody, [Full(code)])


@pytest.mark.parametrize(
    ("code", "todo"),
    [(errno.EMFILE, "LimitNOFILE="), (errno.ENFILE, "fs.file-max"), (errno.ENOMEM, "Free some memory.")],
)
async def test_hours_without_file_descriptors_are_a_line_every_ten_minutes(
    autojump_clock: trio.testing.MockClock, capfd: pytest.CaptureFixture[str], code: int, todo: str
) -> None:
    out = io.StringIO()
    with accepting(open_journal("info", "json", out, clock=trio.current_time, environ={})):
        await listen(code, 1_800)
    lines = out.getvalue().splitlines()
    assert len(lines) == 3
    assert all("new connections to this service wait" in line and todo in line for line in lines)
    assert capfd.readouterr() == ("", "")


def test_what_trio_says_in_other_words_is_a_sentence_too() -> None:
    told: list[Report] = []
    with accepting(told.append):
        logging.getLogger("trio.serve_listeners").error("something %d", 7)
    assert [each.text() for each in told] == [
        "new connections to this service wait, everything else goes on: something 7."
    ]


def test_afterwards_the_logger_is_as_it_was() -> None:
    logger = logging.getLogger("trio.serve_listeners")
    before = logger.handlers[:], logger.propagate
    with accepting(lambda report: None):
        pass
    assert (logger.handlers, logger.propagate) == before
