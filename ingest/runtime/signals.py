"""Asking a process to stop: once politely, twice firmly."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import trio

LAST_WORDS = 0.1
"""Seconds for the last sentence: who reads it may hang as well."""


async def on_stop(first: Callable[[], None], second: Callable[[], None]) -> None:
    """Call `first` at the first SIGTERM or SIGINT, `second` at the next; then return. Main thread only."""
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as arriving:
        await anext(arriving)
        first()
        await anext(arriving)
        second()


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
