"""The API beside a pipeline, on a real port."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import trio

from ingest.config.service import Api
from ingest.core import reports
from ingest.core.reports import Report
from ingest.pipeline import Pipeline
from ingest.simulator.home import Home
from ingest.simulator.serve import Peer
from ingest.simulator.server import Server
from ingest.web.site import Site
from tests.integration.house import MORNING, TOKEN, Memory, candidate, plan_of, server_of
from tests.support.spent import Spent
from tests.web.test_metrics_reference import PAGE

CALM: dict[str, Any] = {"trust_env": False}
PATIENCE = 20.0


def listening(emitted: list[Report]) -> str:
    return next((each.where for each in emitted if isinstance(each, reports.Listening)), "")


@asynccontextmanager
async def beside(
    api: Api, lasting: float = PATIENCE, entities: int = 5
) -> AsyncGenerator[tuple[Pipeline, list[Report], Memory, Server]]:
    """A pipeline that runs with its site, on the real clock, for at most so many seconds."""
    emitted: list[Report] = []
    memory, server = Memory(), server_of(Home(1, entities, MORNING), TOKEN)
    async with trio.open_nursery() as nursery:
        peer, stop = Peer(server, nursery), trio.Event()

        async def dial(_: object) -> trio.abc.Stream:
            return await peer.connect()

        plan = plan_of(memory, [candidate("primary")])
        site = Site(api, plan, time.time_ns)
        pipeline = Pipeline(plan, (emitted.append, site.hear), lambda: 0.5, dial)
        nursery.start_soon(server.run)
        nursery.start_soon(site.serve, pipeline)
        nursery.start_soon(pipeline.run, stop)
        with trio.fail_after(lasting):
            yield pipeline, emitted, memory, server
        stop.set()
        nursery.cancel_scope.cancel()


async def until(met: Any) -> None:
    while not met():  # noqa: ASYNC110  a condition over everything has no event
        await trio.sleep(0.02)


async def test_a_running_pipeline_can_be_asked() -> None:
    async with beside(Api(port=0)) as (pipeline, emitted, memory, _):
        await until(lambda: listening(emitted) and memory.points)
        async with httpx.AsyncClient(base_url=listening(emitted), **CALM) as client:
            health = (await client.get("/health")).json()
            assert health["subscription"]["is_subscribed"]
            assert health["totals"].keys() == pipeline.books().keys()
            assert health["performance"]["memory_mb"] > 5
            assert (await client.get("/ready")).status_code == 200
            page = (await client.get("/metrics")).text
            assert (await client.get("/api/v1/gaps")).json()["gaps"] == []
            assert (await client.get("/api/v1/dead-letters")).json()["total"] == 0
            assert "<main" in (await client.get("/", headers={"accept": "text/html"})).text
            assert (await client.get("/assets/app.js")).status_code == 200
    assert 'homeiq_ingest_states_total{term="stored"}' in page
    families = {line.split()[2] for line in page.splitlines() if line.startswith("# TYPE ")}
    told = set(re.findall(r"^\| `(\w+)` \|", PAGE.read_text("utf-8"), re.MULTILINE))
    assert "homeiq_ingest_websocket_clients" in families
    assert {each for each in families if not each.endswith("_created")} <= told
    assert [each for each in emitted if isinstance(each, reports.Notice)] == []


def broken(*_: object) -> None:
    raise ZeroDivisionError


async def test_a_bug_in_a_part_of_the_api_ends_that_part_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.web.house.HouseStatus._fold", broken)
    async with beside(Api(port=0)) as (_, emitted, memory, _):
        await until(lambda: listening(emitted) and memory.points)
        async with httpx.AsyncClient(base_url=listening(emitted), **CALM) as client:
            assert (await client.get("/health")).json()["subscription"]["is_subscribed"]
            assert (await client.get("/api/v1/event-rate")).json()["by_type"]
            house = await client.get("/api/status/house")
    assert house.status_code == 503
    assert "broke" in house.json()["error"]
    assert [each.sentence for each in emitted if isinstance(each, reports.Notice)] == [
        "a part of the API broke, and is told no more: ZeroDivisionError()"
    ]


async def test_what_is_not_counted_any_more_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.core.filter_counts.FilterCountsFold.hear", broken)
    async with beside(Api(port=0)) as (_, emitted, memory, _):
        await until(lambda: listening(emitted) and memory.points)
        async with httpx.AsyncClient(base_url=listening(emitted), **CALM) as client:
            answers = [await client.get(path) for path in ("/api/v1/event-rate", "/api/v1/filter/stats")]
            assert (await client.get("/api/status/house")).status_code == 200
    assert [each.status_code for each in answers] == [503, 503]
    assert all("broke" in each.json()["error"] for each in answers)


async def test_a_bug_that_ends_the_api_ends_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("ingest.web.audience.Audience.run", broken)
    async with beside(Api(port=0)) as (_, emitted, memory, server):
        await until(lambda: any(isinstance(each, reports.Notice) for each in emitted) and memory.points)
        before = len(memory.points)
        change = server.home.set("light.after", "on", {})
        assert change is not None
        server.emit([change])
        await until(lambda: len(memory.points) > before)
    (notice,) = (each.sentence for each in emitted if isinstance(each, reports.Notice))
    assert notice.startswith("the API broke")
    assert notice.endswith("ZeroDivisionError()")


async def test_clients_that_do_not_read_slow_nothing() -> None:
    async with beside(Api(port=0)) as (_, emitted, memory, server):
        await until(lambda: listening(emitted) and memory.points)
        port = int(listening(emitted).rpartition(":")[2])
        idle = [await trio.open_tcp_stream("127.0.0.1", port) for _ in range(20)]
        for stream in idle:
            with trio.move_on_after(0.02):
                await stream.send_all(b"GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n" * 2000)
        before = len(memory.points)
        await server.burst(50, entities=5, batch=50)
        with trio.fail_after(3):
            await until(lambda: len(memory.points) >= before + 50)
        async with httpx.AsyncClient(base_url=listening(emitted), **CALM) as client:
            assert (await client.get("/health")).status_code == 200
        spent = Spent.begin()
    assert spent.end() < 1.3
    for stream in idle:
        await stream.aclose()


async def test_a_taken_port_is_said_once_and_everything_else_goes_on() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        async with beside(Api(port=taken.getsockname()[1])) as (_, emitted, memory, _):
            await until(lambda: memory.points and any(isinstance(each, reports.Notice) for each in emitted))
    [notice] = [each.sentence for each in emitted if isinstance(each, reports.Notice)]
    assert "everything else goes on" in notice
    assert "api.port" in notice


async def test_a_port_that_becomes_free_is_taken(autojump_clock: object) -> None:
    """Under a virtual clock: only the waiting is of interest."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        emitted: list[Report] = []
        plan = plan_of(Memory(), [candidate("primary")])
        port = taken.getsockname()[1]
        site = Site(Api(port=port), plan, time.time_ns)
        pipeline = Pipeline(plan, (emitted.append,), lambda: 0.5)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(site.serve, pipeline)
            await trio.sleep(100)
            taken.close()
            await until(lambda: listening(emitted))
            nursery.cancel_scope.cancel()
    assert len([each for each in emitted if isinstance(each, reports.Notice)]) == 1
    assert str(port) in listening(emitted)


async def test_complaints_of_the_api_do_not_fill_the_log(autojump_clock: object) -> None:
    emitted: list[Report] = []
    plan = plan_of(Memory(), [candidate("primary")])
    site = Site(Api(), plan, time.time_ns)
    site._complain("nobody hears it")
    site.pipeline = Pipeline(plan, (emitted.append,), lambda: 0.5)
    for _ in range(121):
        site._complain("nonsense")
        await trio.sleep(1)
    assert emitted == [reports.Notice("nonsense")] * 3
