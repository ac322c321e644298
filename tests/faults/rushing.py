"""A home in which very much happens, in a process of its own: `python -m tests.faults.rushing PORT PER_SECOND`."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from functools import partial

import trio

from ingest.simulator.home import Home
from ingest.simulator.serve import LOOPBACK, listen
from ingest.simulator.server import Server
from ingest.simulator.values import Change
from tests.support.homes import TOKEN

EVERY = 0.025
ENTITIES = 1000


async def main(port: int, per_second: int) -> None:
    """Everything happens now, as in a real home: what comes late was late on its way."""
    server = Server(Home(1, 60, datetime.now(UTC)), token=TOKEN, now=partial(datetime.now, UTC))
    async with trio.open_nursery() as nursery:
        await nursery.start(listen, server, LOOPBACK, port)
        nursery.start_soon(server.run)
        while not server.clients("live"):  # noqa: ASYNC110  who listens has no event
            await trio.sleep(0.05)
        made, begun = 0, time.monotonic()
        while True:
            due = int((time.monotonic() - begun) * per_second)
            server.emit([change(server, number) for number in range(made, min(due, made + 1000))])
            made = due
            await trio.sleep(EVERY)


def change(server: Server, number: int) -> Change:
    """One of its sensors has another value."""
    key = f"sensor.rushing_{number % ENTITIES:04}_power"
    attributes = {
        "state_class": "measurement",
        "unit_of_measurement": "W",
        "device_class": "power",
        "friendly_name": f"Rushing {number % ENTITIES} power",
    }
    made = server.home.set(key, f"{number / 10}", attributes, force=True)
    assert made is not None
    return made


if __name__ == "__main__":
    trio.run(main, int(sys.argv[1]), int(sys.argv[2]))
