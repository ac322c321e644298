"""The API as its callers know it: keys and types of the contract, who may ask, and a real socket under it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from ipaddress import ip_network

import httpx
import pytest
import trio
from attrs import evolve

from ingest.config.service import Api
from ingest.core import reports
from ingest.core.health import Gauges, Health, Queue
from ingest.core.reports import Report
from ingest.core.secret import Secret
from ingest.core.tally import Tally
from ingest.edge import http_server
from ingest.edge.http_server import Limits
from ingest.edge.process import Process
from ingest.errors import Refused
from ingest.web.app import Sources, application
from ingest.web.metrics import Metrics
from tests.core.test_health import AWAY, DOWN, UP, after

KEYS = {
    "service": str,
    "version": str,
    "status": str,
    "reason": str,
    "timestamp": str,
    "uptime": str,
    "uptime_seconds": float,
    "connection": dict,
    "subscription": dict,
    "circuit_breaker": dict,
    "performance": dict,
    "database": dict,
    "spool": dict,
    "gaps": dict,
}
CONNECTION = {
    "is_running",
    "connection_attempts",
    "successful_connections",
    "failed_connections",
    "last_successful",
    "current_state",
}
SUBSCRIPTION = {"is_subscribed", "total_events_received", "event_rate_per_minute", "last_event", "events_by_type"}
BOOKS = Tally(received=13, stored=13).books(spooled=0, in_flight=0)
QUEUES = (Queue("intake", 1, 10, 2, 20, 20_000, 10_000),)


def sources(*told: Report) -> Sources:
    def health() -> Health:
        return after(*told, gauges=evolve(Gauges(), queues=QUEUES, books=BOOKS))

    process = Process()
    metrics = Metrics(health, process.usage, lambda: {"pattern 1: domain=update": 4})
    for report in told:
        metrics.hear(report)
    return Sources(health, process.usage, metrics.page)


def client(*told: Report, api: Api | None = None, where: str = "127.0.0.1") -> httpx.AsyncClient:
    app = application(sources(*told), api or Api())
    return httpx.AsyncClient(transport=httpx.ASGITransport(app, client=(where, 1)), base_url="http://service")


async def test_health_has_the_keys_and_types_of_the_contract() -> None:
    async with client(*UP) as ask:
        for path in ("/health", "/health/detailed"):
            answer = await ask.get(path)
            assert answer.status_code == 200
            body = answer.json()
            assert {name: type(body[name]) for name in KEYS} == KEYS
            assert set(body["connection"]) >= CONNECTION
            assert set(body["subscription"]) >= SUBSCRIPTION
            assert set(body["circuit_breaker"]) >= {"state", "failure_count", "last_failure"}
            assert set(body["performance"]) >= {"memory_mb", "cpu_percent"}
            assert body["status"] == "healthy"


async def test_health_tells_of_an_outage_and_ready_says_no() -> None:
    async with client(*UP, DOWN) as ask:
        body = (await ask.get("/health")).json()
        assert body["status"] == "degraded"
        assert "503 Service Unavailable" in body["reason"]
        ready = await ask.get("/ready")
        assert (ready.status_code, ready.json()["database"]) == (503, False)


@pytest.mark.parametrize(("told", "status"), [(UP, 200), ([*UP, *AWAY], 503), ([], 503)])
async def test_ready_is_connected_subscribed_and_stored(told: list[Report], status: int) -> None:
    async with client(*told) as ask:
        assert (await ask.get("/ready")).status_code == status


async def test_the_root_says_who_it_is() -> None:
    async with client(*UP) as ask:
        assert set((await ask.get("/")).json()) >= {"service", "version", "status"}


async def test_metrics_are_prometheus_text_with_every_term() -> None:
    async with client(*UP, DOWN, reports.Filtered({"pattern 1: domain=update": 4})) as ask:
        page = (await ask.get("/metrics")).text
    for term in ("carried", "received", "stored", "repeated", "filtered", "rejected", "malformed", "shed", "evicted"):
        assert f'homeiq_ingest_states_total{{term="{term}"}}' in page
    assert "homeiq_ingest_delivery_seconds_bucket" in page
    assert 'rule="pattern 1: domain=update"' in page


@pytest.mark.parametrize(
    ("headers", "where", "status"),
    [
        ({}, "192.168.1.9", 401),
        ({"Authorization": "Bearer wrong"}, "192.168.1.9", 401),
        ({"Authorization": "Basic right"}, "192.168.1.9", 401),
        ({"Authorization": "Bearer right"}, "192.168.1.9", 200),
        ({}, "10.1.2.3", 200),
    ],
)
async def test_a_token_or_a_trusted_network_opens_the_rest(headers: dict[str, str], where: str, status: int) -> None:
    api = evolve(Api(), token=Secret("right"), trusted_networks=(ip_network("10.0.0.0/8"),))
    async with client(*UP, api=api, where=where) as ask:
        assert (await ask.get("/metrics", headers=headers)).status_code == status
        assert (await ask.get("/health", headers=headers)).status_code == 200


async def test_only_named_origins_are_allowed() -> None:
    async with client(*UP, api=evolve(Api(), cors_origins=("http://grafana",))) as ask:
        good = await ask.get("/health", headers={"Origin": "http://grafana"})
        bad = await ask.get("/health", headers={"Origin": "http://evil"})
    assert good.headers["access-control-allow-origin"] == "http://grafana"
    assert "access-control-allow-origin" not in bad.headers


# ---- over real sockets --------------------------------------------------------------------------------------------


@asynccontextmanager
async def served(limits: Limits, told: list[str]) -> AsyncGenerator[str]:
    listeners = await http_server.listen("127.0.0.1", 0)
    async with trio.open_nursery() as nursery:
        app = application(sources(*UP), Api())
        nursery.start_soon(http_server.serve, app, listeners, told.append, limits)
        yield http_server.url_of(listeners[0])
        nursery.cancel_scope.cancel()
    for listener in listeners:
        await listener.aclose()


async def test_it_answers_over_a_real_socket_and_ends_at_once() -> None:
    told: list[str] = []
    with trio.fail_after(10):
        async with served(Limits(), told) as url, httpx.AsyncClient() as ask:
            assert (await ask.get(f"{url}/health")).json()["status"] == "healthy"
            assert (await ask.get(f"{url}/nowhere")).status_code == 404
    assert told == []


async def test_nonsense_is_answered_and_hurts_nobody() -> None:
    told: list[str] = []
    with trio.fail_after(10):
        async with served(Limits(idle=0.2), told) as url:
            stream = await trio.open_tcp_stream("127.0.0.1", int(url.rpartition(":")[2]))
            async with stream:
                await stream.send_all(b"\x00\x01 nonsense\r\n\r\n")
                while await stream.receive_some(4096):
                    pass
            async with httpx.AsyncClient() as ask:
                assert (await ask.get(f"{url}/ready")).status_code == 200


async def test_a_port_that_is_taken_is_refused_in_words() -> None:
    (listener,) = await http_server.listen("127.0.0.1", 0)
    async with listener:
        with pytest.raises(Refused, match=r"cannot listen.*api\.port"):
            await http_server.listen("127.0.0.1", listener.socket.getsockname()[1])
