"""A command whose own file holds nothing asks the running service which files it uses, before it says so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ingest.cli.main import main
from ingest.edge.lock import locked
from tests.cli.stores import NOON, a_day
from tests.cli.test_gaps import ledger
from tests.cli.waiting import buried, opened, spooled
from tests.edge.answering import Reply, answering
from tests.live.lab import free_port
from tests.support.homes import TOKEN

LOOKING = [
    ("spool", "status"),
    ("spool", "status", "--json"),
    ("spool", "list"),
    ("spool", "replay"),
    ("spool", "purge"),
    ("spool", "purge", "--yes"),
    ("dead-letters", "list"),
    ("dead-letters", "export", "-"),
    ("dead-letters", "retry", "--all"),
]
STORED = [("query",), ("export",), ("copy", "--to", "influxdb")]


@contextmanager
def service(tmp_path: Path, **files: str) -> Iterator[Path]:
    """A configuration whose API is that of a service which uses these files."""
    body = {"service": "homeiq-ingest", "files": files}
    with answering(lambda _: Reply.json(200, body)) as peer:
        yield configuration(tmp_path, int(peer.url.rpartition(":")[2]))


def configuration(tmp_path: Path, port: int) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(
        f'[api]\nport = {port}\n[spool]\npath = "state.db"\n[embedded]\npath = "home.db"\n'
        '[influxdb]\nurl = "http://127.0.0.1:9"\ntoken = "0123456789abcdef"\n[home_assistant]\ntoken = "not a good token"\n'
    )
    path.chmod(0o600)
    return path


def run(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments, "--config", str(config)])


@pytest.mark.parametrize("arguments", LOOKING, ids=" ".join)
@pytest.mark.parametrize("made", [False, True], ids=["absent", "empty"])
def test_the_file_of_a_running_service_is_named(tmp_path: Path, arguments: tuple[str, ...], *, made: bool) -> None:
    if made:
        spooled(tmp_path / "state.db")
    with service(tmp_path, state="/var/lib/homeiq-ingest/state.db") as config:
        result = run(config, *arguments)
    if made and arguments[1] == "export":  # an empty file of no letters is what was asked for
        return
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert str(tmp_path / "state.db") in result.stderr
    assert "Use --set spool.path=/var/lib/homeiq-ingest/state.db" in result.stderr


@pytest.mark.parametrize("arguments", STORED, ids=" ".join)
def test_the_store_of_a_running_service_is_named(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    with service(tmp_path, store="/var/lib/homeiq-ingest/home.db") as config:
        result = run(config, *arguments)
    assert result.exit_code == 2
    assert "Use --db /var/lib/homeiq-ingest/home.db" in result.stderr


@pytest.mark.parametrize("files", [{}, {"state": "SAME"}], ids=["an older service", "the same file"])
def test_nothing_waits_when_no_other_file_is_known(tmp_path: Path, files: dict[str, str]) -> None:
    named = {kind: str(tmp_path / "state.db") for kind in files}
    with service(tmp_path, **named) as config:
        assert run(config, "spool", "status").stdout.startswith("Nothing waits.\n")
        result = run(config, "spool", "status", "--set", f"spool.path={tmp_path / 'none.db'}")
        assert result.stdout.startswith("Nothing waits.\n")


def test_without_a_service_nothing_waits(tmp_path: Path) -> None:
    config = configuration(tmp_path, free_port())
    assert run(config, "spool", "status").stdout.startswith("Nothing waits.\n")


def test_a_file_that_holds_something_is_looked_at_whatever_runs(tmp_path: Path) -> None:
    spooled(tmp_path / "state.db", [b"m v=1 1"])
    a_day(tmp_path / "home.db")
    with service(tmp_path, state="/other/state.db", store="/other/home.db") as config:
        assert "influxdb" in run(config, "spool", "list").stdout
        assert "changes of" in run(config, "query").stdout


def test_what_another_store_left_is_called_that(tmp_path: Path) -> None:
    a_day(tmp_path / "home.db")
    with service(tmp_path) as config:
        for arguments in (("query",), ("query", "sensor.room", "--since", "2025-12-31"), ("export",)):
            line, *_ = run(config, *arguments).stderr.splitlines()
            assert line.startswith(
                f"This configuration stores in InfluxDB. This is the embedded store {tmp_path / 'home.db'}"
            )
            assert "which goes until 2026-01-01" in line
        for named in (("--db", str(tmp_path / "home.db")), ("--set", f"embedded.path={tmp_path / 'home.db'}")):
            assert run(config, "query", *named).stderr == ""
        config.write_text(config.read_text("utf-8").replace("[influxdb]", '[store]\nkind = "embedded"\n[influxdb]'))
        assert run(config, "query").stderr == ""


def test_an_embedded_store_is_not_promised_where_influxdb_is_configured(tmp_path: Path) -> None:
    with service(tmp_path) as config:
        result = run(config, "query")
    assert (result.exit_code, "This configuration stores in InfluxDB, and there is no" in result.stderr) == (2, True)
    assert "`homeiq-ingest run` makes it" not in result.stderr


SAID = "this is what {} holds, and the service that runs here uses {}"
READING = [
    (("gaps", "list"), "state"),
    (("gaps", "show", "7"), "state"),
    (("dead-letters", "list"), "state"),
    (("spool", "list"), "state"),
    (("spool", "status"), "state"),
    (("query",), "store"),
    (("query", "sensor.none"), "store"),
    (("export",), "store"),
]


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """Where a service was installed from, what was stored before stays."""
    ledger(buried(spooled(tmp_path / "state.db", [b"m v=1 1"]), ("m v=1 1", "refused")))
    with opened(tmp_path / "state.db") as connection:
        connection.execute("INSERT OR REPLACE INTO coverage VALUES ('home', 'influxdb', 1, ?, 0)", (NOON,))
    a_day(tmp_path / "home.db")
    return tmp_path


def elsewhere(folder: Path) -> dict[str, str]:
    return {"state": str(folder / "state.db"), "store": str(folder / "home.db")}


@pytest.mark.parametrize(("arguments", "kind"), READING, ids=str)
def test_what_is_read_in_another_file_than_the_services_is_called_that(
    kept: Path, arguments: tuple[str, ...], kind: str
) -> None:
    files = elsewhere(Path("/var/lib/homeiq-ingest"))
    seen = SAID.format(kept / Path(files[kind]).name, files[kind])
    with service(kept, **files) as config:
        assert run(config, *arguments).stderr.count(seen) == 1
        assert "--config /etc/homeiq-ingest/config.toml." in run(config, *arguments).stderr
        # Another service has it: it is that one's.
        with locked(kept / Path(files[kind]).name, remedy=""):
            assert seen not in run(config, *arguments).stderr
        name = "spool" if kind == "state" else "embedded"
        assert seen not in run(config, *arguments, "--set", f"{name}.path={kept / Path(files[kind]).name}").stderr
    with service(kept, **elsewhere(kept)) as config:
        assert "the service that runs here" not in run(config, *arguments).stderr


@pytest.mark.parametrize(
    "arguments",
    [("backup", "bak"), ("backfill", "--since", "1h"), ("gaps", "fill"), ("gaps", "reopen", "--since", "1d")],
    ids=" ".join,
)
def test_what_is_done_with_another_file_than_the_services_is_refused(
    kept: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.chdir(kept)
    before = {each.name for each in kept.iterdir()}
    with service(kept, **elsewhere(Path("/srv"))) as config:
        settings = config.read_text("utf-8").replace("not a good token", TOKEN)
        config.write_text(settings.replace("[home_assistant]", '[home_assistant]\nurl = "http://127.0.0.1:9"'))
        result = run(config, *arguments)
    assert result.exit_code == 2, result.output
    assert (
        f"another state file, /srv/state.db ({kept / 'state.db'}). Use the --config that the service" in result.stderr
    )
    assert f"--set spool.path={kept / 'state.db'}" in result.stderr
    # Who looks whether it knows a home leaves the files of a reader.
    made = {each.name for each in kept.iterdir()} - before - {config.name}
    assert made <= {"state.db-wal", "state.db-shm"}


def test_a_back_up_is_refused_for_a_store_that_is_another(kept: Path) -> None:
    with service(kept, state=str(kept / "state.db"), store="/srv/home.db") as config:
        config.write_text(config.read_text("utf-8").replace("[influxdb]", '[store]\nkind = "embedded"\n[influxdb]'))
        result = run(config, "backup", str(kept / "bak"))
        assert result.exit_code == 2
        assert "another store file, /srv/home.db" in result.stderr
        named = run(config, "backup", str(kept / "bak"), "--set", f"embedded.path={kept / 'home.db'}")
    assert named.exit_code == 0, named.output
