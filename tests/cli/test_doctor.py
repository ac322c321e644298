"""Set-ups that are broken, each in one way: the first finding names the cause and what to do; and a good one is silent."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import trio
import trustme
from attrs import field, frozen
from click.testing import CliRunner, Result

from ingest import __version__
from ingest.cli import doctor_database, doctor_home, doctor_looks
from ingest.cli.main import main
from ingest.core import doctor_here
from ingest.edge.lock import SERVICE, locked
from ingest.edge.spool_rows import Key
from tests.cli.test_reload import serving as running_service
from tests.cli.waiting import lines, spooled
from tests.config.places import open_to_all
from tests.edge.answering import Reply, Request, answering
from tests.support.homes import OTHER_TOKEN, TOKEN, Running, running_home

CONFIG_VARIABLES = {"HOMEIQ_INGEST_CONFIG": "", "XDG_CONFIG_HOME": "/nonexistent", "NO_COLOR": "1"}
CLOSED = "http://127.0.0.1:9"
SECRET = "the-token-of-the-database"
PAGE = Reply(200, b"<!doctype html><html><head><title>Grafana</title></head></html>", {"Content-Type": "text/html"})


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine of the tests is, its disk is no slow one."""
    monkeypatch.setattr(doctor_here, "SLOW", 30.0)


@pytest.fixture(scope="module")
def home() -> Iterator[Running]:
    with running_home(60, timedelta(0)) as running:
        yield running


@pytest.fixture
def own_home() -> Iterator[Running]:
    """One that a test may spoil."""
    with running_home(60, timedelta(0)) as running:
        yield running


@frozen
class Influx:
    """A database as InfluxDB 2 answers; `replies` come instead, by path."""

    replies: Mapping[str, Reply | None] = field(factory=dict)
    types: list[list[str]] = field(factory=list)
    retention: int = 0
    version: str = "2.7.1"

    def answer(self, request: Request) -> Reply | None:
        if request.path in self.replies:
            return self.replies[request.path]
        if request.path != "/ping" and request.headers.get("authorization") != f"Token {SECRET}":
            return Reply.json(401, {"code": "unauthorized", "message": "unauthorized access"})
        match request.path:
            case "/ping" | "/api/v2/write" | "/api/v2/delete":
                return Reply(204, headers={"X-Influxdb-Version": self.version})
            case "/api/v2/buckets":
                rules = [{"type": "expire", "everySeconds": self.retention}] if self.retention else []
                buckets = [{"name": "home_assistant_events", "retentionRules": rules}]
                return Reply.json(200, {"buckets": buckets})
            case "/query":
                series = [{"name": "home_assistant_events", "columns": ["k", "t"], "values": self.types}]
                return Reply.json(200, {"results": [{"series": series if self.types else []}]})
        return Reply.json(404, {"code": "not found", "message": "path not found"})


@frozen
class Told:
    code: int
    verdict: str | None
    findings: list[dict[str, str]]
    checks: dict[str, dict[str, Any]]

    @property
    def first(self) -> str:
        found = self.findings[0]
        return f"{found['severity']} of {found['check']}: {found['what']} ({found['where']}). {found['remedy']}"


def configuration(folder: Path, url: str, *more: str) -> Path:
    for name, text in (("token", TOKEN), ("db-token", SECRET)):
        if not (folder / name).exists():
            (folder / name).touch(mode=0o600)
            (folder / name).write_text(text)
    path = folder / "config.toml"
    path.touch(mode=0o600)
    lines = [f'[home_assistant]\nurl = "{url}"\ntoken_file = "token"', '[embedded]\npath = "home.db"']
    path.write_text("\n".join([*lines, '[spool]\npath = "state.db"', "[api]", "enabled = false", *more]))
    return path


def run(config: Path, *arguments: str) -> Result:
    result = CliRunner().invoke(main, ["doctor", "--config", str(config), *arguments], env=CONFIG_VARIABLES)
    for secret in (TOKEN, OTHER_TOKEN, SECRET):
        assert secret not in result.output
    assert isinstance(result.exception, SystemExit | None), result.exception
    return result


def doctor(config: Path, *arguments: str) -> Told:
    result = run(config, "--json", *arguments)
    told = json.loads(result.stdout)
    return Told(result.exit_code, told["verdict"], told["findings"], {each["name"]: each for each in told["checks"]})


def into(url: str, *more: str) -> str:
    return "\n".join(["[influxdb]", f'url = "{url}"', 'token_file = "db-token"', *more])


@contextmanager
def serving(folder: Path, url: str, *more: str) -> Iterator[Path]:
    """A configuration whose service holds its state file, as far as anybody can see."""
    config = configuration(folder, url, *more)
    with locked(folder / "state.db", remedy="", by=SERVICE):
        yield config


# ---- good ones ----------------------------------------------------------------------------------------------------


def test_a_good_set_up_is_silent_but_for_a_summary(tmp_path: Path, home: Running) -> None:
    with answering(Influx().answer) as peer, serving(tmp_path, home.url, into(peer.url)) as config:
        result = run(config)
        assert (result.exit_code, result.output) == (0, "All is well: 15 checks.\n")
        told = doctor(config)
    assert (told.code, told.verdict, told.findings) == (0, None, [])
    assert told.checks["database"]["said"] == "InfluxDB 2 2.7.1"
    assert told.checks["write"]["said"] == "a point came in, and was removed again"
    assert "all of them recorded" in told.checks["recorder's entities"]["said"]
    written = [each for each in peer.requests if each.path == "/api/v2/write" and each.body.startswith(b"homeiq")]
    assert {each.body.partition(b" ")[0] for each in written} == {b"homeiq_ingest_probe,source=doctor"}
    removed = json.loads(next(each.body for each in peer.requests if each.path == "/api/v2/delete"))
    assert removed["predicate"] == '_measurement="homeiq_ingest_probe"'


def test_the_embedded_store_alone_is_as_good(tmp_path: Path, home: Running) -> None:
    with serving(tmp_path, home.url) as config:
        result = run(config, "-v")
    assert result.exit_code == 0, result.output
    assert "ok       embedded store: not there yet" in result.output
    assert "database" not in result.output
    assert max(map(len, result.output.splitlines())) <= 80


def test_what_waits_for_nobody_is_a_warning(tmp_path: Path, home: Running) -> None:
    """It waits for ever, and no number of the service's own shows it."""
    config = configuration(tmp_path, home.url)
    spooled(tmp_path / "state.db", lines(7), key=Key("alpha", "influxdb"))
    with locked(tmp_path / "state.db", remedy="", by=SERVICE):
        told = doctor(config)
    assert told.code == 1
    assert told.first.startswith(
        "warning of state file: 7 points wait for influxdb in the name of home alpha, and nobody"
    )
    assert "spool replay --set home=alpha" in told.first


# ---- Home Assistant -----------------------------------------------------------------------------------------------


def test_a_home_that_refuses_is_named_and_what_follows_is_skipped(tmp_path: Path) -> None:
    with serving(tmp_path, CLOSED) as config:
        told = doctor(config)
        result = run(config)
    assert told.code == 2
    assert told.first.startswith("error of home assistant (primary): the address cannot be reached: Connection refused")
    assert "Is it running there, and are host and port right?" in told.first
    assert len(told.findings) == 1
    assert {name for name, check in told.checks.items() if check["skipped"]} == {
        "token", "recorder", "recorder's entities", "clocks"
    }  # fmt: skip
    assert "what to do: Is it running there" in result.output
    assert result.output.endswith("What was skipped is checked once the cause is\nfixed.\n")


def test_a_name_that_nobody_knows_is_said_to_be_one(tmp_path: Path) -> None:
    with serving(tmp_path, "http://no-such-home.invalid:8123") as config:
        told = doctor(config)
    assert told.first.startswith("error of home assistant (primary): the address cannot be reached")
    assert "No host of this name is known here: check it, or write the IP address instead." in told.first


def test_a_token_that_is_refused(tmp_path: Path, home: Running) -> None:
    (tmp_path / "token").write_text(OTHER_TOKEN)
    with serving(tmp_path, home.url) as config:
        told = doctor(config)
    assert told.first.startswith("error of home assistant (primary): Home Assistant does not accept the token")
    assert "Make a long-lived access token in Home Assistant" in told.first


def jwt(begun: float, ends: float) -> str:
    parts = ({"alg": "HS256", "typ": "JWT"}, {"iss": "a" * 32, "iat": begun, "exp": ends})
    texts = [base64.urlsafe_b64encode(json.dumps(each).encode()).rstrip(b"=").decode() for each in parts]
    return ".".join([*texts, "s" * 43])


def test_a_token_that_is_over_is_not_tried(tmp_path: Path, home: Running) -> None:
    (tmp_path / "token").write_text(jwt(1_000, 2_800))
    with serving(tmp_path, home.url) as config:
        told = doctor(config)
    assert "the token was good until 1970-01-01 00:46+00:00" in told.first
    assert "Make a long-lived access token" in told.first


def test_a_token_of_a_login_works_and_will_not_for_long(tmp_path: Path, own_home: Running) -> None:
    token = jwt(time.time(), time.time() + 1800)
    own_home.do(lambda: setattr(own_home.server.instance, "_token", token.encode()))
    (tmp_path / "token").write_text(token)
    with serving(tmp_path, own_home.url) as config:
        told = doctor(config)
    assert told.first.startswith("error of token: the token is that of a login and ends at ")
    assert "Make a long-lived access token" in told.first
    assert token not in json.dumps(told.findings)


def test_a_token_of_no_administrator_is_worth_a_hint(tmp_path: Path, own_home: Running) -> None:
    own_home.do(lambda: setattr(own_home.server.instance, "admin", False))
    with serving(tmp_path, own_home.url) as config:
        told = doctor(config)
    assert (told.code, told.verdict) == (0, "hint")
    assert told.first.startswith("hint of token: the token is not an administrator's")
    assert "Nothing need be done" in told.first


@contextmanager
def tls_peer(folder: Path, script: Callable[[Request], Reply | None] = lambda _: PAGE) -> Iterator[str]:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(folder / "ca.pem")
    with answering(script, context) as peer:
        yield peer.url


def test_a_certificate_that_nobody_signed(tmp_path: Path) -> None:
    with tls_peer(tmp_path) as url, serving(tmp_path, url) as config:
        told = doctor(config)
    assert told.first.startswith("error of home assistant (primary): the TLS certificate is not trusted")
    assert "Set home_assistant.ca_file to the authority that signed it" in told.first


def test_a_certificate_for_another_name(tmp_path: Path) -> None:
    with tls_peer(tmp_path) as url:
        elsewhere = url.replace("localhost", "127.0.0.1")
        told = doctor(configuration(tmp_path, elsewhere, "[home_assistant.x]").with_name("config.toml"))
        assert told.checks["home assistant"]["skipped"] == "the configuration is wrong"
        assert "`homeiq-ingest config check` says when it is good" in told.first
        config = configuration(tmp_path, elsewhere)
        config.write_text(config.read_text().replace("[embedded]", 'ca_file = "ca.pem"\n[embedded]'))
        told = doctor(config)
    assert "the TLS certificate is not trusted: IP address mismatch" in told.first
    assert "Write the address with the name that the certificate is for" in told.first


def test_a_page_of_something_else_is_named(tmp_path: Path) -> None:
    with answering(lambda _: PAGE) as peer, serving(tmp_path, peer.url) as config:
        told = doctor(config)
    assert told.first.startswith(
        'error of home assistant (primary): a page titled "Grafana" answers, and no WebSocket of Home Assistant'
    )
    assert "as in a browser up to the port: http://HOST:8123" in told.first


def test_https_for_a_home_that_speaks_http(tmp_path: Path, home: Running) -> None:
    with serving(tmp_path, home.url.replace("http:", "https:")) as config:
        told = doctor(config)
    assert told.first.startswith(
        "error of home assistant (primary): Home Assistant answers there, but to http, not to https"
    )
    assert "Write http:// at the beginning of its address." in told.first


def test_an_address_that_does_not_answer_costs_nothing_where_another_does(tmp_path: Path, home: Running) -> None:
    config = configuration(tmp_path, CLOSED)
    second = f'secondary_url = "{home.url}"\nsecondary_token_file = "token"'
    config.write_text(config.read_text().replace("[embedded]", f"{second}\n[embedded]"))
    with locked(tmp_path / "state.db", remedy="", by=SERVICE):
        told = doctor(config)
    assert (told.code, told.verdict) == (1, "warning")
    assert told.first.startswith("warning of home assistant (primary): the address cannot be reached")
    assert told.checks["recorder"]["skipped"] is None


def test_a_home_that_starts_and_is_old(tmp_path: Path, own_home: Running) -> None:
    def spoil() -> None:
        own_home.server.instance.state = "STARTING"
        own_home.server.instance.version = "2023.12.4"

    own_home.do(spoil)
    with serving(tmp_path, own_home.url) as config:
        told = doctor(config)
    assert [each["what"] for each in told.findings] == [
        "Home Assistant 2023.12.4 is older than 2024.3, the oldest that this service was tried with",
        "Home Assistant is not running yet: STARTING",
    ]


def test_home_assistant_may_be_switched_off_here(tmp_path: Path) -> None:
    config = configuration(tmp_path, CLOSED)
    told = doctor(config, "--set", "home_assistant.enabled=false")
    assert told.checks["recorder"]["skipped"] == "home_assistant.enabled is false"


# ---- the recorder and the clocks ----------------------------------------------------------------------------------


def test_a_recorder_that_is_switched_off(tmp_path: Path, own_home: Running) -> None:
    own_home.do(lambda: setattr(own_home.server.instance.recorder, "recording", False))
    with serving(tmp_path, own_home.url) as config:
        told = doctor(config)
    assert told.first.startswith("warning of recorder: Home Assistant's recorder is switched off: no gap of this time")
    assert "recorder.enable" in told.first


def test_no_recorder_at_all(tmp_path: Path, own_home: Running) -> None:
    errors = own_home.server.instance.mood.errors
    own_home.do(lambda: errors.__setitem__("recorder/info", ("unknown_command", "Unknown command.")))
    with serving(tmp_path, own_home.url) as config:
        told = doctor(config)
    assert told.first.startswith("warning of recorder: Home Assistant has no recorder: no gap can be filled from it")
    assert "`default_config`" in told.first
    assert told.checks["recorder's entities"]["skipped"] == "the recorder cannot be asked for them"


def test_a_history_that_fails_leaves_the_entities_open(tmp_path: Path, own_home: Running) -> None:
    errors = own_home.server.instance.mood.errors
    own_home.do(lambda: errors.__setitem__("history/*", ("unknown_error", "")))
    own_home.do(lambda: errors.__setitem__("auth/current_user", ("unknown_command", "")))
    with serving(tmp_path, own_home.url) as config:
        told = doctor(config)
    assert told.code == 0
    assert told.checks["recorder's entities"]["skipped"] == "the recorder cannot be asked for them"
    assert told.checks["token"]["said"] == "whose is not known"


def test_what_we_store_and_the_recorder_leaves_out(tmp_path: Path, own_home: Running) -> None:
    own_home.do(lambda: setattr(own_home.server.instance.recorder, "excluded", ("light.*",)))
    with serving(tmp_path, own_home.url) as config:
        told = doctor(config)
        left_out = doctor(config, "--set", 'filter.patterns=[{"domain": "light"}]')
    assert told.code == 1
    assert told.first.startswith("warning of recorder's entities: of ")
    assert "not in Home Assistant's recorder: light." in told.first
    assert "`recorder: exclude`" in told.first
    assert left_out.findings == []


@pytest.mark.parametrize(
    ("ahead", "words"),
    [
        (
            timedelta(seconds=90),
            "warning of clocks: the clock of Home Assistant is (90|89) seconds ahead of that of this",
        ),
        (timedelta(hours=-3), "error of clocks: the clock of Home Assistant is 3 hours behind that of this machine"),
    ],
)
def test_clocks_that_differ(tmp_path: Path, ahead: timedelta, words: str) -> None:
    with running_home(12, timedelta(0), ahead=ahead) as running, serving(tmp_path, running.url) as config:
        told = doctor(config)
    assert re.match(words, told.first)  # a Date has whole seconds
    assert "NTP" in told.first


# ---- the database -------------------------------------------------------------------------------------------------


def test_a_database_that_refuses_is_named_and_what_follows_is_skipped(tmp_path: Path, home: Running) -> None:
    with serving(tmp_path, home.url, into(CLOSED)) as config:
        told = doctor(config)
    assert told.first.startswith("error of database: the database cannot be reached: Connection refused")
    assert "Is it running there" in told.first
    assert len(told.findings) == 1
    assert {told.checks[name]["skipped"] for name in ("bucket", "write", "types")} == {"the database takes no points"}


def test_a_token_that_the_database_refuses(tmp_path: Path, home: Running) -> None:
    (tmp_path / "db-token").write_text("another")
    with answering(Influx().answer) as peer, serving(tmp_path, home.url, into(peer.url)) as config:
        told = doctor(config)
    assert told.first.startswith("error of database: the database answers 401: unauthorized access")
    assert "Check influxdb.token_file: it must be a token of this database that may write" in told.first


@pytest.mark.parametrize(
    ("more", "severity", "words"),
    [
        ("create_bucket = false", "error", "Create the bucket, or check influxdb.org and influxdb.bucket."),
        ("", "warning", "The service makes it when it starts, if the token may create buckets."),
    ],
)
def test_a_bucket_that_is_not_there_is_not_made(
    tmp_path: Path, home: Running, more: str, severity: str, words: str
) -> None:
    lacks = Reply.json(404, {"code": "not found", "message": 'bucket "home_assistant_events" not found'})
    influx = Influx({"/api/v2/write": lacks})
    with answering(influx.answer) as peer, serving(tmp_path, home.url, into(peer.url, more)) as config:
        told = doctor(config)
    assert told.first.startswith(f'{severity} of bucket: there is no bucket "home_assistant_events"')
    assert words in told.first
    assert not any(each.method == "POST" and each.path == "/api/v2/buckets" for each in peer.requests)


def test_a_field_that_has_another_type_there(tmp_path: Path, home: Running) -> None:
    influx = Influx(types=[["attributes_json", "integer"], ["state_value", "float"], ["own", "string"]])
    with answering(influx.answer) as peer, serving(tmp_path, home.url, into(peer.url)) as config:
        told = doctor(config)
    assert told.first.startswith("error of types: the bucket holds other types under the same names: ")
    assert '"state_value" of "home_assistant_events" is float there, string here' in told.first
    assert "dead letters" in told.first


def test_a_page_instead_of_the_databases_api(tmp_path: Path, home: Running) -> None:
    with answering(lambda _: PAGE) as peer, serving(tmp_path, home.url, into(peer.url)) as config:
        told = doctor(config)
    assert told.first.startswith('error of database: a page titled "Grafana" answers, not the database\'s API')
    assert "Check influxdb.url" in told.first


def test_influxdb_1_without_the_api_is_recognised(tmp_path: Path, home: Running) -> None:
    influx = Influx({"/api/v2/write": Reply(404, b"404 page not found\n")}, version="1.6.7")
    with answering(influx.answer) as peer, serving(tmp_path, home.url, into(peer.url)) as config:
        told = doctor(config)
    assert told.first.startswith("error of database: that is InfluxDB 1 1.6.7, which has no v2 write API")
    assert "from 1.8 on" in told.first


def test_victoria_metrics_that_would_be_sent_texts(tmp_path: Path, home: Running) -> None:
    def victoria(request: Request) -> Reply:
        status = 404 if request.path in {"/query", "/api/v2/buckets"} else 204
        return Reply(status, headers={"X-Server-Hostname": "vm"})

    with answering(victoria) as peer, serving(tmp_path, home.url, into(peer.url)) as config:
        told = doctor(config)
        good = doctor(config, "--set", "influxdb.numeric_only=true")
    assert told.first.startswith("warning of database: VictoriaMetrics keeps numbers only")
    assert "Set influxdb.numeric_only = true." in told.first
    assert good.findings == []
    assert good.checks["write"]["said"] == "a point came in, and was removed again"
    assert good.checks["types"]["said"] == "it keeps numbers of one kind only"
    assert "-retentionPeriod" in good.checks["bucket"]["said"]
    assert any(each.path == "/api/v1/admin/tsdb/delete_series" for each in peer.requests)


def test_a_bucket_that_forgets_too_soon(tmp_path: Path, home: Running) -> None:
    with (
        answering(Influx(retention=86_400).answer) as peer,
        serving(tmp_path, home.url, into(peer.url)) as config,
    ):
        told = doctor(config)
        known = doctor(config, "--set", "influxdb.retention=1d")
    assert told.first.startswith('warning of bucket: the bucket "home_assistant_events" forgets after 1 day')
    assert 'Set influxdb.retention = "86400s"' in told.first
    assert known.findings == []


@pytest.mark.parametrize("known_by", ["orgID", "org"])
def test_the_bucket_of_an_organisation_that_is_named_by_its_id(tmp_path: Path, home: Running, known_by: str) -> None:
    """InfluxDB lists buckets by `org`, which is a name, or by `orgID`; and a name may look like an id."""
    influx, org = Influx(retention=86_400), "0a" * 8

    def script(request: Request) -> Reply | None:
        if request.path == "/api/v2/buckets" and request.query.get(known_by) != org:
            return Reply.json(404, {"code": "not found", "message": f'organization name "{org}" not found'})
        return influx.answer(request)

    with answering(script) as peer, serving(tmp_path, home.url, into(peer.url, f'org = "{org}"')) as config:
        told = doctor(config)
    assert told.checks["bucket"]["said"] == "keeps 1 day"


def test_a_database_that_answers_questions_and_takes_no_point(tmp_path: Path, home: Running) -> None:
    good = Influx()

    def full(request: Request) -> Reply | None:
        if request.body.startswith(b"homeiq_ingest_probe"):
            return Reply.json(507, {"message": "the disk is full"})
        return good.answer(request)

    with answering(full) as peer, serving(tmp_path, home.url, into(peer.url)) as config:
        told = doctor(config)
    assert told.first.startswith("error of write: the database answers a query and refuses a point")
    assert "the disk is full" in told.first


@pytest.mark.parametrize("path", ["/query", "/api/v2/buckets", "/api/v2/delete"])
def test_what_a_token_may_not_read_is_no_fault(tmp_path: Path, home: Running, path: str) -> None:
    influx = Influx({path: Reply.json(403, {"code": "forbidden", "message": "insufficient permissions"})})
    with answering(influx.answer) as peer, serving(tmp_path, home.url, into(peer.url)) as config:
        told = doctor(config)
    assert told.findings == []


def test_a_database_that_hangs_up_on_writes(tmp_path: Path, home: Running) -> None:
    influx = Influx({"/api/v2/write": None})
    with answering(influx.answer) as peer, serving(tmp_path, home.url, into(peer.url)) as config:
        told = doctor(config)
    assert told.first.startswith("error of database: the database cannot be reached")


def test_a_ca_file_that_cannot_be_used(tmp_path: Path, home: Running) -> None:
    (tmp_path / "ca.pem").write_text("nonsense")
    with serving(tmp_path, home.url, into("https://localhost:9", 'ca_file = "ca.pem"')) as config:
        told = doctor(config)
    assert "the CA file cannot be used" in told.first


# ---- this machine and the service ---------------------------------------------------------------------------------


def test_a_wrong_configuration_is_all_there_is_to_say(tmp_path: Path) -> None:
    config = configuration(tmp_path, CLOSED, "[influx]")
    told = doctor(config)
    assert told.code == 2
    assert told.first.startswith("error of configuration: influx")
    assert "Did you mean influxdb?" in told.first
    assert all(each["skipped"] for name, each in told.checks.items() if name != "configuration")


def test_a_secret_that_everybody_may_read(tmp_path: Path, home: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    open_to_all(tmp_path, monkeypatch)
    with serving(tmp_path, home.url) as config:
        (tmp_path / "token").chmod(0o644)
        told = doctor(config)
        tmp_path.chmod(0o700)
        private = doctor(config)
    assert told.first.startswith("warning of secrets: every user of this machine can read this secret")
    assert f"chmod 600 {tmp_path}/token" in told.first
    assert private.findings == []


def test_a_state_directory_that_cannot_be_written(tmp_path: Path, home: Running) -> None:
    with serving(tmp_path, home.url) as config:
        told = doctor(config, "--set", "spool.path=/sys/kernel/state.db")
    assert told.first.startswith("error of state directory: the state directory cannot be written")
    assert "spool.path" in told.first


def test_somebody_who_is_not_the_user_of_the_service(
    tmp_path: Path, home: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.cli.doctor_here.whose", lambda _: "homeiq")
    with telling(tmp_path, home, health(files={"state": str(tmp_path / "state.db")})) as config:
        for name in ("state.db", "home.db"):
            (tmp_path / name).mkdir()  # cannot be opened
        told = doctor(config)
    assert (told.code, len(told.findings)) == (0, 1)
    assert told.first.startswith("hint of state directory: the files of the service belong to homeiq")
    assert told.checks["state file"]["skipped"] == "it is in a folder of homeiq's"
    assert told.checks["embedded store"]["skipped"]


def test_a_state_directory_that_is_not_there_yet(tmp_path: Path, home: Running) -> None:
    with serving(tmp_path, home.url) as config:
        told = doctor(config, "--set", f"spool.path={tmp_path}/a/b/state.db")
    assert told.checks["state directory"]["said"] == "not there yet: the service makes it"
    assert not (tmp_path / "a").exists()


def test_a_disk_that_is_nearly_full(tmp_path: Path, home: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.statvfs(tmp_path)
    full = os.statvfs_result((*real[:3], *(5_000,) * 2, *real[5:]))  # 20 MB of blocks of 4 KiB
    with serving(tmp_path, home.url) as config:
        monkeypatch.setattr(os, "statvfs", lambda _: full)
        told = doctor(config)
    assert told.first.startswith("error of disk: the disk is nearly full (")
    assert "Free some space" in told.first


def test_a_slow_disk(tmp_path: Path, home: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_here, "SLOW", 0.05)
    monkeypatch.setattr(os, "fsync", lambda _: time.sleep(0.06))
    with serving(tmp_path, home.url) as config:
        told = doctor(config)
    assert told.first.startswith("warning of state directory: the disk is slow: a commit takes ")
    assert "batch.timeout" in told.first


@pytest.mark.parametrize("name", ["state file", "embedded store"])
def test_a_damaged_file(tmp_path: Path, home: Running, name: str) -> None:
    with serving(tmp_path, home.url) as config:
        file = {"state file": "state.db", "embedded store": "home.db"}[name]
        (tmp_path / file).write_bytes(b"SQLite format 3\0" + bytes(5000))
        told = doctor(config)
    assert told.first.startswith(f"error of {name}: ")


def test_no_service(tmp_path: Path, home: Running) -> None:
    told = doctor(configuration(tmp_path, home.url))
    assert (told.code, len(told.findings)) == (1, 1)
    assert told.first.startswith("warning of service: no service runs: nothing is stored")
    assert "homeiq-ingest run" in told.first


def health(**more: object) -> Reply:
    known = {"service": "homeiq-ingest", "status": "healthy", "reason": "fine", "version": __version__}
    return Reply.json(200, {**known, "subscription": {"last_event": "2026-11-26T08:00:00+00:00"}, **more})


@contextmanager
def telling(folder: Path, home: Running, reply: Reply) -> Iterator[Path]:
    with answering(lambda _: reply) as peer, serving(folder, home.url) as config:
        port = peer.url.rpartition(":")[2]
        config.write_text(config.read_text().replace("enabled = false", f"port = {port}"))
        yield config


def test_a_service_that_is_degraded_says_why(tmp_path: Path, home: Running) -> None:
    reply = health(status="degraded", reason="the database takes no points: 503", remedies=["Look at the database."])
    with telling(tmp_path, home, reply) as config:
        told = doctor(config)
    assert (told.code, told.verdict) == (1, "warning")
    assert told.first.startswith("warning of service: the service is degraded: the database takes no points: 503")
    assert "Look at the database." in told.first


def test_a_service_that_is_well(tmp_path: Path, home: Running) -> None:
    with telling(tmp_path, home, health(files={"state": str(tmp_path / "." / "state.db")})) as config:
        told = doctor(config)
    assert told.findings == []
    known = "healthy: fine; last event 2026-11-26T08:00:00+00:00; it answers"
    assert told.checks["service"]["said"] == f"{known} programs on this machine only"


@pytest.mark.parametrize(
    ("setting", "whom"),
    [
        (f'token = "{OTHER_TOKEN}"', "whoever has api.token"),
        ('trusted_networks = ["::/0"]', "api.trusted_networks"),
        (
            f'token = "{OTHER_TOKEN}"\ntrusted_networks = ["::/0"]\ntrusted_proxies = ["10.0.0.1"]',
            "whoever has api.token and api.trusted_networks and api.trusted_proxies",
        ),
    ],
)
def test_to_whom_the_service_answers(tmp_path: Path, home: Running, setting: str, whom: str) -> None:
    with telling(tmp_path, home, health()) as config:
        config.write_text(config.read_text().replace("[api]", f"[api]\n{setting}"))
        told = doctor(config)
    assert told.checks["service"]["said"].endswith(f"it answers {whom}")


def test_a_service_of_another_version_with_another_file(tmp_path: Path, home: Running) -> None:
    reply = health(version="0.1", files={"state": "/elsewhere/state.db"}, status="unhealthy", reason="lost")
    with telling(tmp_path, home, reply) as config:
        told = doctor(config)
    assert told.code == 2
    what = [each["what"] for each in told.findings]
    assert what[0] == "the service is unhealthy: lost"
    assert what[1].startswith("the service that runs is of version 0.1")
    assert what[2] == "the service that runs uses another state file, /elsewhere/state.db"


@pytest.mark.parametrize(
    ("said", "where"),
    [
        ({"database": {"where": "other.db"}, "files": {"store": "/elsewhere/other.db"}}, "/elsewhere/other.db"),
        ({"database": {"where": "http://base.test:8086"}, "files": {}}, "http://base.test:8086"),
        ({"database": {"where": "home.db"}, "files": {"store": "{folder}/./home.db"}}, ""),
        ({"database": {"where": "/health/detailed says where"}, "files": {}}, ""),
    ],
)
def test_a_service_that_stores_into_another_place_than_the_configured_file(
    tmp_path: Path, home: Running, said: dict[str, dict[str, str]], where: str
) -> None:
    files = {kind: path.replace("{folder}", str(tmp_path)) for kind, path in said["files"].items()}
    reply = health(database=said["database"], files={**files, "state": str(tmp_path / "state.db")})
    with telling(tmp_path, home, reply) as config:
        told = doctor(config)
    what = f"the service that runs stores into {where}, the configuration that was read here says {tmp_path}/home.db"
    assert [each["what"] for each in told.findings] == ([what] if where else [])


def test_a_service_that_does_not_take_our_token(tmp_path: Path, home: Running) -> None:
    def answer(request: Request) -> Reply:
        return Reply(401) if request.path == "/health/detailed" else health()

    with answering(answer) as peer, serving(tmp_path, home.url) as config:
        more = f'port = {peer.url.rpartition(":")[2]}\ntoken = "{OTHER_TOKEN}"'
        config.write_text(config.read_text().replace("enabled = false", more))
        told = doctor(config)
    assert told.first.startswith("warning of service: the service that runs does not take api.token")


def test_a_service_whose_api_does_not_answer(tmp_path: Path, home: Running) -> None:
    with serving(tmp_path, home.url) as config:
        config.write_text(config.read_text().replace("enabled = false", "port = 9"))
        told = doctor(config)
    assert told.first.startswith("warning of service: a service runs, but its API does not answer")


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (PAGE, "data-api answers 200: a page for a browser"),
        (Reply.json(500, {"detail": "broken"}), "data-api answers 500: broken"),
        (None, "data-api broke the connection off"),
        (Reply.json(200, {"status": "ok"}), ""),
    ],
)
def test_data_api(tmp_path: Path, home: Running, reply: Reply | None, words: str) -> None:
    with answering(lambda _: reply) as peer, serving(tmp_path, home.url) as config:
        told = doctor(config, "--set", f"data_api.url={peer.url}")
    assert [each["what"][: len(words)] for each in told.findings] == ([words] if words else [])


# ---- who does not answer ------------------------------------------------------------------------------------------


@contextmanager
def black_hole() -> Iterator[str]:
    """An address that takes connections and says nothing, ever."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_black_holes_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_home, "REACH", 0.2)
    monkeypatch.setattr(doctor_database, "REACH", 0.2)
    monkeypatch.setattr(doctor_looks, "SOON", 0.2)
    with black_hole() as url, serving(tmp_path, url, into(url), f'[data_api]\nurl = "{url}"') as config:
        told = doctor(config)
    assert [each["check"] for each in told.findings] == ["home assistant (primary)", "database", "data-api"]
    assert all("Is a firewall between" in each["remedy"] for each in told.findings[:2])
    assert told.first.startswith("error of home assistant (primary): no connection within 0 s")


def test_a_look_that_takes_too_long_says_so(tmp_path: Path, home: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_looks, "LONGEST", 0.0)
    with serving(tmp_path, home.url, into(CLOSED)) as config:
        told = doctor(config)
    assert told.code == 2
    assert told.first.startswith("error of state directory: the disk of the state directory does not answer within 0 s")
    assert [each["check"] for each in told.findings] == ["state directory", "home assistant (primary)", "database"]
    assert told.checks["service"]["skipped"] == "no answer in time"
    assert told.checks["state file"]["skipped"] == "not all of it could be read in time"
    assert doctor(config, "--set", "store.kind=embedded").checks["embedded store"]["skipped"]


def test_a_home_that_tells_nothing_of_its_entities_in_time(
    tmp_path: Path, home: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor_home, "ASKING", 0.0)
    with serving(tmp_path, home.url) as config:
        told = doctor(config)
    assert told.checks["recorder"]["skipped"] == "Home Assistant did not tell of its entities within 0 s"


@pytest.mark.slow
def test_the_whole_of_it_is_over_in_15_seconds_whoever_is_silent(tmp_path: Path) -> None:
    begun = time.monotonic()
    with black_hole() as url, serving(tmp_path, url, into(url), f'[data_api]\nurl = "{url}"') as config:
        assert doctor(config).code == 2
    assert time.monotonic() - begun < 15


def test_a_token_that_is_none_is_named_before_anybody_is_asked(tmp_path: Path) -> None:
    config = configuration(tmp_path, CLOSED)
    (tmp_path / "token").write_text(f"Bearer {TOKEN}")
    told = doctor(config)
    assert told.first.startswith("error of configuration: home_assistant.token")
    assert 'starts with "Bearer "' in told.first


def test_an_authority_of_the_home_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nonsense")
    config = configuration(tmp_path, "https://localhost:9")
    config.write_text(config.read_text().replace("[embedded]", 'ca_file = "ca.pem"\n[embedded]'))
    assert "the CA file cannot be used" in doctor(config).first


def test_names_that_nobody_resolves_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The names of both ends, at a name server that is silent."""

    async def silent(*_: object, **__: object) -> None:
        await trio.sleep_forever()

    for module in (doctor_home, doctor_database):
        monkeypatch.setattr(module, "NAMED", 0.1)
    monkeypatch.setattr(trio.socket, "getaddrinfo", silent)
    with serving(tmp_path, "http://home.example:8123", into("http://base.example:8086")) as config:
        told = doctor(config)
    what = [each["what"] for each in told.findings]
    assert what == ["nobody says within 0 s who home.example is", "nobody says within 0 s who base.example is"]
    assert "/etc/resolv.conf" in told.first


def test_a_home_that_is_slow_to_tell_of_itself(
    tmp_path: Path, own_home: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor_home, "TELLING", 0.3)
    own_home.do(lambda: setattr(own_home.server.instance.mood, "delay", 5.0))
    with serving(tmp_path, own_home.url) as config:
        told = doctor(config)
    assert "Home Assistant answers, but did not tell of itself within 0 s" in told.first
    assert "Is it busy, or starting?" in told.first


def test_a_home_that_falls_silent_while_it_is_asked(
    tmp_path: Path, own_home: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = own_home.server.instance.mood.errors
    own_home.do(lambda: errors.__setitem__("config/*", ("unknown_command", "")))
    own_home.do(lambda: errors.__setitem__("recorder/info", ("unknown_error", "")))
    with serving(tmp_path, own_home.url) as config:
        told = doctor(config)
    assert told.checks["recorder"]["severity"] is None
    assert told.checks["recorder's entities"]["skipped"] == "the recorder cannot be asked for them"


def test_a_database_that_answers_a_ping_and_nothing_else(
    tmp_path: Path, home: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor_database, "REST", 3.0)
    good, over = Influx(), threading.Event()

    def slow(request: Request) -> Reply | None:
        if request.path != "/ping":
            over.wait(20)
        return good.answer(request)

    with answering(slow) as peer, serving(tmp_path, home.url, into(peer.url)) as config:
        told = doctor(config)
        over.set()
    assert told.first.startswith("error of database: the database answers a ping, but nothing else in time")


def test_what_is_no_answer_to_a_query_leaves_the_types_open(tmp_path: Path, home: Running) -> None:
    influx = Influx({"/query": Reply.json(200, [])})
    with answering(influx.answer) as peer, serving(tmp_path, home.url, into(peer.url)) as config:
        told = doctor(config)
    assert told.checks["types"]["skipped"] == "the answer is no result of a query"


def test_a_disk_that_cannot_be_asked(tmp_path: Path, home: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise OSError

    with serving(tmp_path, home.url) as config:
        monkeypatch.setattr(shutil, "disk_usage", fails)
        told = doctor(config)
    assert "disk" not in told.checks


def test_files_that_are_there_and_sound(tmp_path: Path, own_home: Running) -> None:
    config = configuration(tmp_path, own_home.url)
    with running_service(config):
        pass
    with locked(tmp_path / "state.db", remedy="", by=SERVICE):
        told = doctor(config)
    assert told.findings == []
    assert told.checks["state file"]["said"].startswith("sound, ")
    assert told.checks["embedded store"]["said"].startswith("sound, ")
    assert "MiB" in told.checks["embedded store"]["said"]


def test_lines_to_standard_output_need_no_store(tmp_path: Path, home: Running) -> None:
    with serving(tmp_path, home.url) as config:
        told = doctor(config, "--set", "store.kind=stdout")
    assert told.findings == []
    assert not {"embedded store", "database"} & told.checks.keys()
