"""A simulated home with a long past, in a process of its own: `python -m tests.faults.remembering ENTITIES STATES FILE`.

Each of the entities has so many states of the last ten days in the recorder, evenly spread, and nothing more happens to
it. Ten others change four times a second, live. The port is written into FILE.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import trio

from ingest.simulator.history import Row
from ingest.simulator.home import Home
from ingest.simulator.serve import LOOPBACK, listen
from ingest.simulator.server import Server
from ingest.simulator.values import DAY, SECOND, State, encode, micros
from tests.faults.sink import wait_for
from tests.support.homes import TOKEN

DAYS = 10
LIVE = "live_"
CONTEXT = "01ABCDEFGHJKMNPQRSTVWXYZ00"


def remember(home: Home, entities: int, states: int, now: datetime, past: timedelta = timedelta(days=DAYS)) -> None:
    """Give the home a past. The last states are the present ones."""
    home.past.keep = 2 * DAYS * DAY
    start, end = micros(now - past) + 60 * SECOND, micros(now) - 120 * SECOND
    step = (end - start) // states
    for number in range(entities):
        key = f"sensor.import_{number:04}"
        attributes = encode({"unit_of_measurement": "W", "device_class": "power", "friendly_name": key})
        for each in range(states):
            at = start + each * step + number
            home.states[key] = State(key, f"{each * 7 % 997 / 10}", attributes, at, at, CONTEXT)
            home.past.record(key, Row(at, home.states[key]))


async def main(entities: int, states: int, file: Path) -> None:
    now = datetime.now(UTC)
    home = Home(1, 5, now)
    remember(home, entities, states, now)
    server = Server(home, token=TOKEN, now=partial(datetime.now, UTC))
    async with trio.open_nursery() as nursery:
        port = await nursery.start(listen, server, LOOPBACK, 0)
        nursery.start_soon(server.run)
        (part := file.with_suffix(".part")).write_text(str(port), "ascii")
        part.rename(file)
        number = 0
        while True:
            await trio.sleep(0.25)
            number += 1
            change = home.set(f"sensor.{LIVE}{number % 10}", str(number), {}, force=True)
            server.emit([change] if change else [])


@contextmanager
def apart(folder: Path, module: str, *arguments: int) -> Iterator[str]:
    """The address of a home in a process of its own, while the block runs. The module writes its port into a file."""
    file = folder / "port"
    command = [sys.executable, "-m", module, *map(str, arguments), str(file)]
    process = subprocess.Popen(command)
    try:
        wait_for(file.exists, 120)
        yield f"http://{LOOPBACK}:{file.read_text('ascii')}"
    finally:
        process.kill()
        process.wait(10)


def remembering(folder: Path, entities: int, states: int) -> AbstractContextManager[str]:
    """The address of such a home, while the block runs."""
    return apart(folder, "tests.faults.remembering", entities, states)


if __name__ == "__main__":
    trio.run(main, int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
