"""`python -m tests.support.stalling WHAT run …`: homeiq-ingest with something that does not come back after SIGHUP.

`writer`: the delivery to the database; `loop`: the event loop. One step may take a second, not ten minutes.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import Any

ALLOWANCE = 1.0
FOREVER = 3600.0

stalled = threading.Event()


def stalling(write: Callable[..., Any]) -> Callable[..., Any]:
    """The same, until it does not come back."""

    def stalled_write(*given: Any) -> Any:
        if stalled.is_set():
            time.sleep(FOREVER)
        return write(*given)

    return stalled_write


async def stall(_: object) -> None:
    stalled.set()
    if WHAT == "loop":
        time.sleep(FOREVER)  # noqa: ASYNC251  that is the point


if __name__ == "__main__":
    WHAT = sys.argv.pop(1)

    from ingest.cli.main import main
    from ingest.cli.reloading import Reloading
    from ingest.edge.influx_client import Client
    from ingest.runtime import progress

    class Impatient(progress.Progress):
        def look(self, now: float, longest: float) -> tuple[progress.Stuck, ...]:
            self.allowance = ALLOWANCE
            return super().look(now, longest)

    progress.Progress = Impatient  # type: ignore[misc]
    Reloading.signalled = stall  # type: ignore[assignment]
    Client.write = stalling(Client.write)  # type: ignore[method-assign]
    main(prog_name="homeiq-ingest")
