"""A pipeline with its API on a real port, in a thread of its own: for tests that call the commands as a person would."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial

import trio
from attrs import frozen

from ingest.config.service import Api
from ingest.core import reports
from ingest.core.filter_settings import FilterSettings
from ingest.core.reports import Report
from ingest.pipeline import Pipeline
from ingest.simulator.home import Home
from ingest.simulator.serve import Peer
from ingest.simulator.server import Server
from ingest.web.site import Site
from tests.integration.house import MORNING, TOKEN, Memory, candidate, plan_of, server_of


@frozen
class Running:
    """Where it answers, and how to have something happen in its home; so many `always` look on at what comes in."""

    url: str
    pipeline: Pipeline
    server: Server
    token: trio.lowlevel.TrioToken
    scope: trio.CancelScope
    always: int

    def listened(self) -> bool:
        """True while a client hears what comes in."""
        return len(self.pipeline.filter.tap._listeners) > self.always

    def set(self, entity_id: str, *states: str, **attributes: object) -> None:
        """Set these states, one after the other, all in one turn."""

        def work() -> None:
            changes = [self.server.home.set(entity_id, each, attributes, force=True) for each in states]
            self.server.emit(each for each in changes if each)

        trio.from_thread.run_sync(work, trio_token=self.token)

    def stop(self) -> None:
        with suppress(trio.RunFinishedError):
            self.token.run_sync_soon(self.scope.cancel)


@contextmanager
def running_site(api: Api = Api(port=0), rules: FilterSettings = FilterSettings()) -> Iterator[Running]:  # noqa: B008  frozen
    """Serve while the block runs."""
    told: queue.Queue[Running] = queue.Queue()
    thread = threading.Thread(target=trio.run, args=(_run, api, rules, told), daemon=True)
    thread.start()
    running = told.get(timeout=20)
    try:
        yield running
    finally:
        running.stop()
        thread.join(timeout=20)


async def _run(api: Api, rules: FilterSettings, told: queue.Queue[Running]) -> None:
    memory, server, listening = Memory(), server_of(Home(1, 5, MORNING), TOKEN), trio.Event()
    where: list[str] = []

    def hear(report: Report) -> None:
        if isinstance(report, reports.Listening):
            where.append(report.where)
            listening.set()

    async with trio.open_nursery() as nursery:
        peer = Peer(server, nursery)
        plan = plan_of(memory, [candidate("primary")], rules=rules)
        site = Site(api, plan, time.time_ns)
        pipeline = Pipeline(plan, (hear, site.hear), lambda: 0.5, lambda _: peer.connect())
        nursery.start_soon(server.run)
        nursery.start_soon(site.serve, pipeline)
        nursery.start_soon(partial(pipeline.run, trio.Event()))
        await listening.wait()
        while not memory.points:  # noqa: ASYNC110  a list has no event
            await trio.sleep(0.02)
        always, token = len(pipeline.filter.tap._listeners), trio.lowlevel.current_trio_token()
        told.put(Running(where[0], pipeline, server, token, nursery.cancel_scope, always))
