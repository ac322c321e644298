"""Where tasks run together and one fails, all end, and the one telling error is what the caller sees.

This is the only place that takes exception groups apart: a group may hold `Cancelled` beside errors, and each must
arrive where it belongs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_error(*expected: type[Exception]) -> Iterator[None]:
    """Let the first error of the block out as it is, not in a group: a person reads it, and `except` finds it.

    An error of no `expected` type goes first: it must not hide behind the ones that are daily business.
    """
    try:
        yield
    except BaseExceptionGroup as group:
        errors = _leaves(group)
        if any(isinstance(error, KeyboardInterrupt) for error in errors):
            raise KeyboardInterrupt from None  # a person at the terminal: nothing else matters
        if not all(isinstance(error, Exception) for error in errors):
            # Cancelled must reach its scope. A bug goes with it; what is expected while leaving is not worth a word.
            _, rest = group.split(expected)
            raise rest or group from None
    else:
        return
    raise min(errors, key=lambda error: isinstance(error, expected))


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]
