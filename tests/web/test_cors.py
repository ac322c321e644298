"""Pages of named origins may ask, with the token; a page of any other may not read, and not do anything."""

from __future__ import annotations

import httpx
import pytest

from ingest.config.service import Api
from ingest.core.secret import Secret
from ingest.web.app import application
from tests.core.test_health import UP, after
from tests.web.test_app import sources

PANEL, OTHER = "http://panel.example:3000", "http://other.example"
TOKEN = Secret("let-me-in")
NAMED = Api(token=TOKEN, cors_origins=(PANEL,))
ANYBODY = Api(token=TOKEN, cors_origins=("*",))
BEARER = {"authorization": "Bearer let-me-in"}


async def ask(method: str, path: str, api: Api, **headers: str) -> httpx.Response:
    transport = httpx.ASGITransport(application(sources(after(*UP)).routes(), api))
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8001") as session:
        return await session.request(method, path, headers=given)


async def preflight(api: Api, origin: str, method: str = "GET", header: str = "authorization") -> httpx.Response:
    asked = {"access_control_request_method": method, "access_control_request_headers": header}
    return await ask("OPTIONS", "/api/v1/event-rate", api, origin=origin, **asked)


@pytest.mark.parametrize(
    ("api", "origin", "method", "header", "status", "allowed"),
    [
        (NAMED, PANEL, "GET", "authorization", 200, PANEL),
        (NAMED, PANEL, "POST", "Authorization", 200, PANEL),
        (NAMED, PANEL, "DELETE", "authorization", 400, PANEL),
        (NAMED, PANEL, "GET", "x-other", 400, PANEL),
        (NAMED, OTHER, "GET", "authorization", 400, None),
        (NAMED, "null", "GET", "authorization", 400, None),
        (ANYBODY, OTHER, "GET", "authorization", 200, "*"),
    ],
)
async def test_a_browser_asks_first_without_the_token_that_it_will_send(
    api: Api, origin: str, method: str, header: str, status: int, allowed: str | None
) -> None:
    answer = await preflight(api, origin, method, header)
    assert (answer.status_code, answer.headers.get("access-control-allow-origin")) == (status, allowed)
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text.startswith("OK" if status == 200 else "Disallowed CORS ")


async def test_without_named_origins_a_browser_that_asks_first_is_told_nothing() -> None:
    answer = await preflight(Api(token=TOKEN), PANEL)
    assert answer.status_code == 401
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("api", [NAMED, ANYBODY])
async def test_no_credentials_of_the_browser_are_ever_asked_for(api: Api) -> None:
    """A token goes by a header that the page sends itself; a password that the browser remembers is not for pages."""
    answers = [await preflight(api, PANEL), await ask("GET", "/health/detailed", api, origin=PANEL, **BEARER)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert not [each for each in answers if "access-control-allow-credentials" in each.headers]


async def test_a_page_may_read_why_it_was_refused() -> None:
    answer = await ask("GET", "/metrics", NAMED, origin=PANEL)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (401, PANEL)


async def test_what_a_page_of_another_origin_is_answered_it_may_not_read() -> None:
    answer = await ask("GET", "/metrics", NAMED, origin=OTHER, **BEARER)
    assert "access-control-allow-origin" not in answer.headers
    refused = await ask("POST", "/api/v1/discovery/trigger", NAMED, origin=OTHER, **BEARER)
    assert refused.status_code == 403


async def test_an_answer_for_one_origin_is_not_kept_for_another() -> None:
    answer = await ask("GET", "/metrics", NAMED, origin=PANEL, **BEARER)
    assert {"origin", "accept"} <= {each.strip().lower() for each in answer.headers["vary"].split(",")}
