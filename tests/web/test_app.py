"""The API's answers: the keys and types that HomeIQ's callers know, and who may ask."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from datetime import timedelta
from ipaddress import ip_network
from socket import gethostname
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from attrs import evolve
from prometheus_client.parser import text_string_to_metric_families
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from ingest.actors.rediscovery import Discovered, NotConnected
from ingest.config.service import Api
from ingest.core import reports
from ingest.core.coverage import Progress
from ingest.core.data_api_health import DataApiFold
from ingest.core.health import Gauges, Health, Queue
from ingest.core.health_fold import HealthFold
from ingest.core.ledger import Summary
from ingest.core.lifetime import Lifetime
from ingest.core.reports import Report
from ingest.core.secret import Secret
from ingest.core.state import moment_at
from ingest.edge.process import Usage
from ingest.errors import Transient
from ingest.web.app import Sources, application
from ingest.web.contract import as_contract
from ingest.web.discovery import Discover
from ingest.web.metrics import Metrics
from tests.core.test_health import AWAY, DOWN, UP, after
from tests.support.described import as_described
from tests.support.marked import watched

BOOKS = {"received": 13, "stored": 10, "filtered": 3, "shed": 0, "spooled": 2, "in_flight": 1}
LIFETIME = Lifetime(2 * 10**9, {"received": 99, "stored": 90})
GAPS = Summary({**dict.fromkeys(Progress, 0), Progress.OPEN: 1, Progress.FILLING: 1, Progress.FILLED: 3}, 3 * 10**9, 77)
QUEUE = Queue("intake", 1, 20, 3, 40, 50, 60)
GAUGES = Gauges((QUEUE,), 1, 2, 3, 400, 1, 10**9, BOOKS, 86_400_400, 10.0, LIFETIME, GAPS)
NUMBER = (int, float)
TEXT = (str,)
MAYBE = (str, type(None))
CONTRACT: Mapping[str, Any] = {
    "status": TEXT,
    "reason": TEXT,
    "service": TEXT,
    "version": TEXT,
    "timestamp": TEXT,
    "uptime": TEXT,
    "uptime_seconds": NUMBER,
    "connection": {
        "is_running": (bool,),
        "connection_attempts": (int,),
        "successful_connections": (int,),
        "failed_connections": (int,),
        "last_successful": MAYBE,
        "current_state": TEXT,
    },
    "subscription": {
        "is_subscribed": (bool,),
        "total_events_received": (int,),
        "event_rate_per_minute": NUMBER,
        "last_event": MAYBE,
        "events_by_type": (dict,),
    },
    "circuit_breaker": {"state": TEXT, "failure_count": (int,), "last_failure": MAYBE},
    "performance": {"memory_mb": NUMBER, "cpu_percent": NUMBER},
    "database": (dict,),
    "spool": (dict,),
    "gaps": {"dropped_changes": (int,), "open": (int, type(None)), "oldest_open": MAYBE},
    "data_api": (dict, type(None)),
}
UNKNOWN: list[Report] = []


async def discovered(*, everything: bool) -> Discovered:
    return Discovered(5, 8 if everything else 7)


async def not_connected(*, everything: bool) -> Discovered:
    raise NotConnected


async def not_read(*, everything: bool) -> Discovered:
    raise Transient("the registries could not be read: unknown_error")


def sources(health: Health, discover: Discover = discovered) -> Sources:
    usage = Usage(50.5, 1.5)
    metrics = Metrics(lambda: health, lambda: usage, lambda: {"sensor.*": 3}, lambda: 10**18)
    for report in UP:
        metrics.hear(report)
    return Sources(lambda: health, lambda: usage, metrics.page, discover, {"state": "/home/anna/state.db"})


async def ask(
    path: str,
    *told: Report,
    api: Api = Api(),  # noqa: B008  frozen
    client: str = "127.0.0.1",
    **headers: str,
) -> httpx.Response:
    app = application(sources(after(*told, gauges=GAUGES)).routes(), api)
    transport = httpx.ASGITransport(app, client=(client, 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as session:
        answer = await session.get(path, headers=headers)
        return answer if answer.status_code == 404 else as_described(answer)


def follows(answer: Any, shape: Any) -> bool:
    if isinstance(shape, Mapping):
        return all(follows(answer[key], inner) for key, inner in shape.items())
    return isinstance(answer, shape) and (bool in shape or not isinstance(answer, bool))


@pytest.mark.parametrize("told", [UNKNOWN, UP, [*UP, DOWN, *AWAY]])
@pytest.mark.parametrize("path", ["/health", "/health/detailed"])
async def test_health_has_the_contracts_keys_and_types_whatever_happened(path: str, told: list[Report]) -> None:
    answer = await ask(path, *told)
    assert answer.status_code == 200
    assert follows(answer.json(), CONTRACT)


async def test_health_says_what_is_so() -> None:
    health = (await ask("/health", *UP)).json()
    assert (health["status"], health["service"], health["version"]) == ("healthy", "homeiq-ingest", "1.2.3")
    assert (health["uptime"], health["uptime_seconds"]) == ("0:00:09", 9)
    assert health["timestamp"] == "2026-11-22T07:00:00+00:00"
    assert health["subscription"]["events_by_type"] == {"state_changed": 3, "snapshot": 10}
    assert health["database"]["waiting_points"] == 6
    assert health["database"]["last_delivery_seconds"] == 0.2
    assert health["spool"] == {
        "points": 3,
        "bytes": 400,
        "batches": 1,
        "oldest": "1970-01-01T00:00:01+00:00",
        "failing": "",
        "dead_letters": None,
        "rate_seconds": None,
        "dead_letters_failing": "",
        "ledger_failing": "",
        "limit_bytes": 86_400_400,
        "bytes_per_second": 10.0,
        "days": pytest.approx(100.0, rel=1e-4),
        "days_left": 100.0,
    }
    assert health["lifetime"] == {"since": "1970-01-01T00:00:02+00:00", "received": 99, "stored": 90}
    assert health["totals"] == BOOKS
    assert health["queues"][0]["peak_events"] == 3
    assert health["performance"] == {"memory_mb": 50.5, "cpu_percent": 1.5}


async def test_health_and_metrics_tell_the_gaps() -> None:
    assert (await ask("/health", *UP)).json()["gaps"] == {
        "dropped_changes": 0,
        "open": 1,
        "filling": 1,
        "filled": 3,
        "partly": 0,
        "unfillable": 0,
        "oldest_open": "1970-01-01T00:00:03+00:00",
        "states_filled": 77,
    }
    found = await figures(*UP)
    assert [found["gaps", each] for each in ("open", "filling", "filled", "partly", "unfillable")] == [1, 1, 3, 0, 0]
    assert found["gap_states_filled", ""] == 77
    assert found["gap_oldest_age_seconds", ""] > 10**9
    without = as_contract(after(*UP), Usage(50, 1))["gaps"]
    assert without == {**dict.fromkeys(without), "dropped_changes": 0}


async def test_health_tells_the_errors_and_what_to_do() -> None:
    health = (await ask("/health/detailed", *UP, DOWN)).json()
    assert health["errors"]["categories"]["database"]["total"] == 1
    assert "503 Service Unavailable" in health["errors"]["recent"][0]["error"]
    assert health["database"]["circuit_breaker"] == {"state": "open", "failure_count": 1}


async def test_the_root_says_who_this_is() -> None:
    assert (await ask("/", *UP)).json() == {"service": "homeiq-ingest", "version": "1.2.3", "status": "healthy"}


@pytest.mark.parametrize(
    ("told", "status", "missing"),
    [
        (UNKNOWN, 503, "connected"),
        (UP[:-3], 503, "database"),
        (UP, 200, ""),
        ([*UP, DOWN], 503, "database"),
        ([*UP, *AWAY], 503, "subscribed"),
    ],
)
async def test_ready_is_503_until_everything_is_there(told: list[Report], status: int, missing: str) -> None:
    answer = await ask("/ready", *told)
    assert answer.status_code == status
    assert answer.json()["ready"] is (status == 200)
    assert not missing or answer.json()[missing] is False
    assert answer.json()["reason"]


async def figures(*told: Report) -> dict[tuple[str, str], float]:
    answer = await ask("/metrics", *told)
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = text_string_to_metric_families(answer.text)
    return {
        (sample.name.removeprefix("homeiq_ingest_"), ",".join(sample.labels.values())): sample.value
        for family in families
        for sample in family.samples
    }


async def test_every_term_of_the_books_is_a_metric() -> None:
    found = await figures(*UP)
    for term, count in BOOKS.items():
        name = "states_held" if term in {"spooled", "in_flight"} else "states_total"
        assert found[name, term] == count
    assert found["filtered_total", "sensor.*"] == 3
    assert found["lifetime_states_total", "received"] == 99


async def test_links_the_spool_latencies_and_the_status_are_metrics() -> None:
    found = await figures(*UP)
    assert found["queue_peak_changes", "intake"] == 3
    assert found["queue_capacity_bytes", "intake"] == 60
    assert found["spool_points", ""] == 3
    assert (found["spool_limit_bytes", ""], found["spool_bytes_per_second", ""]) == (86_400_400, 10)
    assert found["spool_oldest_age_seconds", ""] > 10**9
    assert found["waiting_points", ""] == 6
    assert found["delivery_seconds_sum", ""] == 0.2
    assert found["delivery_seconds_bucket", "0.25"] == 1
    assert found["batch_points_sum", ""] == 13
    assert found["last_event_age_seconds", ""] == 2
    assert [found["status", each] for each in ("healthy", "degraded", "unhealthy")] == [1, 0, 0]


async def test_no_age_is_negative_where_the_homes_clock_is_ahead() -> None:
    health, year = after(*UP, gauges=GAUGES), timedelta(days=365)
    told = Metrics(lambda: evolve(health, at=moment_at(0) - year), lambda: Usage(1, 1, 1), dict, lambda: 0)
    page = told.page()[0].decode()
    ages = [
        each.value for family in text_string_to_metric_families(page) for each in family.samples if "_age_" in each.name
    ]
    assert ages == [0.0] * 3


async def test_metrics_before_anything_happened_promise_nothing() -> None:
    found = await figures()
    assert found["subscribed", ""] == found["store_reachable", ""] == 0
    assert ("last_event_age_seconds", "") not in found


async def test_errors_are_counted_by_kind() -> None:
    found = await figures(*UP, DOWN, reports.UnexpectedMessage("odd"))
    assert (found["errors_total", "database"], found["errors_total", "message"]) == (1, 1)


async def test_health_and_metrics_tell_of_a_data_api_where_there_is_one() -> None:
    assert (await ask("/health", *UP)).json()["data_api"] is None
    assert not [name for name, _ in await figures(*UP) if name.startswith("data_api")]
    fold = HealthFold("db", ("primary",), data_api=DataApiFold())
    waits = reports.DataApiWaiting("data-api answers 503", "", 8.0, 4, 5, "open")
    for at, report in enumerate([*UP, reports.ToPublish(2, 5, 1), reports.Posted("devices", 2), waits]):
        fold.add(report, at)
    health = fold.look(GAUGES, 20, moment_at(10**9))
    told = as_contract(health, Usage(50, 1))["data_api"]
    assert told == {
        "reachable": False,
        "posted": {"devices": 2},
        "refused": 0,
        "waiting": 4,
        "failing_since": "1969-12-31T23:59:53+00:00",
        "reason": "data-api answers 503",
        "remedy": "",
        "circuit_breaker": {"state": "half_open", "failure_count": 5},
        "last_published": None,
    }
    page, _ = Metrics(lambda: health, lambda: Usage(50, 1), dict, lambda: 0).page()
    found = [
        line
        for line in page.decode().splitlines()
        if line.startswith("homeiq_ingest_data_api_") and "created" not in line
    ]
    assert found == [
        'homeiq_ingest_data_api_posted_total{kind="devices"} 2.0',
        "homeiq_ingest_data_api_refused_total 0.0",
        "homeiq_ingest_data_api_failures_total 1.0",
        "homeiq_ingest_data_api_reachable 0.0",
        "homeiq_ingest_data_api_waiting_entries 4.0",
    ]


TOKEN = Api(token=Secret(watched("let-me-in")))
NEAR = Api(trusted_networks=(ip_network("127.0.0.0/8"),))
NETWORK = Api(trusted_networks=(ip_network("192.168.1.0/24"),))
INGRESS = Api(trusted_proxies=(ip_network("172.30.32.2"),))
BOTH = Api(token=TOKEN.token, trusted_proxies=INGRESS.trusted_proxies)
PROXY = "172.30.32.2"


@pytest.mark.parametrize(
    ("api", "client", "authorization", "status"),
    [
        (Api(), "127.0.0.1", "", 200),
        (TOKEN, "127.0.0.1", "", 401),
        (TOKEN, "127.0.0.1", "Bearer let-me-in", 200),
        (TOKEN, "127.0.0.1", "bearer let-me-in", 200),
        (TOKEN, "127.0.0.1", "Bearer wrong", 401),
        (TOKEN, "127.0.0.1", "Basic let-me-in", 401),
        (TOKEN, "127.0.0.1", "Basic bWU6bGV0LW1lLWlu", 200),
        (TOKEN, "127.0.0.1", "Basic bWU6d3Jvbmc=", 401),
        (NETWORK, "192.168.1.7", "", 200),
        (NETWORK, "::ffff:192.168.1.7", "", 200),
        (NETWORK, "192.168.2.7", "", 401),
        (NETWORK, "fe80::1%eth0", "Bearer let-me-in", 401),
        (INGRESS, PROXY, "", 200),
        (INGRESS, "172.30.32.1", "", 401),
        (INGRESS, "127.0.0.1", "", 401),
        (BOTH, PROXY, "", 200),
        (BOTH, "172.30.32.3", "", 401),
        (BOTH, "172.30.32.3", "Bearer let-me-in", 200),
    ],
)
async def test_who_may_ask(api: Api, client: str, authorization: str, status: int) -> None:
    headers = {"authorization": authorization} if authorization else {}
    for path in ("/", "/health/detailed", "/metrics"):
        answer = await ask(path, *UP, api=api, client=client, **headers)
        assert answer.status_code == status
        assert answer.headers.get("www-authenticate", "").endswith("Bearer") is (status == 401)
    for path in ("/health", "/ready"):
        assert (await ask(path, *UP, api=api, client=client)).status_code == 200


async def test_each_way_to_say_who_one_is_has_a_line_of_its_own() -> None:
    """Chromium asks a person for nothing where both are in one."""
    basic, bearer = (await ask("/", *UP, api=TOKEN)).headers.get_list("www-authenticate")
    assert basic.startswith('Basic realm="homeiq-ingest')
    assert bearer == "Bearer"


async def test_whoever_holds_the_token_may_ask_by_any_name() -> None:
    answer = await ask("/metrics", *UP, api=TOKEN, host="ingest.example", authorization="Bearer let-me-in")
    assert answer.status_code == 200


async def test_a_browser_asks_nobody_for_a_token_that_there_is_not() -> None:
    answer = await ask("/", *UP, api=NETWORK, client="192.168.2.7")
    assert answer.headers.get_list("www-authenticate") == ["Bearer"]
    assert "api.trusted_networks" in answer.json()["error"]


async def test_where_this_machine_keeps_its_files_is_not_for_everybody() -> None:
    assert (await ask("/health", *UP)).json()["files"] == {}
    assert (await ask("/health/detailed", *UP)).json()["files"] == {"state": "/home/anna/state.db"}


@pytest.mark.parametrize("given", ["let-me-in", "let-me-ix", "l", ""])
async def test_how_long_a_comparison_takes_tells_nothing(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return hmac.compare_digest(one, other)

    monkeypatch.setattr("ingest.web.guard.hmac", SimpleNamespace(compare_digest=compare))
    answer = await ask("/metrics", *UP, api=TOKEN, authorization=f"Bearer {given}")
    assert answer.status_code == (200 if given == "let-me-in" else 401)
    assert compared == [(given.encode(), b"let-me-in")]


@pytest.mark.parametrize(
    ("host", "api", "status"),
    [
        ("localhost:8001", Api(), 200),
        ("127.0.0.1", Api(), 200),
        ("[::1]:8001", Api(), 200),
        ("home.localhost", Api(), 200),
        (gethostname(), Api(), 200),
        ("evil.example", Api(), 403),
        ("panel.example", Api(cors_origins=("http://panel.example:3000",)), 200),
        ("[", Api(), 403),
        ("[::1", Api(), 403),
        ("websocket-ingestion:8001", Api(), 403),
        ("websocket-ingestion:8001", NEAR, 200),
        ("pi.local:8001", NEAR, 200),
        ("192.168.1.2:8001", NEAR, 200),
        ("evil.example", NEAR, 403),
        ("[", NEAR, 403),
        ("evil.example", TOKEN, 401),
    ],
)
async def test_a_name_that_is_made_to_lead_here_is_not_ours(host: str, api: Api, status: int) -> None:
    assert (await ask("/metrics", *UP, api=api, host=host)).status_code == status
    assert (await ask("/health", *UP, api=api, host=host)).status_code == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [("127.0.0.1:8001", 200), ("localhost", 200), ("home.example", 200), ("evil.example", 403), ("pi.local", 403)],
)
@pytest.mark.parametrize("client", ["127.0.0.1", "::1"])
async def test_where_a_browser_may_be_that_comes_as_the_proxy_does_the_name_is_looked_at(
    client: str, host: str, status: int
) -> None:
    """A page of somebody else's, whose name is made to lead to this machine, can say of itself what a proxy says."""
    api = Api(trusted_proxies=(ip_network(client),), cors_origins=("https://home.example",))
    answer = await ask("/metrics", *UP, api=api, client=client, host=host, **{"x-forwarded-host": host})
    assert answer.status_code == status
    assert (await ask("/health", *UP, api=api, client=client, host=host)).status_code == 200


@pytest.mark.parametrize(("client", "status"), [(PROXY, 200), ("127.0.0.1", 401)])
async def test_through_a_trusted_proxy_one_may_ask_by_any_name(client: str, status: int) -> None:
    answer = await ask("/metrics", *UP, api=INGRESS, client=client, host="home.example:8123")
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("client", "origin", "forwarded", "status"),
    [
        (PROXY, None, None, 200),
        (PROXY, "https://home.example", None, 403),
        (PROXY, "https://home.example", "home.example", 200),
        (PROXY, "https://home.example", "home.example, inner", 200),
        (PROXY, "http://localhost", "home.example", 200),
        (PROXY, "https://evil.example", "home.example", 403),
        ("127.0.0.1", "https://home.example", "home.example", 403),
    ],
)
async def test_a_page_is_its_own_by_the_name_that_the_proxy_forwards(
    client: str, origin: str | None, forwarded: str | None, status: int
) -> None:
    api = Api(trusted_proxies=INGRESS.trusted_proxies, trusted_networks=NEAR.trusted_networks)
    given = {"origin": origin, "x-forwarded-host": forwarded}
    headers = {name: text for name, text in given.items() if text is not None}
    assert (await trigger(discovered, api, client=client, **headers)).status_code == status


@pytest.mark.parametrize(
    ("headers", "api", "status"),
    [
        ({}, Api(), None),
        ({"origin": "http://localhost"}, Api(), None),
        ({"origin": "http://evil.example"}, Api(), 403),
        ({"origin": "http://panel"}, Api(cors_origins=("http://panel",)), None),
        ({"host": "evil.example"}, Api(), 403),
        ({}, TOKEN, 401),
        ({"authorization": "Bearer let-me-in"}, TOKEN, None),
    ],
)
async def test_a_websocket_is_guarded_like_everything_else(
    headers: dict[str, str], api: Api, status: int | None
) -> None:
    sent: list[Any] = []

    async def greet(websocket: WebSocket) -> None:
        await websocket.accept()

    async def receive() -> dict[str, str]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    given = {"host": "localhost", **headers}
    scope = {
        "type": "websocket",
        "path": "/ws",
        "client": ("127.0.0.1", 1),
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
        "extensions": {"websocket.http.response": {}},
    }
    await application([WebSocketRoute("/ws", greet)], api)(scope, receive, send)
    first = "websocket.accept" if status is None else "websocket.http.response.start"
    assert (sent[0]["type"], sent[0].get("status")) == (first, status)


async def trigger(
    discover: Discover,
    api: Api = Api(),  # noqa: B008  frozen
    query: str = "",
    client: str = "127.0.0.1",
    **headers: str,
) -> httpx.Response:
    transport = httpx.ASGITransport(application(sources(after(*UP), discover).routes(), api), client=(client, 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as session:
        assert (await session.get("/api/v1/discovery/trigger", headers=headers)).status_code in {405, 401}
        return as_described(await session.post(f"/api/v1/discovery/trigger{query}", headers=headers))


async def test_discovery_is_triggered_and_answers_what_was_found() -> None:
    answer = await trigger(discovered)
    assert answer.status_code == 200
    assert answer.json() == {
        "success": True,
        "devices_discovered": 5,
        "entities_discovered": 7,
        "timestamp": "2026-11-22T07:00:00+00:00",
    }


@pytest.mark.parametrize("said", ["", "maybe", "2", "TRUE", "null"])
async def test_what_is_neither_true_nor_false_is_refused(said: str) -> None:
    answer = await trigger(not_read, query=f"?everything={said}")
    assert (answer.status_code, answer.json()["success"]) == (400, False)
    assert answer.json()["error"].startswith("everything is one of true, ")


async def test_a_bug_is_said_in_the_same_words_as_everything_else() -> None:
    async def broken(_: object) -> Response:
        raise ZeroDivisionError("secret inside")

    transport = httpx.ASGITransport(application([Route("/", broken)], Api()), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as session:
        answer = as_described(await session.get("/"))
    assert (answer.status_code, answer.json()) == (500, {"error": "this answer could not be made: the log says why"})


@pytest.mark.parametrize(("query", "told"), [("?everything=true", 8), ("?everything=1", 8), ("?everything=no", 7)])
async def test_everything_may_be_told_again(query: str, told: int) -> None:
    assert (await trigger(discovered, query=query)).json()["entities_discovered"] == told


async def test_discovery_that_fails_says_why_in_the_same_shape() -> None:
    for discover, status, why in ((not_connected, 503, "no connection"), (not_read, 502, "unknown_error")):
        answer = await trigger(discover)
        told = answer.json()
        assert answer.status_code == status
        assert (told["success"], told["devices_discovered"], told["entities_discovered"]) == (False, 0, 0)
        assert why in told["error"]


async def test_discovery_is_behind_the_guard() -> None:
    assert (await trigger(discovered, TOKEN)).status_code == 401
    assert (await trigger(discovered, TOKEN, authorization="Bearer let-me-in")).status_code == 200


@pytest.mark.parametrize(
    ("origins", "origin", "status"),
    [
        ((), "http://evil", 403),
        ((), "null", 403),
        ((), "http://localhost", 200),
        (("http://panel",), "http://panel", 200),
        (("http://panel",), "http://other", 403),
        (("*",), "http://anybody", 200),
    ],
)
async def test_discovery_is_not_triggered_by_pages_of_others(
    origins: tuple[str, ...], origin: str, status: int
) -> None:
    assert (await trigger(discovered, Api(cors_origins=origins), origin=origin)).status_code == status


async def test_a_page_of_a_configured_origin_may_ask_whether_it_may() -> None:
    asked = {"origin": "http://panel", "access-control-request-method": "POST"}
    app = application(sources(after(*UP)).routes(), Api(cors_origins=("http://panel",)))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as session:
        assert (await session.options("/api/v1/discovery/trigger", headers=asked)).status_code == 200


async def test_an_unknown_way_and_an_unknown_path_are_answered() -> None:
    assert (await ask("/nothing")).status_code == 404
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(application(sources(after()).routes(), Api()))
    ) as session:
        assert (await session.post("http://localhost/health", content=json.dumps({}))).status_code == 405


@pytest.mark.parametrize(("origins", "allowed"), [((), None), (("http://panel",), "http://panel")])
async def test_only_pages_of_configured_origins_may_read(origins: tuple[str, ...], allowed: str | None) -> None:
    answer = await ask("/health", *UP, api=Api(cors_origins=origins), origin="http://panel")
    assert answer.headers.get("access-control-allow-origin") == allowed
    other = await ask("/health", *UP, api=Api(cors_origins=origins), origin="http://other")
    assert "access-control-allow-origin" not in other.headers
