"""A tap: a place on a stream where observers may listen.

Observers are called with what passes, in the same step. Nothing waits for them, and nothing that they do reaches the
stream: an observer that raises is reported once, and removed. Without observers the tap costs the stream one test. An
observer that cannot keep up has a bounded queue of its own, behind its call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeAlias, TypeVar

T = TypeVar("T")

Hear: TypeAlias = Callable[[T], None]


class Tap(Generic[T]):
    """True while somebody looks on. `failed` is told of the error of a listener, which hears no more."""

    def __init__(self, failed: Callable[[Exception], None]) -> None:
        self._failed = failed
        self._listeners: tuple[Hear[T], ...] = ()

    def __bool__(self) -> bool:
        return bool(self._listeners)

    def add(self, hear: Hear[T]) -> None:
        """From now on `hear` is called with everything that passes."""
        self._listeners = (*self._listeners, hear)

    def remove(self, hear: Hear[T]) -> None:
        """From now on `hear` is called no more; who was never added is nothing."""
        self._listeners = tuple(each for each in self._listeners if each != hear)

    @contextmanager
    def heard(self, hear: Hear[T]) -> Iterator[None]:
        """`hear` is called while the block runs."""
        self.add(hear)
        try:
            yield
        finally:
            self.remove(hear)

    def tell(self, value: T) -> None:
        """Call everybody who looks on, in this step. Never raises: whose call breaks is left out and told of."""
        for hear in self._listeners:
            try:
                hear(value)
            except Exception as error:  # noqa: BLE001  who looks on must not end what is looked at
                self.remove(hear)
                self._failed(error)
