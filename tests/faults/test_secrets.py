"""A service with every secret there is, to which everything happens: none of them comes out anywhere."""

from __future__ import annotations

import signal
import socket
import ssl
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
import trustme
from attrs import frozen

from ingest.cli.main import COMMANDS
from tests.edge.answering import answering
from tests.faults.echoing import Echo, echoing_home
from tests.faults.service import Place, Service
from tests.faults.sink import wait_for
from tests.faults.test_strangers import written
from tests.support.homes import TOKEN, Running, running_home
from tests.support.marked import leaks, secret
from tests.support.overheard import left_behind

pytestmark = pytest.mark.slow

SECRETS = {name: secret(name) for name in ("first-home", "influxdb", "original", "data-api", "api")}
CONFIG = """
[home_assistant]
url = "{home}"
token_file = "home-token"
secondary_url = "{secondary}"
secondary_token = "{other}"
max_retry_delay = "1s"
[influxdb]
url = "{database}"
token = "{influxdb}"
breaker_threshold = 1000
[original]
url = "{database}"
bucket = "original"
token = "{original}"
[data_api]
url = "{data_api}"
api_key_file = "data-api-key"
[spool]
path = "state.db"
[batch]
timeout = "100ms"
[api]
port = 0
token = "{api}"
[log]
format = "{form}"
level = "debug"
"""


@frozen
class Scene:
    """A configuration in a folder, and who is at the other ends."""

    place: Place
    home: Running
    database: Echo
    data_api: Echo
    refusing: list[str]

    def command(self, *words: str) -> str:
        """What it prints, whatever comes of it."""
        call = [sys.executable, "-m", "ingest", *words]
        config = () if "--url" in words else ("--config", str(self.place.folder / "config.toml"))
        done = subprocess.run([*call, *config], capture_output=True, text=True, check=False, timeout=60)
        assert leaks(f"{done.args} {done.stdout} {done.stderr}") == []
        return done.stdout + done.stderr


@contextmanager
def scene(folder: Path, way: str = "refused", say: str = "refuse", form: str = "json") -> Iterator[Scene]:
    with ExitStack() as stack:
        url, refusing = stack.enter_context(echoing_home(say))
        home = stack.enter_context(running_home(10, timedelta(minutes=1)))
        database, data_api = Echo(way), Echo(way)
        text = CONFIG.format(
            home=url,
            secondary=home.url,
            other=TOKEN,
            database=stack.enter_context(answering(database)).url,
            data_api=stack.enter_context(answering(data_api)).url,
            form=form,
            **SECRETS,
        )
        written(folder / "config.toml", text)
        written(folder / "home-token", SECRETS["first-home"])
        written(folder / "data-api-key", SECRETS["data-api"])
        place = Place(folder, changes=(), program=("-m", "tests.faults.breaking"))
        yield Scene(place, home, database, data_api, refusing)


def check_silence(made: Scene, service: Service) -> None:
    """Nothing of what it left, nor what anybody sees of it from outside."""
    assert left_behind(made.place.folder) == []
    assert len(service.log.read_bytes()) > 1000


def processes(pid: int) -> list[int]:
    """A process and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text("utf-8").split()
    return [pid, *(each for child in children for each in processes(int(child)))]


def asked(url: str, path: str, **headers: str) -> str:
    """The whole answer."""
    try:
        answer = httpx.request(
            "POST" if "trigger" in path else "GET", url + path, headers=headers, trust_env=False, timeout=3
        )
    except httpx.TimeoutException:  # the registries are read, and nobody takes them
        return ""
    return f"{answer.status_code} {answer.headers} {answer.text}"


@pytest.mark.parametrize(
    ("way", "say", "form"),
    [
        ("refused", "refuse", "json"), ("page", "close", "console"), ("elsewhere", "nonsense", "json"),
        ("moved", "refuse", "console"), ("lines", "close", "json"), ("broken", "nonsense", "console"),
        ("hung", "refuse", "json"),
    ],
)  # fmt: skip
def test_servers_that_say_it_back(tmp_path: Path, way: str, say: str, form: str) -> None:
    with scene(tmp_path, way, say, form) as made, made.place.service() as service:
        wait_for(lambda: made.refusing and made.database.heard and made.data_api.heard)
        assert all(map(leaks, (made.refusing[0], made.database.heard[0], made.data_api.heard[0])))
        if way not in {"broken", "hung"}:  # for those it has patience
            made.command("spool", "replay")
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(20) == 0
        for words in (("config", "check", "--connect"), ("dead-letters", "list"), ("gaps", "list")):
            made.command(*words)
        check_silence(made, service)


def test_every_command_and_every_answer_while_it_goes_wrong(tmp_path: Path) -> None:
    with scene(tmp_path) as made, made.place.service() as service:
        url = service.wait("Listening")["where"]
        wait_for(lambda: made.database.heard and made.data_api.heard)
        for pid in processes(service.process.pid):
            assert leaks(Path(f"/proc/{pid}/cmdline").read_bytes()) == []
        right = {"Authorization": f"Bearer {SECRETS['api']}"}
        for path in ("/", "/health", "/ready", "/metrics", "/openapi.json", "/api/v1/discovery/trigger", "/broken"):
            for headers in (right, {"Authorization": f"Token {SECRETS['api']}"}):
                assert leaks(asked(url, f"{path}?token={SECRETS['api']}", **headers)) == []
        assert asked(url, "/broken", **right).startswith("500")
        garbage(url, f"GET /metrics HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SECRETS['api']}\x00\r\n\r\n")
        garbage(url, f"Bearer {SECRETS['api']}\r\n\r\n")
        more = [("doctor",), ("doctor", "--json")] if "doctor" in COMMANDS else []
        for words in (
            ("config", "show"), ("config", "show", "--format=json"), ("config", "show", "--format=toml"),
            ("config", "check"), ("status", "--json", "--url", url), ("status", "--url", url), ("spool", "list"),
            ("explain", "sensor.echo"), ("estimate",), ("reload",), ("backfill",), ("query", "sensor.echo"),
            ("compare",), *more,
        ):  # fmt: skip
            made.command(*words)
        assert [each for each in service.reports("Notice") if "Error in ASGI" in each["sentence"]]
        service.stop()
        check_silence(made, service)


def test_how_it_ends_when_it_breaks(tmp_path: Path) -> None:
    """By a bug whose words have the token in them, and by a signal that has every stack written down."""
    with scene(tmp_path) as made:
        with made.place.service() as service:
            service.wait("StoreWaiting")
            service.process.send_signal(signal.SIGHUP)
            assert service.process.wait(20) == 1
            assert "KeyError: '********'" in service.log.read_text("utf-8")
            check_silence(made, service)
        made.place.inside = ("env", "PYTHONFAULTHANDLER=1")
        with made.place.service() as service:
            service.wait("StoreWaiting")
            service.process.send_signal(signal.SIGABRT)
            assert service.process.wait(20) == -signal.SIGABRT
            assert "most recent call first" in service.log.read_text("utf-8")
            check_silence(made, service)


def test_what_is_no_tls_or_nobody_trusts(tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    with scene(tmp_path) as made, answering(Echo("refused"), context) as strange:
        plain = made.place.folder / "config.toml"
        text = plain.read_text("utf-8").replace(tomllib.loads(plain.read_text("utf-8"))["influxdb"]["url"], strange.url)
        plain.write_text(text.replace('url = "http://127', 'url = "https://127', 1), "utf-8")
        with made.place.service() as service:
            service.wait("StoreWaiting")
            made.command("config", "check", "--connect")
            service.stop()
            check_silence(made, service)


def garbage(url: str, text: str) -> None:
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), 5) as stream:
        stream.sendall(text.encode("latin-1"))
        assert leaks(stream.recv(65536)) == []
