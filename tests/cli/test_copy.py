from __future__ import annotations

import gzip
import io
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import Result

from ingest.actors.copier import Copied
from ingest.cli import copy as command
from ingest.cli import progress
from ingest.cli.copy import copy
from ingest.cli.export import export
from ingest.core.homeiq import homeiq
from ingest.core.store import Delivered, Keep, Rejection, Store
from ingest.edge import embedded_export
from ingest.plan import Destination
from tests.cli.stores import a_day, run

TOKEN = "secret-token-of-the-database"


class Database(ThreadingHTTPServer):
    """The write API over real HTTP: keeps lines; refuses after `room` batches."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Writes)
        self.lines: list[bytes] = []
        self.room = 1_000_000

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Writes(BaseHTTPRequestHandler):
    server: Database

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.room -= 1
        if self.server.room >= 0:
            self.server.lines += gzip.decompress(body).splitlines()
        self.send_response(204 if self.server.room >= 0 else 401)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class names it
        pass


@pytest.fixture
def database() -> Iterator[Database]:
    with Database() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(embedded_export, "PAGE", 10)
    return a_day(tmp_path / "home.db")


def copied(database: Database, path: Path, *more: str) -> Result:
    token = path.with_name("token")
    token.write_text(TOKEN)
    token.chmod(0o600)
    sets = (f"influxdb.url={database.url}", f"influxdb.token_file={token}", "influxdb.create_bucket=false")
    return run(copy, "--to", "influxdb", "--db", path, *(word for each in sets for word in ("--set", each)), *more)


def exported(path: Path, *more: str) -> list[bytes]:
    return run(export, "--db", path, *more).stdout_bytes.splitlines()


def test_the_database_gets_what_export_writes(database: Database, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LINE_EVERY", 0.0)
    result = copied(database, path)
    assert (result.exit_code, result.stdout) == (0, f"28 changes copied to {database.url}\n")
    assert "20 of about 28 changes" in result.stderr
    assert sorted(database.lines) == sorted(exported(path))


def test_what_was_cut_off_goes_on_and_again_is_again(database: Database, path: Path) -> None:
    database.room = 2
    first = copied(database, path)
    assert first.exit_code == 2
    assert "token" in first.stderr
    assert TOKEN not in first.output
    assert len(database.lines) == 20
    database.room = 1_000_000
    second = copied(database, path)
    assert "going on after 2026-01-01" in second.stderr
    assert second.stdout.startswith("8 changes copied")
    assert sorted(database.lines) == sorted(exported(path))
    assert copied(database, path).stdout.startswith("0 changes")
    assert copied(database, path, "--again").stdout.startswith("28 changes")


def test_since_is_where_it_begins(database: Database, path: Path) -> None:
    copied(database, path, "--since", "2026-01-01T00:00Z")
    assert sorted(database.lines) == sorted(exported(path, "--since", "2026-01-01T00:00Z"))
    assert len(database.lines) == 15


def test_what_an_earlier_copy_left_out_by_since_comes_when_it_is_asked_for(database: Database, path: Path) -> None:
    copied(database, path, "--since", "2026-01-01T00:00Z")
    assert copied(database, path, "--since", "2026-01-01T01:00Z").stdout.startswith("0 changes")
    whole = copied(database, path)
    assert whole.stdout.startswith("28 changes copied")
    assert "starting over: the copy that got to 2026-01-01 11:00+00:00 did not begin so early" in whole.stderr
    assert set(database.lines) == set(exported(path))
    last = copied(database, path)
    assert last.stdout.startswith("0 changes")
    assert "needs --again" in last.stderr
    # A part of what is there once more leaves no hole.
    assert copied(database, path, "--again", "--since", "2026-01-01T00:00Z").stdout.startswith("15 changes")
    assert copied(database, path).stdout.startswith("0 changes")


def test_a_mark_of_which_the_beginning_is_not_known_is_none(database: Database, path: Path) -> None:
    copied(database, path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE meta SET value = substr(value, 1, length(value) - 2) WHERE key LIKE 'copied to %'")
        connection.commit()
    assert copied(database, path).stdout.startswith("28 changes copied")


def test_without_a_database_it_says_what_to_set(path: Path) -> None:
    result = run(copy, "--to", "influxdb", "--db", path)
    assert result.exit_code == 2
    assert "influxdb.url" in result.stderr


def test_without_a_store_it_says_where_it_looked(database: Database, tmp_path: Path) -> None:
    result = copied(database, tmp_path / "none.db")
    assert result.exit_code == 2
    assert "none.db" in result.stderr


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with progress.telling("copying", 10, "about {} changes") as tell:
        tell(10)
    assert "copying" in terminal.getvalue()
    assert "100%" in terminal.getvalue()


async def delivered(_: object) -> Delivered:
    return Delivered()


def test_what_was_not_stored_and_what_is_waited_for_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    destination = Destination(Store("db", homeiq(), delivered), "http://db")
    command._sum_up(Copied(1_010, 7, (Rejection("line", "type conflict"),), 3), destination)
    command._copier(destination, lambda _: None).waiting(Keep("busy"), 4.0)
    out, err = capsys.readouterr()
    assert out == "1,000 changes copied to http://db, 7 that its schema does not write, 3 refused\n"
    assert err.splitlines() == ["refused: type conflict: line", "waiting 4 s: busy"]
