"""Running stages together: when one fails, all end, and the one real error is what the caller sees.

The only place with `except*`: a group may hold `Cancelled` beside the error that caused it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio

Stage = Callable[[], Awaitable[None]]


async def run_together(**stages: Stage) -> None:
    """Run every stage as a task of that name, until all have ended.

    Raises the first error of a stage as it is, not in a group: a person reads it, and `except` finds it.
    """
    failures: list[BaseException] = []
    try:
        async with trio.open_nursery() as nursery:
            for name, stage in stages.items():
                nursery.start_soon(stage, name=name)
    except* Exception as group:  # noqa: BLE001  passed on below, unwrapped
        failures.extend(_leaves(group))
    if failures:
        raise failures[0]


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]
