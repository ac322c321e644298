"""Running stages together: when one fails, all end, and the one telling error is what the caller sees.

The only place with `except*`: a group may hold `Cancelled` beside the error that caused it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import trio

Stage = Callable[[], Awaitable[None]]


async def run_together(**stages: Stage) -> None:
    """Run every stage as a task of that name, until all have ended. Raises as `one_error` does."""
    with one_error():
        async with trio.open_nursery() as nursery:
            for name, stage in stages.items():
                nursery.start_soon(stage, name=name)


@contextmanager
def one_error(*expected: type[Exception]) -> Iterator[None]:
    """Let the first error of the block out as it is, not in a group: a person reads it, and `except` finds it.

    An error of no `expected` type goes first: it must not hide behind the ones that are daily business.
    """
    failures: list[BaseException] = []
    try:
        yield
    except* Exception as group:  # noqa: BLE001  passed on below, unwrapped
        failures.extend(_leaves(group))
    if failures:
        raise min(failures, key=lambda error: isinstance(error, expected))


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]
