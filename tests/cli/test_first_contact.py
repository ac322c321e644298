"""What a person meets first: every mistake gives one message with its remedy, and none shows a secret or spins."""

from __future__ import annotations

import ssl
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme
from click.testing import CliRunner, Result

from ingest.cli.init import WHERE_TO_FIND_ONE
from ingest.cli.main import main
from tests.support.closed import close
from tests.support.homes import OTHER_TOKEN, TOKEN, Running, running_home

CONFIG_VARIABLES = {"HOMEIQ_INGEST_CONFIG": "", "XDG_CONFIG_HOME": "/nonexistent", "NO_COLOR": "1"}


@pytest.fixture(scope="module")
def home() -> Iterator[Running]:
    with running_home() as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in (("token", TOKEN), ("other-token", OTHER_TOKEN)):
        (tmp_path / name).touch(mode=0o600)
        (tmp_path / name).write_text(text)
    return tmp_path


def call(*args: str, text: str | None = None) -> Result:
    return CliRunner().invoke(main, args, input=text, env=CONFIG_VARIABLES)


def check(folder: Path, lines: str) -> Result:
    path = folder / "config.toml"
    path.touch(mode=0o600)
    path.write_text(lines)
    result = call("config", "check", "--connect", "--config", str(path))
    assert TOKEN not in result.output
    assert OTHER_TOKEN not in result.output
    return result


def home_at(url: str, token: str = "token", more: str = "") -> str:
    return f'[home_assistant]\nurl = "{url}"\ntoken_file = "{token}"\n{more}\n'


PASTED = f"eyJhbGciOiJIUzI1NiJ9.{'eyJpc3MiOiJh' * 6}.{'s' * 43}"
"""A token of Home Assistant's make, where an address is asked for."""


@contextmanager
def answering(status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> Iterator[str]:
    """A web server that gives every request the same answer."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST  # noqa: N815  the library's own names

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@contextmanager
def tls_server(folder: Path) -> Iterator[str]:
    """A server whose certificate nobody knows."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(folder / "ca.pem")
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *args: None  # type: ignore[method-assign]  # a refused handshake is the point
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield f"https://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_good_configuration_says_what_it_found(folder: Path, home: Running) -> None:
    result = check(folder, home_at(home.url))
    assert result.exit_code == 0
    assert "Home Assistant (primary): Simulated home, version 2025.4.4: 12 entities" in result.output


def test_a_wrong_token_says_where_one_is_made(folder: Path, home: Running) -> None:
    result = check(folder, home_at(home.url, "other-token"))
    assert result.exit_code == 2
    assert "does not accept the token" in result.output
    assert "long-lived access token" in result.output


def test_a_malformed_token_is_named_before_any_connection(folder: Path) -> None:
    (folder / "token").write_text(f"Bearer {TOKEN}")
    result = check(folder, home_at("http://127.0.0.1:9"))
    assert result.exit_code == 2
    assert 'starts with "Bearer "' in result.output
    assert "refused" not in result.output


def test_a_wrong_port_says_what_to_look_at(folder: Path) -> None:
    result = check(folder, home_at("http://127.0.0.1:9"))
    assert result.exit_code == 2
    assert "cannot be reached: Connection refused (ws://127.0.0.1:9/api/websocket). Is it running" in result.output


def test_a_wrong_path_is_no_home_assistant(folder: Path, home: Running) -> None:
    result = check(folder, home_at(f"{home.url}/somewhere"))
    assert result.exit_code == 2
    assert "no Home Assistant" in result.output
    assert "http://HOST:8123" in result.output


def test_an_unknown_authority_says_which_setting_knows_it(folder: Path) -> None:
    with tls_server(folder) as url:
        result = check(folder, home_at(url))
    assert result.exit_code == 2
    assert "certificate is not trusted" in result.output
    assert "home_assistant.ca_file" in result.output


def test_a_known_authority_lets_us_through_to_the_next_answer(folder: Path) -> None:
    with tls_server(folder) as url:
        result = check(folder, home_at(url, more='ca_file = "ca.pem"'))
    assert "not trusted" not in result.output
    assert "HTTP 501 instead of a WebSocket" in result.output


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (401, b'{"code":"unauthorized","message":"unauthorized access"}', ["influxdb.token"]),
        (404, b'{"code":"not found","message":"bucket \\"home_assistant_events\\" not found"}', ["influxdb.bucket"]),
        (200, b"<html>InfluxDB</html>", ["page for a browser", "influxdb.url"]),
    ],
)
def test_each_refusal_of_the_database_has_its_remedy(
    folder: Path, home: Running, status: int, body: bytes, words: list[str]
) -> None:
    kind = "text/html" if status == 200 else "application/json"
    with answering(status, body, {"Content-Type": kind}) as url:
        more = f'[influxdb]\nurl = "{url}"\ntoken_file = "other-token"\ncreate_bucket = false'
        result = check(folder, home_at(home.url, more=more))
    assert result.exit_code == 2
    for word in words:
        assert word in result.output


@pytest.mark.parametrize(
    ("status", "body", "code", "words"),
    [
        (200, b'{"success": true, "upserted": 0}', 0, ["data-api: data-api, and it takes our key"]),
        (401, b'{"detail": "Invalid API key"}', 2, ["data-api answers 401: Invalid API key", "data_api.api_key_file"]),
        (404, b'{"detail": "Not Found"}', 2, ["data-api answers 404", "data_api.url"]),
        (503, b'{"detail": "database is locked"}', 2, ["data-api answers 503: database is locked"]),
        (500, b'{"detail": "no such table"}', 2, ["data-api answers 500: no such table"]),
    ],
)
def test_data_api_is_asked_whether_it_takes_the_key(
    folder: Path, home: Running, status: int, body: bytes, code: int, words: list[str]
) -> None:
    with answering(status, body) as url:
        result = check(folder, home_at(home.url, more=f'[data_api]\nurl = "{url}"\napi_key_file = "other-token"'))
    assert result.exit_code == code
    for word in words:
        assert word in result.output


def test_a_data_api_without_a_key_and_one_that_is_away(folder: Path, home: Running) -> None:
    with answering(200, b'{"success": true}') as url:
        result = check(folder, home_at(home.url, more=f'[data_api]\nurl = "{url}"'))
    assert "data-api: data-api, without a key" in result.output
    result = check(folder, home_at(home.url, more=f'[data_api]\nurl = "{url}"'))
    assert result.exit_code == 2
    assert "data-api: data-api cannot be reached: Connection refused" in result.output


def test_a_database_that_is_down_is_named(folder: Path, home: Running) -> None:
    more = '[influxdb]\nurl = "http://127.0.0.1:9"\ntoken_file = "other-token"'
    result = check(folder, home_at(home.url, more=more))
    assert result.exit_code == 2
    assert "database: the database cannot be reached" in result.output


def test_an_unknown_key_and_a_typo_are_named_together(folder: Path) -> None:
    result = check(folder, '[home_assistant]\nurl = "http://x"\ntokn_file = "token"\n[influx]\nurl = "y"\n')
    assert result.exit_code == 2
    assert "home_assistant.tokn_file" in result.output
    assert "Did you mean influxdb?" in result.output


def test_an_unreadable_file_is_named(folder: Path) -> None:
    result = call("config", "check", "--config", str(folder / "missing.toml"))
    assert result.exit_code == 2
    assert "missing.toml" in result.output


def test_run_without_a_home_says_how_to_begin() -> None:
    result = call("run")
    assert result.exit_code == 2
    assert "home_assistant.url" in result.output


# ---- init --------------------------------------------------------------------------------------------------------


def test_init_by_flags_asks_nothing_and_writes_what_works(folder: Path, home: Running) -> None:
    output = folder / "new" / "config.toml"
    flags = ["--url", home.url, "--token-file", str(folder / "token"), "--database", "", "--output", str(output)]
    result = call("init", *flags)
    assert result.exit_code == 0, result.output
    assert "Simulated home" in result.output
    assert stat.S_IMODE(output.stat().st_mode) == 0o600
    assert call("config", "check", "--connect", "--config", str(output)).exit_code == 0


def test_init_takes_a_database_and_recognises_it(folder: Path, home: Running) -> None:
    output = folder / "config.toml"
    with answering(204, headers={"X-Server-Hostname": "vm"}) as url:
        flags = ["--url", home.url, "--token-file", str(folder / "token"), "--database", url, "--output", str(output)]
        result = call("init", *flags, "--database-token-file", str(folder / "other-token"))
    assert result.exit_code == 0, result.output
    assert "VictoriaMetrics" in result.output
    assert "numeric_only = true" in output.read_text()


def test_init_with_a_wrong_token_writes_nothing(folder: Path, home: Running) -> None:
    output = folder / "config.toml"
    result = call("init", "--url", home.url, "--token-file", str(folder / "other-token"), "--output", str(output))
    assert result.exit_code == 2
    assert "does not accept the token" in result.output
    assert (
        f"make another one in Home Assistant (your profile, Security, at the bottom). Put it into {folder / 'other-token'}."
        in result.output
    )
    assert not output.exists()


def test_init_does_not_replace_a_configuration(folder: Path, home: Running) -> None:
    output = folder / "config.toml"
    output.write_text("# mine\n")
    result = call("init", "--url", home.url, "--token-file", str(folder / "token"), "--output", str(output))
    assert result.exit_code == 2
    assert "--force" in result.output
    assert output.read_text() == "# mine\n"


FLAGS = ["init", "--url", "http://home.test:8123", "--database", "", "--no-check"]


@pytest.mark.parametrize(
    ("variables", "where"),
    [
        ({"HOMEIQ_INGEST_CONFIG": "{folder}/named.toml"}, "named.toml"),
        ({"HOMEIQ_INGEST_CONFIG": "~/named.toml"}, "person/named.toml"),
        ({"XDG_CONFIG_HOME": "{folder}/xdg"}, "xdg/homeiq-ingest/config.toml"),
        ({"XDG_CONFIG_HOME": "relative"}, "person/.config/homeiq-ingest/config.toml"),
    ],
)
def test_init_writes_where_the_service_will_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], where: str
) -> None:
    monkeypatch.chdir(folder)
    environ = {name: text.replace("{folder}", str(folder)) for name, text in variables.items()}
    runner = CliRunner(
        env={"HOME": str(folder / "person"), "HOMEIQ_INGEST_CONFIG": "", "XDG_CONFIG_HOME": "", **environ}
    )
    result = runner.invoke(main, [*FLAGS, "--token-file", str(folder / "token")])
    assert result.exit_code == 0, result.output
    assert f"Wrote {folder / where} " in result.output
    assert (folder / where).exists()
    assert f"(file {folder / where})" in runner.invoke(main, ["config", "check"]).output


def test_init_that_may_not_enter_the_folder_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    close(folder / "person" / ".config", monkeypatch)
    runner = CliRunner(env={"HOME": str(folder / "person"), "HOMEIQ_INGEST_CONFIG": "", "XDG_CONFIG_HOME": ""})
    result = runner.invoke(main, [*FLAGS, "--token-file", str(folder / "token")])
    assert result.exit_code == 2
    assert "the file cannot be looked at: Permission denied" in result.output


def test_init_is_let_begin_by_a_variable_that_what_it_asks_for_makes_right(folder: Path) -> None:
    output = folder / "config.toml"
    flags = ["--token-file", str(folder / "token"), "--output", str(output)]
    runner = CliRunner(env={**CONFIG_VARIABLES, "HOMEIQ_INGEST_STORE_KIND": "influxdb"})
    without = runner.invoke(main, [*FLAGS, *flags])
    assert (without.exit_code, output.exists()) == (2, False)
    more = ["--database", "http://base.test:8086", "--database-token-file", str(folder / "other-token")]
    assert runner.invoke(main, [*FLAGS, *flags, *more]).exit_code == 0


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"HOME": ""}, "no home directory is known"),
        (
            {"HOMEIQ_INGEST_CONFIG": "~nosuchuser/x.toml"},
            "HOMEIQ_INGEST_CONFIG begins with a home directory that is not",
        ),
        ({"HOMEIQ_INGEST_LOG_LEVL": "debug"}, "HOMEIQ_INGEST_LOG_LEVL (environment): there is no such variable"),
    ],
)
def test_init_that_would_not_be_read_writes_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], words: str
) -> None:
    monkeypatch.setattr("ingest.config.files.passwd_home", lambda: None)
    environ = {"HOME": str(folder / "person"), "HOMEIQ_INGEST_CONFIG": "", "XDG_CONFIG_HOME": "", **variables}
    result = CliRunner(env=environ).invoke(main, [*FLAGS, "--token-file", str(folder / "token")])
    assert result.exit_code == 2
    assert words in result.output
    assert not list(folder.rglob("*.toml"))


def test_a_configuration_below_the_home_of_nobody_is_a_sentence() -> None:
    result = CliRunner(env={"HOMEIQ_INGEST_CONFIG": "~nosuchuser/x.toml"}).invoke(main, ["config", "check"])
    assert result.exit_code == 2
    assert "begins with a home directory that is not known (~nosuchuser/x.toml). Write the whole path." in result.output
    assert isinstance(result.exception, SystemExit)


def test_init_that_can_ask_nobody_names_the_flag(folder: Path) -> None:
    result = call("init", "--output", str(folder / "config.toml"))
    assert result.exit_code == 2
    assert "--url is missing" in result.output


@pytest.mark.parametrize(("typed", "said"), [("inti", "Did you mean 'init'?"), ("xyz", "No such command 'xyz'.")])
def test_a_mistyped_command_is_told_what_was_perhaps_meant(typed: str, said: str) -> None:
    result = call(typed)
    assert result.exit_code == 2
    assert said in result.output


def test_init_refuses_what_is_no_address(folder: Path) -> None:
    result = call("init", "--url", "ftp://home", "--output", str(folder / "config.toml"))
    assert result.exit_code == 2
    assert "no address of Home Assistant" in result.output


def test_init_asks_again_after_each_slip(folder: Path, home: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.cli.init.LIKELY", ("http://127.0.0.1:9",))
    monkeypatch.setattr("ingest.cli.init._interactive", lambda: True)
    output = folder / "config.toml"
    with answering(204, headers={"X-Influxdb-Version": "2.7"}) as database:
        typed = ["ftp://home", home.url, "short", OTHER_TOKEN, TOKEN]
        typed += ["http://127.0.0.1:9", "secret-of-the-database", database, "secret-of-the-database"]
        result = call("init", "--output", str(output), text="\n".join([*typed, ""]))
    assert result.exit_code == 0, result.output
    slips = ("no address of Home Assistant", "is too short", "does not accept the token", "database cannot be reached")
    places = [result.output.index(each) for each in slips]
    assert places == sorted(places)
    assert result.output.count("Once more, or Ctrl-C.") == len(slips)
    assert "home_assistant.token" not in result.output, "there is no configuration yet"
    assert TOKEN in output.read_text()
    assert database in output.read_text()
    assert max(map(len, WHERE_TO_FIND_ONE.splitlines())) <= 80


def test_init_asks_for_another_token_before_another_address(
    folder: Path, home: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.cli.init.LIKELY", ("http://127.0.0.1:9",))
    monkeypatch.setattr("ingest.cli.init._interactive", lambda: True)
    output = folder / "config.toml"
    typed = [home.url, OTHER_TOKEN, "", home.url, OTHER_TOKEN, TOKEN, ""]
    result = call("init", "--output", str(output), text="\n".join([*typed, ""]))
    assert result.exit_code == 0, result.output
    assert result.output.count("Address of Home Assistant") == 2, "once more where Enter alone was typed"
    assert result.output.count("Another token (not shown; Enter alone: another address)") == 2
    assert OTHER_TOKEN not in result.output
    by_flag = ["--url", home.url, "--output", str(output), "--force", "--database", ""]
    result = call("init", *by_flag, text=f"{OTHER_TOKEN}\n{TOKEN}\n")
    assert result.exit_code == 0, result.output
    assert "Another token (not shown):" in result.output


@pytest.mark.parametrize("flag", ["--url", "--database"])
def test_init_never_looks_up_or_shows_a_token_that_is_given_as_an_address(
    folder: Path, home: Running, monkeypatch: pytest.MonkeyPatch, flag: str
) -> None:
    monkeypatch.setattr("ingest.cli.init.LIKELY", ("http://127.0.0.1:9",))
    monkeypatch.setattr("ingest.cli.init._interactive", lambda: True)
    typed = [PASTED, home.url, TOKEN, ""] if flag == "--url" else [home.url, TOKEN, PASTED, ""]
    result = call("init", "--output", str(folder / "config.toml"), text="\n".join([*typed, ""]))
    # The runner shows what is typed where it is not hidden, as a terminal does.
    assert (result.exit_code, result.output.count(PASTED)) == (0, 1), result.output
    assert "looks like a token (it is not shown, and was not looked up)" in result.output
    refused = call("init", "--url", PASTED, "--token-file", str(folder / "token"))
    assert (refused.exit_code, PASTED in refused.output) == (2, False)


def test_init_that_is_broken_off_writes_nothing_and_ends_its_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.cli.init.LIKELY", ("http://127.0.0.1:9",))
    monkeypatch.setattr("ingest.cli.init._interactive", lambda: True)
    result = call("init", "--output", str(folder / "config.toml"), text="")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == "Aborted!"
    assert not (folder / "config.toml").exists()


def test_init_asks_for_what_is_missing(folder: Path, home: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.cli.init.LIKELY", (home.url, "http://127.0.0.1:9"))
    monkeypatch.setattr("ingest.cli.init._interactive", lambda: True)
    output = folder / "config.toml"
    result = call("init", "--output", str(output), text=f"\n{TOKEN}\n\n")
    assert result.exit_code == 0, result.output
    assert f"[{home.url}]" in result.output
    assert "Long-lived access tokens" in result.output
    assert TOKEN not in result.output
    assert TOKEN in output.read_text()
