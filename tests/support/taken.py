"""What is in a link, without waiting: for tests that look once a stage has ended."""

from __future__ import annotations

from typing import TypeVar

from ingest.runtime.link import Link

T = TypeVar("T")


def taken(link: Link[T]) -> T | None:
    """The next frame, when one is there; who waits for room is woken."""
    return link._pop() if link._queue else None


def drained(link: Link[T]) -> list[T]:
    """Every frame."""
    return [link._pop() for _ in range(len(link._queue))]
