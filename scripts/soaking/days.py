"""What happens when: the days and weeks of a long time, compressed.

Each day Home Assistant restarts. In each week the database is out twice, the network is cut, a device moves to another room
and the configuration is read again. The service itself ends every day of the first third, by turns asked to and killed;
after that it lives to the end, because growth shows in a long life and start-ups are compared over several short ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from attrs import frozen

What = Literal["restart", "stop", "kill", "outage", "cut", "move", "reload"]

WEEK: dict[int, tuple[What, ...]] = {
    0: ("outage", "move"),
    1: ("cut",),
    2: ("reload",),
    3: ("outage",),
    4: ("move", "cut"),
}
"""Beside the restarts, by the day of a week of five days."""

LAST = 0.9
"""The part of the time after which nothing happens any more."""


@frozen
class Act:
    """Something that happens, seconds after the start."""

    at: float
    what: What


def acts(seconds: float, day: float) -> list[Act]:
    """Everything that happens in a soak of so many seconds, in its order. `day`: the seconds of a day of it."""
    return sorted((each for each in _acts(seconds, day) if each.at < seconds * LAST), key=lambda act: act.at)


def _acts(seconds: float, day: float) -> Iterator[Act]:
    for number in range(int(seconds // day)):
        begin = number * day
        yield Act(begin + day * 0.3, "restart")
        for place, what in enumerate(WEEK[number % len(WEEK)]):
            yield Act(begin + day * (0.5 + 0.1 * place), what)
        if begin + day <= long_life(seconds, day):
            yield Act(begin + day * 0.6, "kill" if number % 2 else "stop")


def long_life(seconds: float, day: float) -> float:
    """When the last life has certainly begun."""
    return max(day, seconds / 3)
