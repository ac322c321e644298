"""The status page as an app's: below a prefix, through Home Assistant's ingress, and closed to everybody else."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from urllib.parse import urljoin, urlsplit

import httpx
import pytest
import trio
import trio_websocket
from attrs import frozen

from ingest.web.status_page import POLICY, assets
from tests.support.ingress import APP, FRAME, PREFIX, serve
from tests.web.test_site import CALM, beside, listening, until
from tests.web.test_status_page import BROWSER

HOME = "home.example"
"""By this name the home is reached from outside; nothing of it is configured in the app."""


@frozen
class Open:
    """`inside` is the app itself, `port` the ingress's; `page` is what a browser shows as its address."""

    inside: str
    port: int
    client: httpx.AsyncClient

    @property
    def page(self) -> str:
        return f"http://127.0.0.1:{self.port}{PREFIX}/"

    async def get(self, path: str, accept: str = "application/json") -> httpx.Response:
        return await self.client.get(urljoin(self.page, path), headers={"accept": accept, "host": HOME})


@asynccontextmanager
async def opened() -> AsyncGenerator[Open]:
    async with beside(APP) as (_, emitted, memory, _):
        await until(lambda: listening(emitted) and memory.points)
        inside = listening(emitted)
        async with trio.open_nursery() as nursery, httpx.AsyncClient(**CALM) as client:
            port = await nursery.start(serve, urlsplit(inside).port)
            yield Open(inside, port, client)
            nursery.cancel_scope.cancel()


def named(text: str) -> set[str]:
    """What the page and its scripts load and ask."""
    return set(re.findall(r'(?:src|href)="([^"#]+)"', text)) | set(re.findall(r'(?:answer|list)\("([^"]+)"', text))


def test_nothing_that_the_page_names_begins_at_the_root() -> None:
    for name, asset in assets().items():
        text = asset.content.decode()
        assert not re.search(r"""(?:src|href|action)=["']/""", text), name
        assert not re.search(r"""(?:fetch|answer|list|keep|URL|import|from)\s*\(?\s*["'`]/""", text), name
        assert "location.origin" not in text, name
        assert "location.host" not in text, name


async def test_everything_that_the_page_names_is_answered_below_the_prefix() -> None:
    async with opened() as app:
        page = await app.get("", BROWSER)
        assert page.text.startswith("<!doctype html>")
        assert page.headers["content-type"] == "text/html", "its parameters are lost on the way"
        assert page.headers["content-security-policy"] == POLICY
        names = named(page.text).union(*(named(asset.content.decode()) for asset in assets().values()))
        assert {"assets/app.js", "health/detailed", "api/v1/gaps?limit=200", "metrics"} <= names
        for name in names | {f"assets/{each}" for each in assets()}:
            answer = await app.get(name)
            assert answer.status_code == 200, name
            if name.startswith("assets/"):
                assert answer.content == assets()[name.removeprefix("assets/")].content


async def test_the_page_may_be_in_a_frame_of_its_own_origin_only() -> None:
    async with opened() as app:
        policy = (await app.get("", BROWSER)).headers["content-security-policy"]
        around = await app.client.get(f"http://127.0.0.1:{app.port}/")
    assert "frame-ancestors 'self'" in policy
    assert around.text == FRAME
    assert f'src="{PREFIX}/"' in FRAME


@pytest.mark.parametrize("path", ["ws", "ws/status"])
async def test_live_changes_come_through_by_the_name_of_the_home(path: str) -> None:
    origin = [(b"Origin", f"https://{HOME}".encode())]
    async with (
        opened() as app,
        await trio.open_tcp_stream("127.0.0.1", app.port) as stream,
        trio.open_nursery() as nursery,
    ):
        where = f"{PREFIX}/{path}"
        socket = await trio_websocket.wrap_client_stream(nursery, stream, HOME, where, extra_headers=origin)
        if path == "ws":
            await socket.send_message(json.dumps({"type": "subscribe", "channels": ["*"]}))
        kinds = [json.loads(await socket.get_message())["type"]]
        if path == "ws":
            kinds.append(json.loads(await socket.get_message())["type"])
        nursery.cancel_scope.cancel()
    assert kinds == (["connection", "subscription"] if path == "ws" else ["snapshot"])


async def test_a_foreign_page_has_nothing_done_through_the_ingress() -> None:
    async with opened() as app:
        asked = {"host": HOME, "origin": f"https://{HOME}"}
        trigger = urljoin(app.page, "api/v1/discovery/trigger")
        assert (await app.client.post(trigger, headers=asked)).status_code == 200
        answer = await app.client.post(trigger, headers={**asked, "origin": "https://evil.example"})
    assert answer.status_code == 403


async def test_nobody_else_is_let_in() -> None:
    async with opened() as app:
        lies = {
            "x-ingress-path": PREFIX,
            "x-forwarded-for": "172.30.32.2",
            "x-forwarded-host": HOME,
            "x-hass-source": "x",
        }
        for path in ("/", "/assets/app.js", "/health/detailed", "/metrics", "/api/v1/gaps", "/api/status/house"):
            assert (await app.client.get(app.inside + path, headers=lies)).status_code == 401, path
        for path in ("/health", "/ready"):
            assert (await app.client.get(app.inside + path)).status_code == 200
