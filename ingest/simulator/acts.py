"""What may happen to an entity. Behaviours yield acts in the order of their times; the home makes changes of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from random import Random
from typing import Any, NamedTuple

from ingest.simulator.values import SECOND

MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
NOTHING: Mapping[str, Any] = {}


class Do(Enum):
    """What an act of the home does to its entity or registry."""

    SET = "set"
    LOSE = "lose"
    """The entity becomes unavailable; what it does meanwhile shows when it is found again."""
    FIND = "find"
    REMOVE = "remove"


class Act(NamedTuple):
    """One act at a time in microseconds. `state` None keeps the state; `moving` holds the attributes that move."""

    at: int
    entity_id: str
    state: str | None = None
    moving: Mapping[str, Any] = NOTHING
    do: Do = Do.SET


def jitter(random: Random, at: int, seconds: float = 1.0) -> int:
    """Return a time up to `seconds` after `at`: nothing in a home happens on the second."""
    return at + random.randrange(1, max(2, int(seconds * SECOND)))


def in_order(acts: Iterable[Act]) -> list[Act]:
    """Sort by time, keeping the order of what happens at once."""
    return sorted(acts, key=lambda act: act.at)
