"""A simulated home with years of statistics, in a process of its own: `python -m tests.faults.hours ENTITIES HOURS FILE`.

Each of the entities has a mean, a least and a greatest value of each of the last so many hours that are over. They are
made when they are asked for, so that the home is not what an import waits for. The port is written into FILE.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import trio
from attrs import define

from ingest.simulator.home import Home
from ingest.simulator.recorder import Recorder
from ingest.simulator.serve import LOOPBACK, listen
from ingest.simulator.server import Server
from ingest.simulator.statistics import HOUR, Answer, Hours
from ingest.simulator.values import State, encode, micros
from tests.faults.remembering import CONTEXT, apart
from tests.support.homes import TOKEN

PREFIX = "sensor.years_"


def value(key: str, hour: int) -> float:
    """The mean of an hour, which is a number of hours since 1970."""
    return (hour * 7 + int(key.removeprefix(PREFIX))) % 997 / 8


def hours(key: str, begin: int, end: int) -> list[Mapping[str, Any]]:
    """What a statistic says of hours."""
    means = ((each, value(key, each)) for each in range(begin, end))
    return [
        {"start": each * HOUR // 1000, "end": (each + 1) * HOUR // 1000, "mean": mean, "min": mean - 1, "max": mean + 1}
        for each, mean in means
    ]


@define
class Years(Recorder):
    """Has the last `count` hours of every statistic."""

    count: int = 0

    def hours(self, asked: Hours) -> Answer:
        """Make them."""
        over = self.home.present() // HOUR
        begin, end = max(-(-asked.start // HOUR), over - self.count), min(-(-asked.end // HOUR), over)
        return {each: hours(each, begin, end) for each in asked.statistic_ids if begin < end}


async def main(entities: int, count: int, file: Path) -> None:
    now = datetime.now(UTC)
    home = Home(1, 5, now, history=timedelta(0))
    for number in range(entities):
        key = f"{PREFIX}{number:04}"
        attributes = encode({"state_class": "measurement", "unit_of_measurement": "W", "friendly_name": key})
        home.states[key] = State(key, "1", attributes, micros(now), micros(now), CONTEXT)
    server = Server(home, token=TOKEN, now=partial(datetime.now, UTC))
    server.instance.recorder = Years(home, count=count)
    async with trio.open_nursery() as nursery:
        port = await nursery.start(listen, server, LOOPBACK, 0)
        (part := file.with_suffix(".part")).write_text(str(port), "ascii")
        part.rename(file)
        await server.run()


def remembering_hours(folder: Path, entities: int, count: int) -> AbstractContextManager[str]:
    """The address of such a home, while the block runs."""
    return apart(folder, "tests.faults.hours", entities, count)


if __name__ == "__main__":
    trio.run(main, int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
