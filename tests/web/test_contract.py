"""A client as HomeIQ's own consumers are, against a site that runs beside a pipeline and a simulated home."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx
import pytest
import trio
import trio_websocket
from attrs import frozen
from starlette.routing import Route

from ingest.config.service import Api
from ingest.core.filter_settings import FilterSettings, Pattern
from ingest.core.rules import Rules
from ingest.core.secret import Secret
from ingest.pipeline import Pipeline
from ingest.simulator.server import Server
from ingest.web.openapi import document
from ingest.web.site import Site
from tests.integration.house import Memory, candidate, plan_of
from tests.support.described import as_described
from tests.web.contract import ENDPOINTS, STREAMS, Stream, faults
from tests.web.test_site import CALM, PATIENCE, beside, listening, until

TOKEN = Api(port=0, token=Secret("let-me-in-0123456789"))
OPEN = {"/health", "/ready"}


@frozen
class Asked:
    """A site, and somebody who asks it."""

    client: httpx.AsyncClient
    pipeline: Pipeline
    server: Server


@asynccontextmanager
async def asked(
    api: Api = Api(port=0),  # noqa: B008  frozen
    lasting: float = PATIENCE,
) -> AsyncGenerator[Asked]:
    async with beside(api, lasting) as (pipeline, emitted, memory, server):
        await until(lambda: listening(emitted) and memory.points)
        async with httpx.AsyncClient(base_url=listening(emitted), **CALM) as client:
            yield Asked(client, pipeline, server)


async def test_every_endpoint_has_the_keys_and_types_that_consumers_expect() -> None:
    async with asked() as it:
        await it.server.burst(50, entities=5, batch=10)
        for each in ENDPOINTS:
            answer = as_described(await it.client.request(each.method, each.path))
            assert answer.status_code in each.statuses
            assert list(faults(answer.json(), each.shape)) == []


async def test_the_figures_are_those_of_what_happened() -> None:
    async with asked() as it:
        before = (await it.client.get("/api/v1/event-rate")).json()
        await it.server.burst(60, entities=3, batch=10)
        await until(lambda: it.pipeline.books()["stored"] >= before["total_events_processed"] + 60)
        rate = (await it.client.get("/api/v1/event-rate")).json()
        assert rate["total_events_processed"] - before["total_events_processed"] == 60
        assert rate["processing_stats"]["success_rate"] == 100
        assert rate["connection_stats"]["is_subscribed"]
        assert rate["connection_stats"]["events_by_type"] == {"snapshot": 5, "state_changed": 60}
        assert rate["by_type"]["state_changed"]["total"] == 60
        assert len(rate["busiest_entities"]) == 3
        assert rate["busiest_domains"]["sensor"]["15m"] == pytest.approx(rate["rates"]["15m"], rel=0.2)
        assert rate["events_per_hour"] == pytest.approx(rate["events_per_second"] * 3600, rel=0.01)


async def test_the_filter_tells_what_it_does_and_follows_a_reload() -> None:
    async with asked() as it:
        first = (await it.client.get("/api/v1/filter/stats")).json()
        assert (first["enabled"], first["statistics"]["mode"]) == (False, "exclude")
        assert first["message"] == "Entity filter not configured"
        bursts, exception = Pattern(entity_id="sensor.burst_*"), Pattern(entity_id="sensor.burst_0001")
        it.pipeline.rules.set(Rules(FilterSettings("exclude", (bursts,), (exception,))))
        await it.pipeline.filter.snapshots.until(lambda count: count >= 2)
        await it.server.burst(40, entities=4, batch=40)
        await until(lambda: it.pipeline.tally.filtered >= 30)
        told = (await it.client.get("/api/v1/filter/stats")).json()
        counted = told["statistics"]
        assert (told["enabled"], told["message"]) == (True, None)
        assert (counted["patterns_count"], counted["exceptions_count"]) == (1, 1)
        assert (counted["filtered_count"], counted["exception_count"]) == (30, 10)
        assert counted["passed_count"] == first["statistics"]["passed_count"]
        assert counted["total_processed"] == first["statistics"]["total_processed"] + 40
        assert counted["filter_rate"] == pytest.approx(30 / counted["total_processed"])
        assert told["filtered_by_rule"] == {"pattern 1: entity_id=sensor.burst_*": 30}
        assert told["passed_by_rule"]["exception 1: entity_id=sensor.burst_0001"] == 10
        for number in (3, 4):
            for each in it.server.clients():
                each.drop()
            await it.pipeline.filter.snapshots.until(lambda count, least=number: count >= least)  # type: ignore[misc]
        again = (await it.client.get("/api/v1/filter/stats")).json()
        assert again["filtered_by_rule"] == told["filtered_by_rule"]
        assert again["statistics"]["filter_rate"] == counted["filter_rate"]
        page = (await it.client.get("/metrics")).text
        assert 'homeiq_ingest_filtered_total{rule="pattern 1: entity_id=sensor.burst_*"} 30.0' in page


async def test_with_a_token_only_health_and_readiness_answer_everybody() -> None:
    async with asked(TOKEN) as it:
        bearer = {"authorization": "Bearer let-me-in-0123456789"}
        for path, item in document()["paths"].items():
            for method in item:
                answer = as_described(await it.client.request(method, path))
                assert (answer.status_code == 401) is (path not in OPEN)
                known = as_described(await it.client.request(method, path, headers=bearer))
                assert known.status_code in {200, 503}


async def test_every_route_is_described_and_every_description_has_its_route() -> None:
    plan = plan_of(Memory(), [candidate("primary")])
    site, pipeline = Site(Api(), plan, time.time_ns), Pipeline(plan, (), lambda: 0.5)
    routes = {
        (each.path, method.lower())
        for each in site.routes(pipeline)
        if isinstance(each, Route) and each.include_in_schema  # what only the page asks for is not for programs
        for method in (each.methods or set()) - {"HEAD"}
    }
    assert routes == {(path, method) for path, item in document()["paths"].items() for method in item}


async def test_the_document_is_told() -> None:
    async with asked() as it:
        told = as_described(await it.client.get("/openapi.json")).json()
    assert told == json.loads(json.dumps(document()))
    names = [operation["operationId"] for item in told["paths"].values() for operation in item.values()]
    assert len(names) == len(set(names)) == sum(map(len, told["paths"].values()))


async def test_what_is_not_there_is_said_as_everything_else_is() -> None:
    async with asked() as it:
        missing, other_way = await it.client.get("/nothing"), await it.client.delete("/health")
    assert (missing.status_code, missing.json()) == (404, {"error": "Not Found"})
    assert (other_way.status_code, other_way.json()) == (405, {"error": "Method Not Allowed"})
    assert set(other_way.headers["allow"].split(", ")) == {"GET", "HEAD"}


@pytest.mark.parametrize("stream", STREAMS, ids=lambda each: each.path)
async def test_every_stream_says_what_consumers_expect(stream: Stream) -> None:
    async with asked() as it:
        url = f"{it.client.base_url}".replace("http", "ws", 1).rstrip("/") + stream.path
        async with trio_websocket.open_websocket_url(url) as socket:
            for sent, shape in stream.exchanges:
                if sent is not None:
                    await socket.send_message(sent)
                elif shape.get("type") == "events":
                    await it.server.burst(3, entities=3, batch=3)
                with trio.fail_after(5):
                    assert list(faults(json.loads(await socket.get_message()), shape)) == []


def test_a_wrong_shape_is_seen() -> None:
    shape = {"a": (int,), "b": [{"c": "x"}]}
    assert list(faults({"a": 1, "b": [{"c": "x"}], "more": 1}, shape)) == []
    wrong = list(faults({"a": True, "b": [{"c": "y"}]}, shape))
    assert wrong == [".a: True is none of (<class 'int'>,)", ".b.0.c: 'y' is not 'x'"]
    assert list(faults({"a": 1}, shape)) == [": no b"]
    assert list(faults([], shape)) == [": [] is no object"]
    assert len({each.path for each in ENDPOINTS}) == len(ENDPOINTS)
