"""Asking a process to stop: once politely, twice firmly."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import trio

AGAIN = signal.SIGHUP
"""Asks for the configuration to be read again; also what comes when a terminal is closed."""

TERMINAL = "/dev/tty"

LAST_WORDS = 0.1
"""Seconds for the last sentence: who reads it may hang as well."""


ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What ends a command: Ctrl-C, a shutdown, a connection that is cut."""


@contextmanager
def interrupted() -> Iterator[None]:
    """Within the block each of `ENDING` raises `KeyboardInterrupt`: what is half done can be undone. Main thread only."""
    with _handled(signal.default_int_handler):
        yield


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Within the block none of `ENDING` ends us, nor the programs that we start. Main thread only."""
    with _handled(signal.SIG_IGN):
        yield


@contextmanager
def _handled(how: Any) -> Iterator[None]:
    """What somebody ignores already, as nohup does, stays ignored."""
    before = {each: signal.getsignal(each) for each in ENDING}
    changed = {each: known for each, known in before.items() if known is not signal.SIG_IGN}
    try:
        for each in changed:
            signal.signal(each, how)
        yield
    finally:
        for each, known in changed.items():
            signal.signal(each, known or signal.SIG_DFL)


async def on_stop(first: Callable[[], None], second: Callable[[], None]) -> None:
    """Call `first` at the first SIGTERM or SIGINT, `second` at the next; then return. Main thread only."""
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as arriving:
        await anext(arriving)
        first()
        await anext(arriving)
        second()


async def on_reload(again: Callable[[], Awaitable[None]], left: Callable[[], None]) -> None:
    """Call `again` at each SIGHUP, for ever; `left` when it comes because the terminal was closed. Main thread only."""
    had_terminal = has_terminal()
    with trio.open_signal_receiver(AGAIN) as arriving:
        async for _ in arriving:
            if had_terminal and not has_terminal():
                left()
            else:
                await again()


def has_terminal() -> bool:
    """True when somebody's terminal controls this process."""
    try:
        os.close(os.open(TERMINAL, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


@contextmanager
def at_the_latest(seconds: float, say: Callable[[], None], code: int) -> Iterator[Callable[[], None]]:
    """The last resort: so many seconds after its call, what this yields ends the process, unless the block has ended.

    A thread of its own does it, for the case that even the event loop hangs in a system call.
    """

    def end() -> None:
        threading.Thread(target=say, daemon=True).start()
        if not ended.wait(LAST_WORDS):
            os._exit(code)

    ended, timer = threading.Event(), threading.Timer(seconds - LAST_WORDS, end)
    timer.daemon = True
    try:
        yield timer.start
    finally:
        ended.set()
        timer.cancel()
