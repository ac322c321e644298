"""Services that come and go beside a real home that changes all the time, and what each of them stored."""

from __future__ import annotations

import faulthandler
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from attrs import define

from tests.faults.proxy import Proxy, proxy
from tests.live import readback
from tests.live.homeassistant import HomeAssistant
from tests.live.lab import tail, wait_for
from tests.live.readback import Row
from tests.live.servers import Database
from tests.live.service import Service, installed, started

MEASUREMENT = "home_assistant_events"

STORES = ("embedded", "influxdb")

QUIET = 3.0
"""Seconds after which the recorder, which commits every second, has written everything down."""


@define
class Kept:
    """A service that comes and goes, and what it stored. `visits` counts the snapshots that it took."""

    service: Service
    read: Callable[[], list[Row]]
    visits: int = 0

    def wait_connected(self) -> None:
        """Wait for one more snapshot."""
        self.visits += 1
        self.service.wait_for("Snapshot", self.visits)

    def unsettled(self) -> list[dict[str, Any]]:
        """The gaps of which something is left to fill, without their spans."""
        left = [gap for gap in self.service.gaps() if gap["state"] in {"open", "filling"}]
        return [{name: value for name, value in gap.items() if name != "spans"} for gap in left]

    def wait_filled(self, seconds: float) -> None:
        """Wait until no gap has anything left to fill; one that was found just now is in the ledger in a moment."""
        time.sleep(2)
        try:
            wait_for(lambda: not self.unsettled(), "every gap is settled", seconds)
        except TimeoutError as late:
            late.add_note(f"{self.unsettled()}\n{tail(self.service.log)}")
            raise


@contextmanager
def _kept(folder: Path, home: HomeAssistant, url: str, database: Database | None, bucket: str) -> Iterator[Kept]:
    installed(folder, home, database, bucket, url)
    read = partial(database.read, bucket, MEASUREMENT) if database else readback.embedded(folder / "home.db")
    one = Kept(started(folder), read)
    try:
        yield one
    finally:
        one.service.stop()


@contextmanager
def two_services(folder: Path, home: HomeAssistant, database: Database) -> Iterator[tuple[Proxy, dict[str, Kept]]]:
    """Two services that store the same home, in the order of `STORES`, and the line between them and it.

    Both have taken their first snapshot. It may take longer than pytest would wait: every wait here has its own deadline.
    """
    faulthandler.cancel_dump_traceback_later()
    bucket = f"gaps-{uuid.uuid4().hex}"
    database.create_bucket(bucket)
    with (
        proxy(home.port) as line,
        _kept(folder / STORES[0], home, line.url, None, "") as embedded,
        _kept(folder / STORES[1], home, line.url, database, bucket) as influxdb,
    ):
        services = dict(zip(STORES, (embedded, influxdb), strict=True))
        wait_connected(services.values())
        yield line, services


def wait_connected(services: Iterable[Kept]) -> None:
    """Wait until each has taken one more snapshot."""
    for one in services:
        one.wait_connected()
