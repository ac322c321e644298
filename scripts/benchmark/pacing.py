"""The service under so many events a second: how late each is acknowledged, what it costs, how long it waits for a processor."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from math import ceil

from attrs import frozen

from scripts.benchmark.account import Account
from scripts.benchmark.runs import DEADLINE, Load, check, influxdb, serving, settled, stage
from scripts.benchmark.tools import NO_SETTINGS, SERVICE, Settings
from scripts.benchmark.traffic import TOGETHER, chunks

TURN = 0.01
"""Seconds of events that a server which coalesces sends together: what happened in a turn of its loop or two."""


@frozen
class Paced:
    """One run at a pace: `late` are the seconds from when an event was due to its acknowledgement, of every event, in order.

    `busy` and `waited` are the parts of the time in which the process had a processor, and had none though it could run.
    """

    late: Sequence[float]
    busy: float
    waited: float
    micros: float
    peak: int

    def quantile(self, part: float) -> float:
        """The lateness that so large a part of the events keeps, in seconds."""
        return self.late[ceil(part * len(self.late)) - 1]


def together(rate: float) -> int:
    """Events in a frame of a server that coalesces, at this rate."""
    return max(1, min(TOGETHER, round(rate * TURN)))


async def paced(load: Load, rate: float, frame: int, settings: Settings = NO_SETTINGS, after: int = 0) -> Paced:
    """Send the load's events at this rate in frames of `frame`. Raises `Failed` unless every one is stored, once.

    How late the last `after` are is not looked at: after them the rate is another one.
    """
    async with (
        stage(load.entities, seconds=DEADLINE + len(load.stream) / rate) as scene,
        serving(scene, influxdb, SERVICE, settings) as (process, store, account),
    ):
        subscription = await scene.peer.subscribed()
        await scene.peer.send(chunks(load.stream[: load.warm], frame, subscription), account)
        begun, before = await settled(scene, store, account), process.waited()
        await scene.peer.pace(chunks(load.stream[load.warm :], frame, subscription, 1), account, rate)
        ended = await account.rest()
        check(load, store)
        seconds, cpu = ended.seconds - begun.seconds, ended.cpu - begun.cpu
        waited, micros = (process.waited() - before) / seconds, cpu / (ended.events - begun.events) * 1e6
        return Paced(lateness(account, after), cpu / seconds, waited, micros, process.memory()[1])
    raise AssertionError  # pragma: no cover  `stage` raised


def lateness(account: Account, after: int = 0) -> list[float]:
    """How late each event that was sent at a pace was acknowledged, but the last `after`, in seconds, least first.

    They are stored in order.
    """
    counts = [mark.events for mark in account.marks]
    return sorted(
        account.marks[bisect_right(counts, number)].seconds - at
        for numbers, at in account.sendings
        for number in numbers
        if number < account.sent - after
    )
