"""The service against a data-api on a real port: what is posted is what the contract says, whatever happens to both."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from attrs import define, evolve

from ingest.actors import publisher
from ingest.cli.service import serve
from ingest.config.settings import Settings
from ingest.core import reports
from ingest.core.reports import Report
from ingest.core.secret import Secret
from ingest.core.urls import websocket_url
from tests.edge.answering import Peer, Reply
from tests.integration.test_publishing import check_told
from tests.support.data_api import KEY, DataApi
from tests.support.homes import TOKEN, Running, running_home


@pytest.fixture(scope="module")
def home() -> Iterator[Running]:
    with running_home() as running:
        yield running


def port_of(peer: Peer) -> int:
    return int(peer.url.rpartition(":")[2])


@define
class Service:
    folder: Path
    home: Running
    url: str
    emitted: list[Report]
    stop: trio.Event

    @property
    def key_file(self) -> Path:
        return self.folder / "key"

    async def until(self, met: Callable[[], object]) -> None:
        with trio.fail_after(20):
            while not met():  # noqa: ASYNC110  what a thread does has no event
                await trio.sleep(0.01)

    def of(self, kind: type[Any]) -> list[Any]:
        return [each for each in self.emitted if isinstance(each, kind)]

    async def published(self, times: int = 1) -> None:
        await self.until(lambda: len(self.of(reports.Published)) >= times)

    async def trigger(self, query: str = "") -> httpx.Response:
        """As HomeIQ's dashboard does."""
        await self.until(lambda: self.of(reports.Listening) and self.of(reports.CatalogLoaded))
        where = self.of(reports.Listening)[-1].where
        async with httpx.AsyncClient(base_url=where, trust_env=False, timeout=20) as client:
            return await client.post(f"/api/v1/discovery/trigger{query}")


@asynccontextmanager
async def service(folder: Path, home: Running, url: str, key: str = KEY) -> AsyncGenerator[Service]:
    plain, emitted, stop = Settings(), list[Report](), trio.Event()
    running = Service(folder, home, url, emitted, stop)
    running.key_file.write_text(key)
    settings = evolve(
        plain,
        home_assistant=evolve(plain.home_assistant, url=websocket_url(home.url), token=Secret(TOKEN)),
        data_api=evolve(plain.data_api, url=url, api_key_file=running.key_file, api_key=Secret(key)),
        embedded=evolve(plain.embedded, path=folder / "home.db"),
        spool=evolve(plain.spool, path=folder / "state.db"),
        api=evolve(plain.api, port=0),
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve, settings, (emitted.append,), stop)
        yield running
        stop.set()
    said = " ".join(f"{each.text()} {each!r}" for each in emitted)
    assert not [secret for secret in (KEY, "the-wrong-key") if secret in said]


async def test_what_is_posted_is_what_the_contract_says_and_a_restart_posts_the_same(
    tmp_path: Path, home: Running
) -> None:
    data_api = DataApi()
    with data_api.serving() as peer:
        for _ in range(2):
            async with service(tmp_path, home, peer.url) as it:
                await it.published()
            check_told(data_api, home.server.home)
            data_api.restart_empty()
        before = data_api.requests.copy()
        async with service(tmp_path, home, peer.url) as it:
            await it.published()
            answer = await it.trigger()
            assert data_api.requests.total() - before.total() == 3
            data_api.restart_empty()
            assert (await it.trigger("?everything=true")).status_code == 200
        check_told(data_api, home.server.home)
    assert data_api.requests.total() - before.total() == 6
    assert {(each.method, each.headers["authorization"]) for each in peer.requests} == {("POST", f"Bearer {KEY}")}
    assert answer.status_code == 200
    told = answer.json()
    assert (told["devices_discovered"], told["entities_discovered"]) == (len(data_api.devices), len(data_api.entities))


async def test_a_data_api_that_is_not_there_yet_and_goes_away_is_told_in_the_end(tmp_path: Path, home: Running) -> None:
    data_api = DataApi()
    with data_api.serving() as peer:
        port = port_of(peer)
    async with service(tmp_path, home, f"http://127.0.0.1:{port}") as it:
        await it.until(lambda: it.of(reports.DataApiWaiting))
        assert "Connection refused" in it.of(reports.DataApiWaiting)[0].reason
        with data_api.serving(port):
            assert (await it.trigger()).status_code == 200
            check_told(data_api, home.server.home)
        moved = next(iter(data_api.entities))
        await trio.to_thread.run_sync(home.do, lambda: home.server.instance.move(moved, area_id="elsewhere"))
        await it.until(lambda: len([each for each in it.of(reports.DataApiWaiting) if not each.again]) == 2)
        with data_api.serving(port):
            assert (await it.trigger()).status_code == 200
            check_told(data_api, home.server.home)


async def test_through_every_kind_of_failure_it_is_told_in_the_end(
    tmp_path: Path, home: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher, "POST", 0.3)
    monkeypatch.setattr(publisher, "REFUSED_DELAY", 0.1)
    monkeypatch.setattr(publisher, "CAP", 0.2)
    replies = [
        Reply.json(500, {"detail": "database is locked"}),
        Reply(503, b"starting", {"Retry-After": "0"}),
        Reply(502, b"<html>Bad Gateway</html>", {"Content-Type": "text/html"}),
        Reply(200, b"<html>Welcome</html>", {"Content-Type": "text/html"}),
        Reply.json(401, {"detail": "Invalid API key"}),
        Reply(301, b"", {"Location": "http://127.0.0.1:9/"}),
        Reply.json(422, {"detail": [{"msg": "field required"}]}),
    ]
    data_api = DataApi(keeps_services=False, failing=lambda *_: replies.pop(0) if replies else None)
    data_api.hanging.set()
    with data_api.serving() as peer:
        async with service(tmp_path, home, peer.url) as it:
            await it.until(lambda: it.of(reports.DataApiWaiting))
            assert "did not answer" in it.of(reports.DataApiWaiting)[0].reason
            data_api.hanging.clear()
            data_api.released.set()
            await it.published()
            assert replies == []
            check_told(data_api, home.server.home, services=False)
            assert it.of(reports.EntryRefused) == []


async def test_a_wrong_key_is_said_once_and_mended_by_writing_the_right_one(tmp_path: Path, home: Running) -> None:
    data_api = DataApi()
    with data_api.serving() as peer:
        async with service(tmp_path, home, peer.url, "the-wrong-key") as it:
            await it.until(lambda: it.of(reports.DataApiWaiting))
            (refused,) = it.of(reports.DataApiWaiting)
            assert "data_api.api_key_file" in refused.remedy
            assert data_api.devices == {}
            it.key_file.write_text(KEY)
            assert (await it.trigger()).status_code == 200
        check_told(data_api, home.server.home)


async def test_without_a_connection_nothing_can_be_triggered(tmp_path: Path) -> None:
    with running_home() as gone:
        pass
    async with service(tmp_path, gone, "http://127.0.0.1:9") as it:
        await it.until(lambda: it.of(reports.Listening))
        async with httpx.AsyncClient(base_url=it.of(reports.Listening)[0].where, trust_env=False) as client:
            answer = await client.post("/api/v1/discovery/trigger")
    assert (answer.status_code, answer.json()["success"]) == (503, False)
