"""Asking a process to stop: once politely, twice firmly."""

from __future__ import annotations

import signal
from collections.abc import Callable

import trio


async def on_stop(first: Callable[[], None], second: Callable[[], None]) -> None:
    """Call `first` at the first SIGTERM or SIGINT, `second` at the next; then return. Main thread only."""
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as arriving:
        await anext(arriving)
        first()
        await anext(arriving)
        second()
