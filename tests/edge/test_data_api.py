"""data-api over real sockets: what is sent, and what becomes of everything that may go wrong."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
import trustme
from attrs import evolve

from ingest.cli.data_api import opened_data_api
from ingest.config.settings import Settings
from ingest.core.data_api_answer import CHECK_KEY, CHECK_KEY_FILE, CHECK_URL
from ingest.core.secret import MASK, Secret
from ingest.edge.data_api import LONGEST, DataApi, open_data_api
from ingest.errors import IngestError, Refused, Transient
from tests.edge.answering import Reply, answering, saying

SECRET = "a-key-that-nobody-may-see"
BODY = b'[{"id":"d1"}]'


def key() -> Secret:
    return Secret(SECRET)


@asynccontextmanager
async def opened(url: str, given: Callable[[], Secret | None] = key) -> AsyncGenerator[DataApi]:
    with trio.fail_after(20):
        async with open_data_api(url, given) as data_api:
            yield data_api


async def failure(url: str, given: Callable[[], Secret | None] = key) -> IngestError:
    async with opened(url, given) as data_api:
        with pytest.raises(IngestError) as caught:
            await data_api.post("/internal/devices/bulk_upsert", BODY)
    texts = [str(caught.value), repr(caught.value), repr(caught.value.__cause__), repr(caught.value.__context__)]
    assert not [text for text in texts if SECRET in text]
    return caught.value


async def test_a_request_is_what_the_contract_says() -> None:
    with answering(lambda _: Reply.json(200, {"success": True})) as peer:
        async with opened(f"{peer.url}/") as data_api:
            answer = await data_api.post("/internal/devices/bulk_upsert", BODY)
            assert data_api.where == peer.url
    (request,) = peer.requests
    assert (request.method, request.path, request.query) == ("POST", "/internal/devices/bulk_upsert", {})
    assert request.body == BODY
    assert request.headers["authorization"] == f"Bearer {SECRET}"
    assert request.headers["content-type"] == "application/json"
    assert (answer.status, answer.text) == (200, '{"success": true}')
    assert answer.headers["content-type"].startswith("application/json")


async def test_nothing_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("machine localhost login me password another\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with answering(lambda _: Reply(200)) as peer:
        async with opened(peer.url, lambda: None) as data_api:
            await data_api.post("/x", BODY)
    assert "authorization" not in peer.requests[0].headers


async def test_a_connection_is_kept_and_the_key_read_anew() -> None:
    keys = iter(["first", "second"])
    with answering(lambda _: Reply(200)) as peer:
        async with opened(peer.url, lambda: Secret(next(keys))) as data_api:
            await data_api.post("/x", BODY)
            await data_api.post("/x", BODY)
    assert [each.headers["authorization"] for each in peer.requests] == ["Bearer first", "Bearer second"]
    assert len({each.client for each in peer.requests}) == 1


@pytest.mark.parametrize("status", [204, 302, 401, 404, 500, 503])
async def test_every_status_is_an_answer(status: int) -> None:
    with answering(lambda _: Reply(status, b"", {"Retry-After": "7", "Location": "/elsewhere"})) as peer:
        async with opened(peer.url) as data_api:
            answer = await data_api.post("/x", BODY)
    assert (answer.status, answer.headers["retry-after"], len(peer.requests)) == (status, "7", 1)


async def test_a_server_that_repeats_the_key_does_not_spread_it() -> None:
    with answering(lambda request: Reply(401, request.headers["authorization"].encode())) as peer:
        async with opened(peer.url) as data_api:
            assert (await data_api.post("/x", BODY)).text == f"Bearer {MASK}"


@pytest.mark.parametrize("text", ["", "schlüssel", "line\nbreak", "tab\t"])
async def test_a_key_that_no_header_can_hold_is_said_and_not_shown(text: str) -> None:
    with answering(lambda _: Reply(200)) as peer:
        error = await failure(peer.url, lambda: Secret(text))
    assert isinstance(error, Refused)
    assert error.remedy == CHECK_KEY
    assert text == "" or text not in str(error)
    assert peer.requests == []


async def test_nobody_there() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        error = await failure(f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert isinstance(error, Transient)
    assert error.what == "data-api cannot be reached: Connection refused"


async def test_a_name_that_nobody_has() -> None:
    error = await failure("http://no-such-host.invalid")
    assert isinstance(error, Transient)
    assert error.what.startswith("data-api cannot be reached: ")


@pytest.mark.parametrize("url", ["http://a..b", f"http://{'x' * 70}.test"])
async def test_an_address_that_is_none(url: str) -> None:
    error = await failure(url)
    assert isinstance(error, Refused)
    assert error.remedy == CHECK_URL


@pytest.mark.parametrize(
    "pieces",
    [
        (b"",),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",),
        (b"SSH-2.0-OpenSSH_9.2\r\n",),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",),
    ],
)
async def test_a_connection_that_breaks_off(pieces: tuple[bytes, ...]) -> None:
    with saying(*pieces) as url:
        error = await failure(url)
    assert isinstance(error, Transient)
    assert error.what.startswith("data-api broke the connection off: ")


async def test_an_answer_without_an_end_is_cut() -> None:
    with saying(b"HTTP/1.1 500 Oh\r\n\r\n", b"x" * 8192, forever=True) as url:
        async with opened(url) as data_api:
            assert len((await data_api.post("/x", BODY)).text) == LONGEST


async def test_silence_is_cut_by_the_callers_deadline_and_the_next_request_goes_through() -> None:
    release = threading.Event()

    def hang(_: object) -> Reply:
        if not release.is_set():
            release.wait(20)
        return Reply(200, b"now")

    with answering(hang) as peer:
        async with opened(peer.url) as data_api:
            with trio.move_on_after(0.3) as scope:
                await data_api.post("/x", BODY)
            assert scope.cancelled_caught
            release.set()
            assert (await data_api.post("/x", BODY)).text == "now"


def served(authority: trustme.CA, host: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host).configure_cert(context)
    return context


async def test_a_certificate_that_is_not_trusted() -> None:
    with answering(lambda _: Reply(200), served(trustme.CA(), "localhost")) as peer:
        error = await failure(peer.url)
    assert isinstance(error, Refused)
    assert error.what.startswith("the certificate of data-api is not trusted: ")


async def test_tls_where_there_is_none() -> None:
    with saying(b"HTTP/1.1 400 Bad Request\r\n\r\n") as url:
        error = await failure(url.replace("http", "https"))
    assert isinstance(error, Refused)
    assert "does not speak TLS" in error.what


async def test_a_connection_that_ends_before_tls_is_agreed_passes() -> None:
    with saying(b"") as url:
        error = await failure(url.replace("http", "https"))
    assert isinstance(error, Transient)
    assert error.what == "data-api cannot be reached: the TLS connection was ended"


async def test_where_none_is_configured_nothing_is_opened() -> None:
    async with opened_data_api(Settings()) as data_api:
        assert data_api is None


async def test_the_configured_one_has_the_configured_key_and_its_file_is_read_anew(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("k1\n")
    given = evolve(Settings().data_api, url="http://here", api_key=Secret("k1"))
    async with opened_data_api(evolve(Settings(), data_api=given)) as data_api:
        assert data_api is not None
        assert (data_api.key(), data_api.check_key) == (Secret("k1"), CHECK_KEY)
    named = evolve(given, api_key_file=file)
    async with opened_data_api(evolve(Settings(), data_api=named)) as data_api:
        assert data_api is not None
        assert (data_api.key(), data_api.check_key) == (Secret("k1"), CHECK_KEY_FILE)
        file.write_text("k2\n")
        assert data_api.key() == Secret("k2")
        file.unlink()
        with pytest.raises(Refused):
            await data_api.post("/x", BODY)
