"""`init` in a terminal: what a person typed once stays typed, and only what was wrong is asked for again."""

from __future__ import annotations

import queue
import ssl
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest
import trio
import trustme
from attrs import field, frozen
from click.testing import CliRunner, Result

from ingest.cli.main import main
from tests.edge.answering import Reply, Request, answering
from tests.support.homes import TOKEN, Running, running_home

SECRET = "the-token-of-the-database"
NOWHERE = "http://127.0.0.1:9"
ONE = {"X-Influxdb-Version": "1.8.10"}


@pytest.fixture(scope="module")
def home() -> Iterator[Running]:
    with running_home() as running:
        yield running


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.cli.init.LIKELY", (NOWHERE,))
    monkeypatch.setattr("ingest.cli.init._interactive", lambda: True)


@contextmanager
def behind_tls(port: int, folder: Path) -> Iterator[str]:
    """What listens on that port, behind a proxy that speaks TLS, as `localhost`; its authority is `ca.pem`. Host and port."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(folder / "ca.pem")

    async def pipe(source: trio.abc.Stream, sink: trio.abc.Stream) -> None:
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            async for data in source:
                await sink.send_all(data)
        await trio.aclose_forcefully(sink)

    async def passed_on(stream: trio.SSLStream[trio.SocketStream]) -> None:
        with suppress(trio.BrokenResourceError):  # whoever asks without TLS
            await stream.do_handshake()
            async with await trio.open_tcp_stream("127.0.0.1", port) as behind, trio.open_nursery() as nursery:
                nursery.start_soon(pipe, stream, behind)
                nursery.start_soon(pipe, behind, stream)

    async def serve(told: queue.Queue[tuple[int, trio.lowlevel.TrioToken, trio.CancelScope]]) -> None:
        async with trio.open_nursery() as nursery:
            listeners = await nursery.start(
                partial(trio.serve_ssl_over_tcp, passed_on, 0, context, host="127.0.0.1", https_compatible=True)
            )
            at = listeners[0].transport_listener.socket.getsockname()[1]
            told.put((at, trio.lowlevel.current_trio_token(), nursery.cancel_scope))

    known: queue.Queue[tuple[int, trio.lowlevel.TrioToken, trio.CancelScope]] = queue.Queue()
    thread = threading.Thread(target=trio.run, args=(serve, known), daemon=True)
    thread.start()
    at, token, scope = known.get(timeout=20)
    try:
        yield f"localhost:{at}"
    finally:
        token.run_sync_soon(scope.cancel)
        thread.join(timeout=20)


def init(output: Path, *typed: str, flags: tuple[str, ...] = ()) -> Result:
    environ = {"HOMEIQ_INGEST_CONFIG": "", "XDG_CONFIG_HOME": "/nonexistent", "NO_COLOR": "1"}
    given = ["init", "--output", str(output), *flags]
    return CliRunner().invoke(main, given, input="".join(f"{each}\n" for each in typed), env=environ)


def in_file(path: Path, section: str) -> dict[str, str]:
    found = tomllib.loads(path.read_text())[section]
    assert isinstance(found, dict)
    return found


@frozen
class Base:
    """A database as InfluxDB answers, 2 or 1.8, that makes no buckets."""

    org: str = "Familie"
    buckets: set[str] = field(factory=lambda: {"zuhause"})
    token: str = SECRET
    one: bool = False

    def __call__(self, request: Request) -> Reply | None:
        headers = ONE if self.one else {"X-Influxdb-Version": "2.7.1"}
        if request.path == "/ping":
            return Reply(204, headers=headers)
        if request.headers.get("authorization") != f"Token {self.token}":
            return Reply(401, b'{"error":"authorization failed"}', headers)
        if request.path != "/api/v2/write":
            return Reply.json(403, {"message": "insufficient permissions"})
        bucket = request.query["bucket"]
        if not self.one and request.query["org"] != self.org:
            return Reply.json(404, {"message": f'organization name "{request.query["org"]}" not found'})
        if bucket not in self.buckets:
            said = (
                {"error": f'database not found: "{bucket}"'}
                if self.one
                else {"message": f'bucket "{bucket}" not found'}
            )
            return Reply.json(404, said)
        return Reply(204, headers=headers)


def test_organisation_and_bucket_are_asked_for_where_the_usual_ones_are_not_there(
    tmp_path: Path, home: Running
) -> None:
    output = tmp_path / "config.toml"
    with answering(Base()) as peer:
        result = init(output, home.url, TOKEN, peer.url, SECRET, "Familie", "", "", "zuhause")
    assert result.exit_code == 0, result.output
    assert "Its organisation [homeiq]: Familie\nIts bucket [home_assistant_events]: \n" in result.output
    assert 'there is no bucket "home_assistant_events"' in result.output
    assert "Its organisation [Familie]: \nIts bucket [home_assistant_events]: zuhause\n" in result.output
    for once in ("Address of Home Assistant", "Token of Home Assistant", "Address of InfluxDB", "Its token"):
        assert result.output.count(once) == 1
    wanted = {"url": peer.url, "token": SECRET, "org": "Familie", "bucket": "zuhause"}
    assert in_file(output, "influxdb") == wanted
    assert in_file(output, "home_assistant")["token"] == TOKEN


def test_a_bucket_that_was_made_meanwhile_is_taken_as_it_is(tmp_path: Path, home: Running) -> None:
    output, base = tmp_path / "config.toml", Base("homeiq")

    def script(request: Request) -> Reply | None:
        reply = base(request)
        if request.path == "/api/v2/write":
            base.buckets.add("home_assistant_events")
        return reply

    with answering(script) as peer:
        result = init(output, home.url, TOKEN, peer.url, SECRET, "", "")
    assert result.exit_code == 0, result.output


def test_another_address_is_asked_for_where_organisation_and_bucket_are_meant(tmp_path: Path, home: Running) -> None:
    output = tmp_path / "config.toml"
    with answering(Base()) as other, answering(Base("homeiq", {"home_assistant_events"})) as peer:
        result = init(output, home.url, TOKEN, other.url, SECRET, "", "", peer.url, SECRET)
    assert result.exit_code == 0, result.output
    assert result.output.count("Token of Home Assistant") == 1
    assert in_file(output, "influxdb")["url"] == peer.url


def test_the_token_of_influxdb_1_is_said_and_asked_for_again_alone(tmp_path: Path, home: Running) -> None:
    output = tmp_path / "config.toml"
    with answering(Base(buckets={"homeassistant"}, token="me:secret", one=True)) as peer:
        typed = ["secret", "", peer.url, "geheim", "me:secret", "", "homeassistant"]
        result = init(output, home.url, TOKEN, peer.url, *typed)
    assert result.exit_code == 0, result.output
    assert result.output.count("for InfluxDB 1 it is USER:PASSWORD, of a user who may write to the database.") == 2
    assert result.output.count("Another token (not shown; Enter alone: another address)") == 2
    assert result.output.count("Address of InfluxDB") == 2, "once more where Enter alone was typed"
    assert "me:secret" not in result.output
    found = in_file(output, "influxdb")
    assert (found["token"], found["bucket"]) == ("me:secret", "homeassistant")


def test_a_database_that_flags_give_is_not_asked_about(tmp_path: Path, home: Running) -> None:
    output, token = tmp_path / "config.toml", tmp_path / "token"
    token.write_text(SECRET)
    with answering(Base()) as peer:
        flags = ("--database", peer.url, "--database-token-file", str(token))
        result = init(output, home.url, TOKEN, flags=flags)
        assert (result.exit_code, output.exists()) == (2, False)
        assert "check influxdb.org and influxdb.bucket" in result.output
        token.write_text("wrong")
        assert init(output, home.url, TOKEN, flags=flags).exit_code == 2
        result = init(output, home.url, TOKEN, "wrong", SECRET, "Familie", "zuhause", flags=flags[:2])
    assert result.exit_code == 0, result.output
    assert "Another token (not shown): " in result.output


@pytest.mark.parametrize("by", ["typed", "flag", "proposed"])
def test_an_address_without_a_scheme_may_be_one_of_https(
    tmp_path: Path, home: Running, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    output = tmp_path / "config.toml"
    with behind_tls(home.port, tmp_path) as place:
        flags: tuple[str, ...] = ("--ca-file", str(tmp_path / "ca.pem"))
        typed = [TOKEN, ""] if by == "flag" else [place if by == "typed" else "", TOKEN, ""]
        if by == "proposed":
            monkeypatch.setattr("ingest.cli.init.LIKELY", (NOWHERE, f"http://{place}"))
        flags += ("--url", place) if by == "flag" else ()
        result = init(output, *typed, flags=flags)
    assert result.exit_code == 0, result.output
    assert in_file(output, "home_assistant")["url"] == f"https://{place}"
    assert result.output.count("Token of Home Assistant") == 1


def test_an_address_without_a_scheme_is_one_of_http_where_that_answers(tmp_path: Path, home: Running) -> None:
    output = tmp_path / "config.toml"
    assert init(output, home.url.removeprefix("http://"), TOKEN, "").exit_code == 0
    assert in_file(output, "home_assistant")["url"] == home.url


def test_a_certificate_that_is_not_trusted_is_said_of_the_address_with_https(tmp_path: Path, home: Running) -> None:
    with behind_tls(home.port, tmp_path) as place:
        result = init(tmp_path / "config.toml", place, TOKEN)
    assert result.exit_code == 1
    assert f"asking https://{place} …\n  the TLS certificate is not trusted" in result.output


@pytest.mark.parametrize("address", ["home:abc", "[", "a b", "home:99999"])
def test_what_is_no_address_is_asked_for_again(tmp_path: Path, home: Running, address: str) -> None:
    result = init(tmp_path / "config.toml", address, home.url, TOKEN, "")
    assert result.exit_code == 0, result.output
    assert result.output.count("Once more, or Ctrl-C.") == 1
