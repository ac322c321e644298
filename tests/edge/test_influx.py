from __future__ import annotations

import gc
import gzip
import json
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme

from ingest.config.secrets import read_secret
from ingest.core.influx_answer import CHECK_BUCKET, CHECK_URL, check_token
from ingest.core.influx_server import QUESTION
from ingest.core.secret import MASK, Secret
from ingest.core.store import Batch, Delivered, Keep
from ingest.edge.influx import Address, Influx, open_influx
from ingest.edge.influx_client import LONGEST
from ingest.errors import Refused, Transient
from ingest.runtime.lane import ThreadLane
from tests.edge.answering import Peer, Reply, Request, Script, answering, saying
from tests.edge.refusing import batch
from tests.live.lab import free_port
from tests.support.marked import secret

TOKEN = secret("influxdb") + "=="
LINES = [b"m,a=b v=1 1", b"m,a=b v=2 2"]


def reply(status: int, message: str) -> Reply:
    return Reply.json(status, {"code": "some code", "message": message})


NO_BUCKET = reply(404, 'bucket "home" not found')


@asynccontextmanager
async def influx(url: str, **settings: Any) -> AsyncGenerator[Influx]:
    address = Address(url, Secret(TOKEN), settings.pop("org", "homeiq"), "home", **settings)
    async with open_influx(address, ThreadLane(), time.time_ns) as opened:
        yield opened


def always(status: int, body: bytes = b"", **headers: str) -> Script:
    return lambda request: Reply(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


@pytest.fixture
def peer() -> Iterator[Peer]:
    with answering(always(204)) as given:
        yield given


async def test_a_batch_is_sent_as_it_is(peer: Peer) -> None:
    async with influx(peer.url) as database:
        assert await database.deliver(batch(LINES)) == Delivered()
    (request,) = peer.requests
    assert (request.method, request.path) == ("POST", "/api/v2/write")
    assert request.query == {"org": "homeiq", "bucket": "home", "precision": "ns"}
    assert request.headers["content-encoding"] == "gzip"
    assert request.headers["content-type"] == "text/plain; charset=utf-8"
    assert request.headers["authorization"] == f"Token {TOKEN}"
    assert request.body == batch(LINES).payload
    assert gzip.decompress(request.body).splitlines() == LINES


async def test_a_new_token_in_its_file_is_used_at_the_next_request(peer: Peer, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first-token")

    def answer(request: Request) -> Reply:
        return Reply(204) if request.headers["authorization"] == "Token second-token" else reply(401, "not first-token")

    peer.script = answer
    from_file = {"renewed": lambda: read_secret(file), "token_setting": "influxdb.token_file"}
    async with influx(peer.url, **from_file) as database:
        kept = await database.deliver(batch(LINES))
        assert isinstance(kept, Keep)
        assert kept.reason == f"the database answers 401: not {MASK}"
        assert kept.remedy.startswith("Check influxdb.token_file: ")
        file.write_text("second-token\n")
        assert await database.deliver(batch(LINES)) == Delivered()
        file.unlink()
        assert await database.deliver(batch(LINES)) == Delivered()


async def test_an_address_may_have_a_path(peer: Peer) -> None:
    async with influx(f"{peer.url}/insert/0/influx/") as database:
        assert await database.deliver(batch(LINES)) == Delivered()
        assert database.where == f"{peer.url}/insert/0/influx/"
    assert peer.requests[0].path == "/insert/0/influx/api/v2/write"


@pytest.mark.parametrize("status", [200, 204, 301, 400, 401, 403, 404, 413, 422, 429, 500, 503])
async def test_every_status_is_an_answer(peer: Peer, status: int) -> None:
    peer.script = always(status, b"" if status == 204 else b"words", X_Odd="1")
    async with influx(peer.url) as database:
        answer = await database.post(b"x")
    assert (answer.status, answer.text, answer.headers["x-odd"]) == (status, "" if status == 204 else "words", "1")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_nobody_goes_where_an_answer_points_to(peer: Peer, status: int) -> None:
    """Neither the token nor what the home does is for whoever is named there, though it be no address at all."""
    with answering(lambda _: Reply(204)) as elsewhere:
        to_it = f"If that is the database, set influxdb.url to it: {elsewhere.url}"
        for there, remedy in (
            (f"{elsewhere.url}/?token={TOKEN}", to_it),
            (f"http://[{TOKEN}", CHECK_URL),
            ("", CHECK_URL),
        ):
            headers = {"Location": there}
            peer.script = lambda _, headers=headers: Reply(status, b"", headers)  # type: ignore[misc]  # bound now
            async with influx(peer.url) as database:
                verdict = await database.deliver(batch(LINES))
            assert isinstance(verdict, Keep)
            assert (verdict.reason, verdict.remedy) == (f"the database answers {status}", remedy)
        assert elsewhere.requests == []


async def test_an_empty_refusal_is_an_answer_too(peer: Peer) -> None:
    peer.script = always(500)
    async with influx(peer.url) as database:
        assert (await database.post(b"x")).status == 500


async def test_the_servers_wish_to_wait_is_heard(peer: Peer) -> None:
    peer.script = always(503, b"starting", Retry_After="7")
    async with influx(peer.url) as database:
        assert await database.deliver(batch(LINES)) == Keep("the database answers 503: starting", 7.0)


async def test_a_line_that_is_named_is_rejected_and_the_rest_stored(peer: Peer) -> None:
    def script(request: Request) -> Reply:
        bad = LINES[1] in gzip.decompress(request.body)
        return reply(400, f"unable to parse '{LINES[1].decode()}': no") if bad else Reply(204)

    peer.script = script
    async with influx(peer.url) as database:
        verdict = await database.deliver(batch(LINES))
    assert isinstance(verdict, Delivered)
    assert [each.line for each in verdict.rejected] == [LINES[1].decode()]
    assert gzip.decompress(peer.requests[-1].body) == LINES[0] + b"\n"


async def test_a_connection_is_used_again(peer: Peer) -> None:
    async with influx(peer.url) as database:
        for _ in range(3):
            await database.deliver(batch(LINES))
    assert len({request.client for request in peer.requests}) == 1


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"Retry_After": "Mon, 01 Jan 99999999999 00:00:00 GMT"}, b"later"),
        ({"Retry_After": "7", "Date": "Mon, 01 Jan 2026 99999999999:00:00 GMT"}, b"later"),
        ({}, 100_000 * b"["),
    ],
)
async def test_an_odd_answer_is_an_answer(peer: Peer, headers: dict[str, str], body: bytes) -> None:
    peer.script = always(503, body, **headers)
    async with influx(peer.url) as database:
        verdict = await database.deliver(batch(LINES))
        with pytest.raises(Transient):
            await database.check()
    assert isinstance(verdict, Keep)


async def test_organisations_that_make_no_sense_are_none(peer: Peer) -> None:
    peer.script = lambda request: NO_BUCKET if request.method == "POST" else Reply(200, 100_000 * b"[")
    async with influx(peer.url) as database:
        with pytest.raises(Refused, match="could not be created"):
            await database.check()


async def test_only_the_beginning_of_an_answer_without_end_is_read() -> None:
    with answering_without_end() as url:
        async with influx(url) as database:
            answer = await database.post(b"x")
            again = await database.post(b"x")
    assert (answer.status, answer.text) == (again.status, again.text)
    assert (answer.status, answer.text[:2], len(answer.text.encode())) == (503, "üü", LONGEST)


@contextmanager
def answering_without_end() -> Iterator[str]:
    """A server that answers until its client has gone; the URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(503)
            self.end_headers()
            with suppress(OSError):
                while True:
                    self.wfile.write("ü".encode() * 100_000)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  http.server's name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


# ---- no answer at all ----------------------------------------------------------------------------------------------


async def test_nobody_there() -> None:
    async with influx(f"http://user:pass@127.0.0.1:{free_port()}?x=1") as database:
        verdict = await database.deliver(batch(LINES))
        with pytest.raises(Transient) as caught:
            await database.check()
    assert verdict == Keep("the database cannot be reached: Connection refused")
    assert "pass" not in str(caught.value)
    assert "http://127.0.0.1" in str(caught.value)


async def test_an_attempt_in_vain_keeps_nothing_of_the_batch() -> None:
    """Python looks for garbage seldom, and an outage is long."""
    payload = bytes(1000)
    async with influx(f"http://127.0.0.1:{free_port()}") as database:
        gc.collect()
        gc.disable()
        try:
            before = sys.getrefcount(payload)
            for _ in range(3):
                assert isinstance(await database.deliver(Batch(payload, 1, 1000, 1, 1)), Keep)
            await database.lane(int)  # the thread forgets what it did when it does something else
            assert sys.getrefcount(payload) == before
        finally:
            gc.enable()


async def test_no_such_host() -> None:
    async with influx("http://no-such-host.invalid") as database:
        verdict = await database.deliver(batch(LINES))
    assert isinstance(verdict, Keep)
    assert verdict.reason.startswith("the database cannot be reached: ")
    assert (verdict.remedy, "object at" in verdict.reason) == ("", False)


async def test_a_server_that_hangs_up(peer: Peer) -> None:
    peer.script = lambda request: None
    async with influx(peer.url) as database:
        verdict = await database.deliver(batch(LINES))
    assert isinstance(verdict, Keep)
    assert "Remote end closed connection" in verdict.reason


@pytest.mark.parametrize("said", [b"", b"\x15\x03\x01\x00\x02\x02\x46"], ids=["nothing", "an alert"])
async def test_a_server_of_tls_that_is_asked_without_it(said: bytes) -> None:
    with saying(said) as url:
        async with influx(url) as database:
            with pytest.raises(Transient, match="If a browser shows https:// there, write that") as caught:
                await database.check()
    assert caught.value.what.isprintable()


async def test_a_server_that_says_nothing(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.edge.influx_client.SOCKET_TIMEOUT", 0.05)
    done = threading.Event()
    peer.script = lambda request: Reply(204) if done.wait(5) else None
    async with influx(peer.url) as database:
        verdict = await database.deliver(batch(LINES))
    done.set()
    assert isinstance(verdict, Keep)
    assert "timed out" in verdict.reason


async def test_an_answer_that_is_no_text(peer: Peer) -> None:
    peer.script = always(502, "Böse".encode("latin-1"))
    async with influx(peer.url) as database:
        verdict = await database.deliver(batch(LINES))
    assert isinstance(verdict, Keep)
    assert verdict.reason == "the database answers 502: B\ufffdse"


async def test_what_a_proxy_says_of_too_large_a_request_is_understood_in_any_alphabet(peer: Peer) -> None:
    stored: list[bytes] = []

    def answer(request: Request) -> Reply:
        lines = gzip.decompress(request.body).splitlines()
        if len(lines) > 1:
            return Reply(413, "<html>Anforderungsentität zu groß</html>".encode("latin-1"))
        stored.extend(lines)
        return Reply(204)

    peer.script = answer
    async with influx(peer.url) as database:
        assert await database.deliver(batch(LINES)) == Delivered()
    assert sorted(stored) == sorted(LINES)


# ---- TLS -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def secure(authority: trustme.CA) -> Iterator[Peer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with answering(always(204), context) as given:
        yield given


async def test_an_unknown_authority_is_refused_with_the_remedy(secure: Peer) -> None:
    async with influx(secure.url) as database:
        with pytest.raises(Refused, match=r"certificate is not trusted: .*influxdb\.ca_file"):
            await database.check()
        assert isinstance(await database.deliver(batch(LINES)), Keep)
    assert secure.requests == []


async def test_an_authority_of_ones_own_is_trusted(secure: Peer, authority: trustme.CA, tmp_path: Path) -> None:
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    async with influx(secure.url, ca_file=tmp_path / "ca.pem") as database:
        assert await database.deliver(batch(LINES)) == Delivered()


async def test_verification_is_off_only_when_told(secure: Peer) -> None:
    async with influx(secure.url, ssl_verify=False) as database:
        assert await database.deliver(batch(LINES)) == Delivered()


@pytest.mark.parametrize("said", [b"", bytes.fromhex("160303")])
async def test_a_port_forward_whose_server_is_down_passes(said: bytes) -> None:
    with saying(said) as url:
        async with influx(url.replace("http", "https")) as database:
            with pytest.raises(Transient, match="cannot be reached: the TLS connection was ended"):
                await database.check()


async def test_a_peer_that_refuses_tls_does_speak_it() -> None:
    with saying(bytes.fromhex("15030300020250")) as url:
        async with influx(url.replace("http", "https")) as database:
            with pytest.raises(Refused, match="the database refuses TLS with us: internal error"):
                await database.check()


async def test_https_to_a_plain_port(peer: Peer) -> None:
    async with influx(peer.url.replace("http://", "https://")) as database:
        with pytest.raises(Refused, match="does not speak TLS"):
            await database.check()


@pytest.mark.parametrize("content", [None, "no certificate"])
async def test_a_ca_file_that_cannot_be_used(peer: Peer, tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    async with influx(peer.url, ca_file=path) as database:
        with pytest.raises(Refused, match="CA file cannot be used") as caught:
            await database.check()
    assert caught.value.where == str(path)


# ---- check ---------------------------------------------------------------------------------------------------------


async def test_a_database_that_takes_writes_is_recognised(peer: Peer) -> None:
    peer.script = lambda request: Reply(204, b"", {"X-Influxdb-Version": "v2.7.1"})
    async with influx(peer.url) as database:
        assert str(await database.check()) == "InfluxDB 2 2.7.1"
    asked, ping = peer.requests
    assert (asked.method, asked.path, asked.body) == ("POST", "/api/v2/write", QUESTION)
    assert asked.headers["content-encoding"] == "identity"
    assert (ping.method, ping.path) == ("GET", "/ping")


@pytest.mark.parametrize(
    ("answer", "remedy"),
    [
        (reply(401, "unauthorized access"), check_token()),
        (reply(403, "insufficient permissions for write"), check_token()),
        (NO_BUCKET, CHECK_BUCKET),
        (Reply(404, b"404 page not found"), CHECK_URL),
        (Reply(200, b"<!doctype html><title>Influx</title>", {"Content-Type": "text/html"}), CHECK_URL),
    ],
)
async def test_what_a_person_must_mend_is_one_message_with_the_remedy(peer: Peer, answer: Reply, remedy: str) -> None:
    peer.script = lambda request: answer
    async with influx(peer.url, create_bucket=False) as database:
        with pytest.raises(Refused) as caught:
            await database.check()
        verdict = await database.deliver(batch(LINES))
    assert isinstance(verdict, Keep)
    assert caught.value.remedy == verdict.remedy == remedy
    assert peer.url in str(caught.value)


async def test_no_message_holds_the_token(peer: Peer) -> None:
    peer.script = lambda request: reply(401, f"the token {TOKEN} is not known")
    async with influx(peer.url) as database:
        with pytest.raises(Refused, match=f"the token {MASK.replace('*', '.')} is not known") as caught:
            await database.check()
        verdict = await database.deliver(batch(LINES))
        assert TOKEN not in repr(database)
    assert TOKEN not in str(caught.value)
    assert TOKEN not in repr(verdict)


@pytest.mark.parametrize("token", ["s3cret\n", "s3cré™t", "s3cret\x00"])
async def test_a_token_that_no_header_can_hold_is_refused_unseen(peer: Peer, token: str) -> None:
    address = Address(peer.url, Secret(token), "homeiq", "home")
    async with open_influx(address, ThreadLane(), time.time_ns) as database:
        with pytest.raises(Refused, match="the token holds characters") as caught:
            await database.check()
        assert isinstance(await database.deliver(batch(LINES)), Keep)
    assert "s3cr" not in str(caught.value)
    assert peer.requests == []


class Buckets:
    """The part of InfluxDB 2 that knows buckets."""

    def __init__(self, *, may_create: bool = True, org: str = "homeiq") -> None:
        self.names: list[str] = []
        self.bodies: list[dict[str, Any]] = []
        self.may_create, self.org = may_create, org

    def __call__(self, request: Request) -> Reply:
        match request.path:
            case "/api/v2/write":
                return Reply(204) if request.query["bucket"] in self.names else NO_BUCKET
            case "/api/v2/orgs":
                known = request.query.get("org") == self.org or request.query.get("orgID") == "0a" * 8
                return (
                    Reply.json(200, {"orgs": [{"id": "0a" * 8, "name": self.org}]}) if known else reply(404, "no org")
                )
            case "/api/v2/buckets" if self.may_create:
                self.bodies.append(json.loads(request.body))
                self.names.append(self.bodies[-1]["name"])
                return Reply.json(201, self.bodies[-1])
        return reply(403, "insufficient permissions")


async def test_a_missing_bucket_is_created_when_asked_for(peer: Peer) -> None:
    peer.script = buckets = Buckets()
    async with influx(peer.url, retention=86_400.0) as database:
        await database.check()
    rules = [{"type": "expire", "everySeconds": 86_400}]
    assert buckets.bodies == [{"name": "home", "orgID": "0a" * 8, "retentionRules": rules}]


async def test_a_bucket_is_made_in_an_organisation_that_is_named_by_its_id(peer: Peer) -> None:
    peer.script = buckets = Buckets()
    async with influx(peer.url, org="0a" * 8) as database:
        await database.check()
    assert [each["orgID"] for each in buckets.bodies] == ["0a" * 8]
    peer.script = buckets = Buckets(org="1b" * 8)
    async with influx(peer.url, org="1b" * 8) as database:
        await database.check()
    assert [each["orgID"] for each in buckets.bodies] == ["0a" * 8]


async def test_a_bucket_that_vanishes_is_created_by_the_next_write(peer: Peer) -> None:
    peer.script = buckets = Buckets()
    async with influx(peer.url) as database:
        assert await database.deliver(batch(LINES)) == Delivered()
    assert buckets.bodies == [{"name": "home", "orgID": "0a" * 8, "retentionRules": []}]


async def test_organisations_that_cannot_be_read_create_no_bucket(peer: Peer) -> None:
    def script(request: Request) -> Reply:
        if request.path == "/api/v2/orgs":
            return Reply(200, b"<html>")
        if request.path == "/api/v2/buckets":
            return reply(400, f"no organisation {json.loads(request.body)['orgID']!r}")
        return NO_BUCKET

    peer.script = script
    async with influx(peer.url) as database:
        assert isinstance(await database.deliver(batch(LINES)), Keep)
        with pytest.raises(Refused, match="no organisation ''"):
            await database.check()


@pytest.mark.parametrize(
    ("buckets", "remedy"), [(Buckets(may_create=False), check_token()), (Buckets(org="another"), CHECK_BUCKET)]
)
async def test_a_bucket_that_cannot_be_created(peer: Peer, buckets: Buckets, remedy: str) -> None:
    peer.script = buckets
    async with influx(peer.url) as database:
        with pytest.raises(Refused, match='no bucket "home", and it could not be created') as caught:
            await database.check()
        verdict = await database.deliver(batch(LINES))
    assert caught.value.remedy == remedy
    assert isinstance(verdict, Keep)
    assert verdict.remedy == CHECK_BUCKET


async def test_no_bucket_is_created_unless_it_may_be(peer: Peer) -> None:
    peer.script = buckets = Buckets()
    async with influx(peer.url, create_bucket=False) as database:
        with pytest.raises(Refused):
            await database.check()
        assert isinstance(await database.deliver(batch(LINES)), Keep)
    assert buckets.bodies == []


def test_the_client_is_imported_only_when_it_is_used() -> None:
    program = "import sys, ingest.edge.influx; sys.exit('influxdb_client' in sys.modules or 'urllib3' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
