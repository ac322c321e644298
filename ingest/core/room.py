"""Bounds of what is remembered of each entity: a home of any size, and one that makes new entities for years."""

from __future__ import annotations

from typing import Any, Final

ENTITIES: Final = 100_000
"""Entities of which anything is remembered at most; the largest known home has 41,000."""


def make_room(remembered: dict[Any, Any], most: int) -> None:
    """Forget what came first, where one more would be more than `most`. Call it before a new key is put."""
    if len(remembered) >= most:
        del remembered[next(iter(remembered))]
