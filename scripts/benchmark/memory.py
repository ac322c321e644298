"""Where the megabytes go: what the imports alone weigh, and what a home of so many entities adds."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

import trio
from attrs import frozen

from scripts.benchmark.runs import Opener, serving, stage
from scripts.benchmark.stores import LOOK
from scripts.benchmark.traffic import TOGETHER, chunks, events

LIVE = 10_000
"""Events that follow the snapshot, so that what live data needs is there too."""

SETTLING = 3.0
"""Seconds until what is settled is settled."""

IMPORTS = (
    ("Python", "sys"),
    ("attrs, msgspec, click", "attrs, msgspec, click"),
    ("trio", "trio"),
    ("trio-websocket", "trio_websocket"),
    ("structlog, without rich; reports", "ingest.edge.journal"),
    ("the service, its configuration", "ingest.cli.run, ingest.cli.service"),
    ("embedded store, sqlite3", "ingest.edge.embedded"),
    ("the API: starlette, prometheus-client", "ingest.web.site"),
    ("hypercorn, h2", "hypercorn.config, hypercorn.app_wrappers, hypercorn.trio.tcp_server"),
    ("InfluxDB store, influxdb-client", "influxdb_client, ingest.edge.influx"),
)
"""In the order in which they are imported: each is charged with what those before it have not brought."""

_WEIGH = """
import importlib, sys
for names in sys.argv[1:]:
    for name in names.split(", "):
        importlib.import_module(name)
    print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmRSS")))
"""


@frozen
class Footprint:
    """Resident bytes: at most, and a while after the last event. `frames` are the sizes of the largest ones sent."""

    peak: int
    settled: int
    frames: Sequence[int]


def imports() -> dict[str, int]:
    """Bytes by what is imported, each without what came before."""
    command = [sys.executable, "-c", _WEIGH, *(names for _, names in IMPORTS)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    weights = [0, *(int(kibibytes) * 1024 for kibibytes in said)]
    return {what: after - before for (what, _), before, after in zip(IMPORTS, weights, weights[1:], strict=False)}


async def footprint(entities: int, opener: Opener) -> Footprint:
    """The service in a home of so many entities: registries, snapshot, then live events.

    Raises `Failed` when the run proves nothing.
    """
    stream = events(entities, LIVE)
    async with stage(entities) as scene, serving(scene, opener) as (process, store, account):
        subscription = await scene.peer.subscribed()
        while store.snapshot() < scene.peer.states:  # noqa: ASYNC110  a store has no event
            await trio.sleep(LOOK)
        await scene.peer.send(chunks(stream, TOGETHER, subscription), account)
        await account.rest()
        await trio.sleep(SETTLING)
        settled, peak = process.memory()
        return Footprint(peak, settled, scene.peer.largest[:2])
