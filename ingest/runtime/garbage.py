"""How often Python's garbage collector looks for cycles.

A frame's values die as soon as their last reference does; none of them is part of a cycle. Python counts the objects
that were made and not yet freed, and at 700 looks through all of them. That is several times a frame, for nothing, and
takes a tenth of the processor time of an event. Cycles are rare here (errors with their tracebacks, sessions that
ended), so the collector looks less often: after 50,000. What the imports made stays until the end and is never looked
at again.

So a cycle may stay for hours, and must hold nothing large. A library that keeps an error in a variable makes one: the
error holds its traceback, the traceback the frames, the frames their variables, and a batch is among them. Every failed
attempt to reach a database left such a batch. Some cycles are not ours to prevent: the tasks of a session that ended
hold the answers of a home, which are megabytes. After those the collector looks at once.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from traceback import clear_frames
from typing import Final

YOUNG: Final = 50_000
"""Objects made and not gone: some megabytes, at most."""


def look_seldom() -> None:
    """From now on; to be called when everything is imported."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 10, 10)


def look_now() -> None:
    """Now; to be called when something large has ended. Nothing where Python looks often by itself."""
    if gc.get_threshold()[0] >= YOUNG:
        gc.collect()


@contextmanager
def letting_go() -> Iterator[None]:
    """What is called in the block ends with it, also by an error: that and what led to it keep no variable of a frame."""
    try:
        yield
    except BaseException as error:
        cause: BaseException | None = error
        while cause is not None:
            clear_frames(cause.__traceback__)
            cause = cause.__cause__ or cause.__context__
        raise
