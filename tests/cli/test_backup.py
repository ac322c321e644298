"""Back-ups: made while somebody writes, restored elsewhere, compared; and everything that may be in the way."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve, field, frozen
from click.testing import Result

from ingest.cli import backup as command
from ingest.cli.main import main
from ingest.core.coverage import Cause, Mark, Note
from ingest.core.ledger import Opening
from ingest.edge import backup as edge
from ingest.edge import database_copy
from ingest.edge.free_space import Floor
from ingest.edge.ledger_file import Due
from ingest.edge.lock import COMMAND, SERVICE, locked
from ingest.edge.state_versions import VERSION
from tests.cli.stores import NOON, S, run, temperature, write
from tests.cli.waiting import buried, lines, spooled, waiting_lines
from tests.edge.ledgers import ledger_in

TOGETHER = 7
"""Changes that are committed in one transaction."""


@frozen
class Place:
    """A service's files, in a folder of its own."""

    folder: Path
    database: bool = False
    state: Path = field(init=False)
    store: Path = field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "state", self.folder / "state.db")
        object.__setattr__(self, "store", self.folder / "store" / "home.db")

    def run(self, *words: object) -> Result:
        kind = "influxdb" if self.database else "embedded"
        sets = (f"spool.path={self.state}", f"embedded.path={self.store}", f"store.kind={kind}", "api.enabled=false")
        more = ("influxdb.url=http://base.test:8086",) if self.database else ()
        return run(main, *words, *(word for each in (*sets, *more) for word in ("--set", each)))


@pytest.fixture
def here(tmp_path: Path) -> Place:
    """Two batches wait, a letter is dead, a gap is open, and the store has changes."""
    made = Place(tmp_path / "here")
    made.state.parent.mkdir()
    spooled(made.state, lines(20), lines(20, 20))
    buried(made.state, ("m,n=1 v=x 1", "a text"))
    with ledger_in(made.state) as ledger:
        ledger.write(Due([Opening(Cause.KILLED, NOON, NOON + S)], Note([Mark("a", "sensor.a", NOON)])))
        ledger.connection.execute("UPDATE coverage SET heard_ns = ?", (NOON,))
        ledger.connection.execute("INSERT OR IGNORE INTO coverage VALUES ('home', 'embedded', 1, ?, 0)", (NOON,))
    write(made.store, [temperature(NOON + number * S, float(number)) for number in range(200)])
    return made


def content(path: Path) -> dict[str, list[Any]]:
    """Every row of every table."""
    with closing(sqlite3.connect(path)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
        return {name: sorted(connection.execute(f"SELECT * FROM {name}").fetchall(), key=repr) for (name,) in tables}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@contextmanager
def writing(place: Place) -> Iterator[None]:
    """Somebody stores changes, and spools batches, all the time."""
    ended, begun = threading.Event(), threading.Event()

    def work() -> None:
        first = 1_000
        while not ended.is_set():
            write(place.store, [temperature(NOON + (first + number) * S, 20.0) for number in range(TOGETHER)])
            spooled(place.state, lines(TOGETHER, first))
            first += TOGETHER
            begun.set()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        assert begun.wait(20)
        yield
    finally:
        ended.set()
        thread.join(20)


def test_a_back_up_is_made_while_somebody_writes_and_restored_elsewhere(here: Place, tmp_path: Path) -> None:
    kept, there = tmp_path / "kept", Place(tmp_path / "there")
    with writing(here):
        made = here.run("backup", kept)
    assert (made.exit_code, made.stderr) == (0, "")
    assert [line.partition(": ")[0] for line in made.stdout.splitlines()[:2]] == [
        str(kept / "state.db"),
        str(kept / "home.db"),
    ]
    assert "What they know ends at 2026-01-01 12:00:00+00:00." in made.stdout
    assert names(kept) == ["home.db", "state.db"]
    assert {path.stat().st_mode & 0o777 for path in kept.iterdir()} == {0o600}

    restored = there.run("restore", kept)
    assert (restored.exit_code, restored.stderr) == (0, "")
    assert "history for what happened since 2026-01-01 12:00:00+00:00" in restored.stdout
    assert "What was there" not in restored.stdout
    for one, other in ((kept / "state.db", there.state), (kept / "home.db", there.store)):
        assert content(one) == content(other)

    write(here.store, [temperature(NOON + 900_000 * S, 1.0)])
    stored, last = content(there.store)["change"], content(here.store)["change"]
    assert set(stored) < set(last)
    assert (len(stored) - 200) % TOGETHER == 0, "a transaction is whole or not there"
    waits = waiting_lines(there.state)
    assert waits == waiting_lines(here.state)[: len(waits)]
    assert len(waits) % TOGETHER == 40 % TOGETHER
    # The state file is the older one: of what it has, the store has everything.
    assert len(waits) - 40 <= len(stored) - 200


def test_what_is_there_is_renamed_with_its_log(here: Place, tmp_path: Path) -> None:
    assert here.run("backup", tmp_path / "kept").exit_code == 0
    before = content(here.state)
    log = here.state.with_name("state.db-wal")
    log.write_bytes(b"what a killed service left")
    result = here.run("restore", tmp_path / "kept")
    assert result.exit_code == 0, result.output
    [aside] = [each for each in here.folder.glob("state.db.before-restore-*") if not each.name.endswith("-wal")]
    assert f"What was there is kept as {aside}" in result.stdout
    assert not log.exists()
    assert aside.with_name(f"{aside.name}-wal").read_bytes() == b"what a killed service left"
    assert content(here.state) == before


def test_with_a_database_only_the_state_file_is_copied(here: Place, tmp_path: Path) -> None:
    place = evolve(here, database=True)
    assert place.run("backup", tmp_path / "kept").exit_code == 0
    assert names(tmp_path / "kept") == ["state.db"]
    assert place.run("restore", tmp_path / "kept").exit_code == 0
    assert list(here.store.parent.glob("*before-restore*")) == []


def test_without_a_state_file_the_store_is_copied(here: Place, tmp_path: Path) -> None:
    here.state.unlink()
    made = here.run("backup", tmp_path / "kept")
    assert (made.exit_code, names(tmp_path / "kept")) == (0, ["home.db"])
    assert "They know of no home yet." in made.stdout
    restored = here.run("restore", tmp_path / "kept")
    assert "history for what is missing" in restored.stdout


def test_there_is_nothing_to_copy(tmp_path: Path) -> None:
    result = Place(tmp_path).run("backup", tmp_path / "kept")
    assert result.exit_code == 2
    assert "there is nothing to copy yet" in result.stderr
    assert not (tmp_path / "kept").exists()


def test_nothing_is_written_over(here: Place, tmp_path: Path) -> None:
    assert here.run("backup", tmp_path / "kept").exit_code == 0
    before = (tmp_path / "kept" / "home.db").read_bytes()
    (tmp_path / "kept" / "state.db").unlink()
    result = here.run("backup", tmp_path / "kept")
    assert result.exit_code == 2
    assert "there is a home.db already, and no back-up is written over" in result.stderr
    assert names(tmp_path / "kept") == ["home.db"]
    assert (tmp_path / "kept" / "home.db").read_bytes() == before


def test_a_damaged_store_is_no_back_up(here: Place, tmp_path: Path) -> None:
    raw = bytearray(here.store.read_bytes())
    for page in range(len(raw) // 2 // 4096 * 4096, len(raw), 4096):
        raw[page : page + 2000] = b"\xff" * 2000
    here.store.write_bytes(raw)
    result = here.run("backup", tmp_path / "kept")
    assert result.exit_code == 2
    assert "the database file is damaged" in result.stderr
    assert not (tmp_path / "kept").exists(), "not one of the two either"


def test_a_copy_that_is_read_back_wrong_is_no_back_up(
    here: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def garbled(draft: Path) -> None:
        with draft.open("r+b") as file:
            file.seek(4096 * 8)
            file.write(b"\xff" * 8)

    monkeypatch.setattr(database_copy, "sync", garbled)
    result = here.run("backup", tmp_path / "kept")
    assert result.exit_code == 2
    assert "the database file is damaged" in result.stderr
    assert not (tmp_path / "kept").exists()


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is looked at every step of SQLite's."""
    monkeypatch.setattr(database_copy, "EVERY", 0.0)
    monkeypatch.setattr(database_copy, "_STEPS", 1)


@pytest.mark.usefixtures("looked")
def test_who_takes_too_long_gives_up_and_leaves_nothing(here: Place, tmp_path: Path) -> None:
    result = here.run("backup", tmp_path / "kept", "--within", "0s")
    assert result.exit_code == 1
    assert "it took longer than allowed, and was given up. Allow more with --within 4h" in result.stderr
    assert not (tmp_path / "kept").exists()
    assert here.run("backup", tmp_path / "kept", "--within", "soon").exit_code == 2


@pytest.mark.usefixtures("looked")
def test_a_disk_that_becomes_full_ends_it(here: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also the disk of the service itself, whose log grows as long as somebody reads."""
    asked: list[Path] = []

    def floor_at(path: Path, _least: int) -> Floor:
        asked.append(path)
        return Floor(100, lambda: 10 if path == here.store else 1_000)

    monkeypatch.setattr(command, "floor_at", floor_at)
    result = here.run("backup", tmp_path / "a" / "kept")
    assert result.exit_code == 2
    assert "the disk would have less than" in result.stderr
    assert not (tmp_path / "a" / "kept").exists()
    assert asked == [here.state, here.store, tmp_path / "a"]


@pytest.mark.usefixtures("looked")
@pytest.mark.parametrize("full", ["the stick", "the state file's", "the store's"])
def test_a_full_stick_is_restored_from_and_no_disk_of_ours_becomes_full(
    full: str, here: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, there = tmp_path / "kept", Place(tmp_path / "there")
    assert here.run("backup", kept).exit_code == 0
    disks = {"the stick": kept, "the state file's": there.state.parent, "the store's": there.store.parent}

    def floor_at(path: Path, _least: int) -> Floor:
        return Floor(100, lambda: 10 if path.parent == disks[full] else 1_000)

    monkeypatch.setattr(command, "floor_at", floor_at)
    result = there.run("restore", kept)
    assert result.exit_code == (0 if full == "the stick" else 2), result.output
    assert ("the disk would have less than" in result.stderr) == (full != "the stick")
    assert there.state.exists() == there.store.exists() == (full == "the stick")


@pytest.mark.usefixtures("looked")
@pytest.mark.parametrize(
    "where", [(command._Watch, "look"), (database_copy._Watch, "stop")], ids=["in it", "before it"]
)
def test_ctrl_c_ends_it_and_leaves_nothing(
    where: tuple[type, str], here: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(*where, interrupted)
    result = here.run("backup", tmp_path / "kept")
    assert (result.exit_code, result.stderr) == (1, "\nAborted!\n")
    assert not (tmp_path / "kept").exists()


def test_a_disk_that_cannot_be_asked_is_told_of(here: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stale(path: Path, _least: int) -> Floor:
        raise OSError(116, "Stale file handle", str(path))

    monkeypatch.setattr(command, "floor_at", stale)
    result = here.run("backup", tmp_path / "kept")
    assert result.exit_code == 1
    assert "the disk cannot be asked: Stale file handle" in result.stderr


def test_a_folder_in_which_nothing_can_be_made(here: Place, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = here.run("backup", tmp_path / "file" / "kept")
    assert result.exit_code == 2
    assert "the folder cannot be made: Not a directory" in result.stderr


def test_no_copy_where_there_is_no_room(here: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(100, 100, 0))
    result = here.run("backup", tmp_path / "kept")
    assert result.exit_code == 2
    assert "there is no room for a copy" in result.stderr


@pytest.mark.parametrize(("error", "code"), [(30, 2), (13, 2), (5, 1)])
def test_a_draft_that_cannot_be_made_says_whose_fault_it_is(
    error: int, code: int, here: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> None:
        raise OSError(error, "so it is", str(path))

    monkeypatch.setattr(database_copy, "sync", refuse)
    result = here.run("backup", tmp_path / "kept")
    assert result.exit_code == code
    assert "it cannot be copied: so it is" in result.stderr
    assert not (tmp_path / "kept").exists()


def test_while_the_service_runs_nothing_is_restored(here: Place, tmp_path: Path) -> None:
    assert here.run("backup", tmp_path / "kept").exit_code == 0
    before = names(here.folder)
    for by, code, words in ((SERVICE, 2, "a running service holds"), (COMMAND, 1, "another command holds")):
        with locked(here.store, remedy="", by=by):
            result = here.run("restore", tmp_path / "kept")
        assert (result.exit_code, words in result.stderr) == (code, True)
    assert [name for name in names(here.folder) if not name.endswith(".lock")] == before
    with locked(here.state, remedy="", by=SERVICE):
        assert here.run("backup", tmp_path / "another").exit_code == 0, "beside a service it may be made"


def test_what_is_no_back_up_is_not_restored(here: Place, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    assert "there is no state.db and no home.db" in here.run("restore", kept).stderr
    before = content(here.state)
    for file, words in (
        (here.store, "this file is no state file of homeiq-ingest"),
        (None, "the database file is damaged"),
        (here.state, f"the state file is of version {VERSION + 1}, this program knows {VERSION}"),
    ):
        (kept / "state.db").unlink(missing_ok=True)
        if file is None:
            (kept / "state.db").write_bytes(b"SQLite format 3\0" + b"no database" * 1_000)
        else:
            shutil.copy(file, kept / "state.db")
        if file == here.state:
            with closing(sqlite3.connect(kept / "state.db")) as connection:
                connection.execute(f"PRAGMA user_version = {VERSION + 1}")
        result = here.run("restore", kept)
        assert (result.exit_code, words in result.stderr) == (2, True), result.stderr
    assert content(here.state) == before
    assert list(here.folder.glob("*before-restore*")) == []


@pytest.mark.parametrize("what", ["moved_aside", "rename"])
def test_a_place_that_does_not_take_it_keeps_what_it_has(
    what: str, here: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert here.run("backup", tmp_path / "kept").exit_code == 0

    def refuse(*_: object) -> Path:
        raise OSError(5, "Input/output error")

    if what == "rename":
        monkeypatch.setattr(edge, "moved_aside", lambda path, *_: path)
        monkeypatch.setattr(Path, "rename", refuse)
    else:
        monkeypatch.setattr(edge, "moved_aside", refuse)
    before = content(here.state)
    result = here.run("restore", tmp_path / "kept")
    assert result.exit_code == 1
    assert "Input/output error" in result.stderr
    assert content(here.state) == before
    assert list(here.folder.glob(".*draft")) == []


@pytest.mark.parametrize("stuck", ["state.db", "home.db"])
@pytest.mark.parametrize("before", ["files", "nothing"])
def test_where_one_of_the_two_cannot_be_put_both_are_as_they_were(
    stuck: str, before: str, here: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert here.run("backup", tmp_path / "kept").exit_code == 0
    place = here if before == "files" else Place(tmp_path / "there")
    if before == "files":
        spooled(here.state, lines(3, 500))
        here.state.with_name("state.db-wal").write_bytes(b"a log")
    rename = Path.rename

    def refuse(path: Path, to: Path) -> Path:
        if path.name == f".{stuck}.draft":
            raise OSError(5, "Input/output error")
        return rename(path, to)

    def files() -> dict[str, bytes]:
        found = (path for path in place.folder.rglob("*.db*") if not path.name.endswith(".lock"))
        return {path.name: path.read_bytes() for path in found}

    was = files() if before == "files" else {}
    monkeypatch.setattr(Path, "rename", refuse)
    result = place.run("restore", tmp_path / "kept")
    assert result.exit_code == 1
    assert "the copy cannot be given its name" in result.stderr
    assert files() == was


@pytest.mark.parametrize("there", ["nothing", "files that hold nothing", "only a state file"])
def test_a_running_service_with_other_files_is_named(
    there: str, here: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who backs up the wrong files finds out when it is too late."""
    files = {"state": "/var/lib/elsewhere/state.db", "store": "/var/lib/elsewhere/home.db"}
    monkeypatch.setattr("ingest.cli.own_file.ask_health", lambda *_: {"files": files})
    mine = tmp_path / "mine"
    mine.mkdir()
    if there == "files that hold nothing":
        spooled(mine / "state.db")
        write(mine / "home.db", [])
    elif there == "only a state file":
        shutil.copy(here.state, mine / "state.db")
    (mine / "config.toml").write_text('[spool]\npath = "state.db"\n[embedded]\npath = "home.db"\n')
    result = run(main, "backup", tmp_path / "kept", "--config", mine / "config.toml")
    assert result.exit_code == 2
    assert "the service that runs here uses another" in result.stderr
    assert not (tmp_path / "kept").exists()


def test_an_older_program_does_not_back_up_what_it_does_not_know(here: Place, tmp_path: Path) -> None:
    with closing(sqlite3.connect(here.state)) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    result = here.run("backup", tmp_path / "kept")
    assert result.exit_code == 2
    assert f"the state file is of version {VERSION + 1}" in result.stderr
    assert not (tmp_path / "kept").exists()
