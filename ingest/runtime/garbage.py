"""How often Python looks for garbage that refers to itself.

A frame's values die as soon as their last reference does; none of them is part of a cycle. Python counts what is made and
not yet gone, and at 700 looks through all of it: several times a frame, for nothing, a tenth of the processor time of an
event. Cycles are rare here (errors with their tracebacks, sessions that ended), so it looks less often: after 50,000.
What the imports made stays until the end and is looked at no more.

So a cycle may stay for hours, and must hold nothing large. A library that keeps an error in a variable makes one: the error
has its traceback, that the frames, and they their variables, a batch among them. Every attempt in vain to reach a database
was such a batch. Where it is not ours to prevent, as with the tasks of a session that ended, which hold the answers of a home,
megabytes of them, it looks at once.
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
