from __future__ import annotations

import errno
import gc
import shutil
import sqlite3
import stat
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest

from ingest.edge.sqlite import Damaged, DiskFails, open_reader, open_writer, pragma, transaction, translate, translated
from ingest.errors import Refused, Transient


def test_a_writer_is_set_up_for_years_of_service(tmp_path: Path) -> None:
    connection = open_writer(tmp_path / "deep" / "down" / "a.db")
    names = ("journal_mode", "auto_vacuum", "synchronous", "busy_timeout")
    assert [pragma(connection, name) for name in names] == ["wal", 2, 2, 1000]
    connection.close()
    again = open_writer(tmp_path / "deep" / "down" / "a.db", "NORMAL")
    assert pragma(again, "synchronous") == 1
    again.close()


def test_what_is_deleted_is_not_written_once_more(tmp_path: Path) -> None:
    connection = open_writer(tmp_path / "a.db")
    connection.execute("CREATE TABLE t (a)")
    connection.execute("INSERT INTO t VALUES (?)", (bytes(range(256)) * 4096,))
    pragma(connection, "wal_checkpoint(TRUNCATE)")
    connection.execute("DELETE FROM t")
    assert 0 < (tmp_path / "a.db-wal").stat().st_size < 64 * 1024
    connection.close()


def test_a_transaction_is_all_or_nothing(tmp_path: Path) -> None:
    connection = open_writer(tmp_path / "a.db")
    connection.execute("CREATE TABLE t (a UNIQUE)")
    with transaction(connection):
        connection.execute("INSERT INTO t VALUES (1)")
    with pytest.raises(sqlite3.IntegrityError), translated(tmp_path), transaction(connection):
        connection.executemany("INSERT INTO t VALUES (?)", [(2,), (1,)])
    assert connection.execute("SELECT a FROM t").fetchall() == [(1,)]
    connection.close()


def test_a_reader_reads_while_a_writer_writes_and_cannot_write(tmp_path: Path) -> None:
    path = tmp_path / "with space & ?#.db"
    writer = open_writer(path)
    writer.execute("CREATE TABLE t (a)")
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("INSERT INTO t VALUES (1)")
    reader = open_reader(path)
    assert reader.execute("SELECT count(*) FROM t").fetchone() == (0,)
    with pytest.raises(Refused, match="cannot be written"), translated(path):
        reader.execute("INSERT INTO t VALUES (2)")
    writer.execute("COMMIT")
    assert reader.execute("SELECT count(*) FROM t").fetchone() == (1,)
    reader.close()
    writer.close()


def test_another_programs_lock_is_a_matter_of_time(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    one, other = open_writer(path), open_writer(path)
    other.execute("PRAGMA busy_timeout = 0")
    with transaction(one), pytest.raises(Transient, match="another program"), translated(path), transaction(other):
        pass
    one.close()
    other.close()


def test_a_new_file_and_its_log_are_their_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    connection = open_writer(path)
    connection.execute("CREATE TABLE t (a)")
    assert {each.name: stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()} == dict.fromkeys(
        ("a.db", "a.db-wal", "a.db-shm"), 0o600
    )
    connection.close()


def test_a_full_disk_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    connection = open_writer(path)
    connection.execute("CREATE TABLE t (a)")
    connection.execute("PRAGMA max_page_count = 4")
    with pytest.raises(Refused, match="no space") as caught, translated(path), transaction(connection):
        connection.execute("INSERT INTO t VALUES (?)", (b"x" * 100_000,))
    assert caught.value.where == str(path)
    assert "Free some space" in str(caught.value)
    connection.close()


def test_what_could_not_be_written_is_kept_by_nobody(tmp_path: Path) -> None:
    """A full disk stays full for days, and Python looks for garbage seldom."""
    connection, payload = open_writer(tmp_path / "a.db"), bytes(1_000_000)
    connection.execute("CREATE TABLE t (x)")
    connection.execute(f"PRAGMA max_page_count = {pragma(connection, 'page_count')}")

    def put(given: bytes) -> None:
        with translated(tmp_path), transaction(connection):
            connection.execute("INSERT INTO t VALUES (?)", (given,))

    def attempt(given: bytes) -> None:
        with pytest.raises(Refused, match="no space"):
            put(given)

    gc.collect()
    gc.disable()
    try:
        before = sys.getrefcount(payload)
        attempt(payload)
        connection.execute("SELECT 1")
        assert sys.getrefcount(payload) == before
    finally:
        gc.enable()
    connection.close()


def test_what_is_no_database_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    path.write_bytes(b"not a database at all" * 100)
    for opened in (open_writer, open_reader):
        with pytest.raises(Damaged, match="damaged"):
            opened(path)


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="cannot be opened"):
        open_reader(tmp_path / "none.db")
    (tmp_path / "file").touch()
    with pytest.raises(Refused, match="folder of the database"):
        open_writer(tmp_path / "file" / "a.db")
    with pytest.raises(Refused, match="cannot be opened"):
        open_writer(tmp_path)


def test_a_file_whose_log_cannot_be_opened_is_read_as_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    writer = open_writer(path)
    writer.execute("CREATE TABLE t (a)")
    writer.close()
    # A folder in the place of the -shm file: like a folder that one may not write, for root too.
    (tmp_path / "a.db-shm").mkdir()
    (tmp_path / "a.db-wal").mkdir()
    reader = open_reader(path)
    assert reader.execute("SELECT count(*) FROM t").fetchone() == (0,)
    reader.close()


def test_a_log_that_cannot_be_read_is_never_ignored(tmp_path: Path) -> None:
    writer = open_writer(tmp_path / "a.db")
    writer.execute("CREATE TABLE t (a)")
    for suffix in ("", "-wal"):
        shutil.copy(tmp_path / f"a.db{suffix}", tmp_path / f"b.db{suffix}")
    writer.close()
    (tmp_path / "b.db-shm").mkdir()
    with suppress(Refused), closing(open_reader(tmp_path / "b.db")) as reader:
        assert reader.execute("SELECT count(*) FROM t").fetchone() == (0,)


def test_a_bug_stays_a_bug(tmp_path: Path) -> None:
    connection = open_writer(tmp_path / "a.db")
    with pytest.raises(sqlite3.OperationalError, match="no such table"), translated(tmp_path):
        connection.execute("SELECT * FROM nowhere")
    connection.close()
    assert translate(sqlite3.ProgrammingError("closed"), tmp_path) is None


def test_a_text_that_is_none_is_damage_and_is_not_quoted(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with closing(open_writer(path)) as connection:
        connection.execute("CREATE TABLE t (name TEXT)")
        connection.execute("INSERT INTO t VALUES (CAST(x'736563726574a5' AS TEXT))")
        with pytest.raises(Damaged, match="column 'name'") as caught, translated(path):
            connection.execute("SELECT name FROM t").fetchall()
    assert caught.value.where == str(path)
    assert "secret" not in str(caught.value)


def test_a_schema_that_is_no_text_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with closing(open_writer(path)) as connection:
        connection.execute("CREATE TABLE something (a)")
    content = path.read_bytes()
    assert content.count(b"something") >= 3
    path.write_bytes(content.replace(b"something (a)", b"\xa5" * 13).replace(b"something", b"\xa5" * 9))
    for opened in (open_writer, open_reader):
        with pytest.raises(Damaged, match="its schema cannot be read"):
            opened(path)


def test_a_header_of_another_format_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with closing(open_writer(path)) as connection:
        connection.execute("CREATE TABLE something (a)")
    content = bytearray(path.read_bytes())
    content[44:48] = b"\0\0\0\xa5"  # the schema's format
    path.write_bytes(content)
    with pytest.raises(Damaged, match="unsupported file format"):
        open_writer(path)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE])
def test_a_log_that_no_disk_takes_now_is_the_disks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """No inode, no quota, no file descriptor: SQLite calls it a file that cannot be opened."""
    folder = tmp_path / "a.db"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "TemporaryFile", raising(OSError(code, "no more")))
    with pytest.raises(DiskFails, match="cannot be opened: no more"):
        open_writer(folder)


def test_what_no_time_heals_is_not_the_disks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "a.db"
    folder.mkdir()
    for error in (PermissionError(errno.EACCES, "no"), OSError(errno.EROFS, "no")):
        monkeypatch.setattr(tempfile, "TemporaryFile", raising(error))
        with pytest.raises(Refused, match="cannot be opened: unable to open") as caught:
            open_writer(folder)
        assert not isinstance(caught.value, DiskFails)


def raising(error: OSError) -> Callable[..., None]:
    def fail(**_: object) -> None:
        raise error

    return fail
