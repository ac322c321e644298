"""What must not grow with the months, and how often a service wakes up in a home where nothing happens."""

from __future__ import annotations

import gc
import os
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from functools import _lru_cache_wrapper
from pathlib import Path

import trio
import trio.lowlevel
from attrs import define, field, frozen


@frozen
class Look:
    """How much there is of everything at one moment: `objects` by type, `held` are the elements of all containers."""

    day: int
    tasks: int
    files: int
    blocks: int
    resident: int
    on_disk: int
    held: int
    objects: Counter[str]


def look(day: int, path: Path) -> Look:
    """Now; at a time at which nothing is under way."""
    empty_caches()
    gc.collect()
    every = gc.get_objects()
    held = sum(len(each) for each in every if type(each) in {dict, list, set})
    return Look(
        day,
        trio.lowlevel.current_statistics().tasks_living,
        len([*Path("/proc/self/fd").iterdir()]),
        sys.getallocatedblocks(),
        int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE"),
        sum(each.stat().st_size for each in path.parent.glob(f"{path.name}*")),
        held,
        Counter(type(each).__qualname__ for each in every),
    )


def empty_caches() -> None:
    """How full a cache is that has a bound is no growth: the simulator's of times takes three days. One without a bound stays."""
    for each in gc.get_objects():
        if type(each) is _lru_cache_wrapper and each.cache_parameters()["maxsize"] is not None:
            each.cache_clear()


def grown(first: Look, last: Look, most: int) -> dict[str, tuple[int, int]]:
    """Of what there are more than `most` more, or a fifth: how many there were, and are."""
    pairs = {name: (first.objects[name], count) for name, count in last.objects.items()}
    return {name: pair for name, pair in pairs.items() if pair[1] - pair[0] > max(most, pair[0] // 5)}


@define(eq=False)
class Wakes(trio.abc.Instrument):
    """How often each task of the service was woken, by its name. Steps at one moment are one."""

    moments: defaultdict[str, set[float]] = field(factory=lambda: defaultdict(set))

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        if _is_ours(task):
            self.moments[task.name].add(trio.current_time())

    def counts(self) -> Counter[str]:
        """How often each."""
        return Counter({name: len(moments) for name, moments in self.moments.items()})

    def together(self) -> int:
        """At how many moments anything of it woke."""
        return len(set[float]().union(*self.moments.values()))


def _is_ours(task: trio.lowlevel.Task) -> bool:
    """Is it of the service, and not of the home, the database or the test?"""
    return any("Year._live" in each.name for each in _line(task))


def _line(task: trio.lowlevel.Task) -> Iterable[trio.lowlevel.Task]:
    while True:
        yield task
        if task.parent_nursery is None:
            return
        task = task.parent_nursery.parent_task
