from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from ingest.actors.replay import ATTEMPTS
from ingest.cli import progress
from ingest.cli import spool as spool_command
from ingest.cli.exits import REFUSED
from ingest.core.coverage import UNNAMED, Cause, Mark
from ingest.core.sealing import resealed
from ingest.edge import free_space
from ingest.edge.ledger_file import LedgerFile
from ingest.edge.lock import SERVICE, locked
from ingest.edge.spool_bound import write_bound
from ingest.edge.spool_rows import Key
from ingest.edge.sqlite import transaction
from ingest.edge.totals_file import Totals, accounts
from tests.cli.stores import NOON, S
from tests.cli.waiting import KEY, buried, letters, lines, opened, run, spooled, waiting_lines
from tests.edge.answering import Reply, answering
from tests.edge.test_state_file import VERSION_1, VERSION_2
from tests.support.gzipped import first_member

PAGE = 4096
OTHER = Key("cottage", "influxdb")


def test_status_says_what_waits_by_home_and_store(tmp_path: Path) -> None:
    path = spooled(tmp_path / "state.db", lines(1000), lines(1000, 1000), every=100 * S)
    spooled(path, lines(2), key=OTHER)
    told = run(path, "spool", "status").stdout.splitlines()
    assert told[0].split() == ["home", "store", "points", "MiB", "oldest", "newest", "room", "left"]
    assert told[1].startswith(
        "cottage  influxdb       2  0.0  2026-01-01 12:00+00:00  2026-01-01 12:00+00:00  not known"
    )
    assert told[2].startswith("home     influxdb   2,000  0.0  2026-01-01 12:00+00:00  2026-01-01 12:33+00:00  ")
    assert told[2].endswith(" days")
    assert str(path) in told[4]


def test_status_of_a_disk_that_cannot_be_asked_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise OSError(5, "Input/output error")

    path = spooled(tmp_path / "state.db", lines(1))
    monkeypatch.setattr(shutil, "disk_usage", fail)
    for command in (("status",), ("recover", spooled(tmp_path / "old.db", lines(1)))):
        result = run(path, "spool", *command)
        assert "the disk cannot be asked: Input/output error" in result.stderr
        assert "Traceback" not in result.stderr


def test_the_room_left_is_the_limit_at_the_rate_of_what_waits(tmp_path: Path) -> None:
    path = spooled(tmp_path / "state.db", lines(1000), lines(1000, 1000), every=100 * S)
    state = json.loads(run(path, "spool", "status", "--json", "--set", "spool.size=2MiB").stdout)
    (home,) = state["waiting"]
    size = sum(len(resealed(each).payload) for each in (lines(1000), lines(1000, 1000)))
    assert (home["points"], home["bytes"], home["batches"]) == (2000, size, 2)
    assert state["limit_bytes"] <= 2 * 2**20
    assert home["days_left"] == pytest.approx((state["limit_bytes"] - size) / (size / 100) / 86_400)


def test_the_present_rate_says_how_long_the_room_lasts_also_when_nothing_waits(tmp_path: Path) -> None:
    path = spooled(tmp_path / "state.db")
    with opened(path) as connection:
        totals = Totals(connection, path, KEY)
        totals.opened(0)
        totals.add({}, 10.0)
    told = run(path, "spool", "status", "--set", "spool.size=2MiB").stdout
    assert told.startswith("Nothing waits.")
    assert "That is 2.4 days at the last known rate of home (influxdb)." in told
    spooled(path, lines(1000), lines(1000, 1000), every=100 * S)
    state = json.loads(run(path, "spool", "status", "--json", "--set", "spool.size=2MiB").stdout)
    assert state["rates"] == [
        {"home": "home", "store": "influxdb", "bytes_per_second": 10.0, "days": state["limit_bytes"] / 864_000}
    ]
    (home,) = state["waiting"]
    assert home["days_left"] == pytest.approx((state["limit_bytes"] - home["bytes"]) / 864_000)


def test_the_bound_is_the_one_that_the_service_reckoned_with(tmp_path: Path) -> None:
    path = spooled(tmp_path / "state.db")
    with opened(path) as connection:
        write_bound(connection, path, 7 * 2**20)
        write_bound(connection, path, 5 * 2**20)
    assert json.loads(run(path, "spool", "status", "--json").stdout)["limit_bytes"] == 5 * 2**20


def test_status_without_a_file_says_that_nothing_waits(tmp_path: Path) -> None:
    result = run(tmp_path / "state.db", "spool", "status")
    assert result.exit_code == 0
    assert result.stdout.startswith("Nothing waits.\n")
    assert "without a spool" in result.stdout
    assert list(tmp_path.iterdir()) == []
    database = run(tmp_path / "state.db", "spool", "status", url="http://localhost:9").stdout
    assert "The spool may take" in database


def test_status_names_what_was_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    path.write_bytes(b"no database at all" * 1000)
    spooled(path)
    (aside,) = tmp_path.glob("state.db.damaged-*")
    assert f"homeiq-ingest spool recover {aside}" in run(path, "spool", "status").stdout
    assert json.loads(run(path, "spool", "status", "--json").stdout)["set_aside"] == [str(aside)]


def test_a_terminal_is_not_shown_what_it_would_obey(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = spooled(tmp_path / "state.db", [b'm state="\x1b]0;owned\x07" 1'])
    monkeypatch.setattr(spool_command, "terminal", lambda: 80)
    assert run(path, "spool", "show", 1).stdout == 'm state="\ufffd]0;owned\ufffd" 1\n'


def test_list_and_show_look_beside_a_running_service(tmp_path: Path) -> None:
    path = spooled(tmp_path / "state.db", lines(3), lines(20, 3))
    with locked(path, remedy=""):
        listed = run(path, "spool", "list").stdout.splitlines()
        assert [line.split()[0] for line in listed] == ["id", "1", "2"]
        assert len(run(path, "spool", "list", "-n", 1).stdout.splitlines()) == 2
        shown = run(path, "spool", "show", 2, "-n", 5)
    assert shown.stdout_bytes.splitlines() == lines(5, 3)
    assert shown.stderr == "and 15 more\n"
    assert run(path, "spool", "show", 1).stderr == ""
    missing = run(path, "spool", "show", 99)
    assert (missing.exit_code, "there is no batch 99" in missing.stderr) == (2, True)
    assert run(spooled(tmp_path / "empty.db"), "spool", "list").stdout == "Nothing waits.\n"


@pytest.mark.parametrize(
    "damage",
    ["substr(payload, 1, 15)", "x'00112233'", "CAST(substr(payload, 1, length(payload) - 8) || zeroblob(8) AS BLOB)"],
)
def test_what_cannot_be_read_of_a_batch_is_said(tmp_path: Path, damage: str) -> None:
    path = spooled(tmp_path / "state.db", lines(10))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"UPDATE batch SET payload = {damage}")
    result = run(path, "spool", "show", 1)
    assert (result.exit_code, result.stdout) == (REFUSED, "")
    assert "batch 1 is damaged: its lines cannot be read" in result.stderr
    assert "spool recover" in result.stderr


@pytest.mark.parametrize(("script", "version"), [(VERSION_1, 1), (VERSION_2, 2)])
def test_a_file_of_an_older_version_is_read_as_it_is(tmp_path: Path, script: str, version: int) -> None:
    path = tmp_path / "state.db"
    with closing(sqlite3.connect(path)) as made:
        made.executescript(script)
        payload = resealed(lines(3)).payload
        made.execute("INSERT INTO batch VALUES (1, 'home', 'influxdb', 1, 1, 2, 3, 99, ?)", (payload,))
        made.commit()
    spool, letter = run(path, "spool", "status"), run(path, "dead-letters", "list")
    assert (spool.exit_code, letter.exit_code) == (0, 0), spool.stderr + letter.stderr
    assert "home" in run(path, "spool", "list").stdout
    assert run(path, "spool", "show", 1).stdout_bytes.splitlines() == lines(3)
    assert ("There are no dead letters" in letter.stdout) == (version == 1)
    with closing(sqlite3.connect(path)) as left:
        assert left.execute("PRAGMA user_version").fetchone() == (version,)


def test_a_file_of_another_version_is_not_read(tmp_path: Path) -> None:
    path = spooled(tmp_path / "state.db", lines(3))
    with opened(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    result = run(path, "spool", "list")
    assert result.exit_code == 2
    assert "version 99" in result.stderr


def test_purge_removes_everything_when_it_is_meant(tmp_path: Path) -> None:
    path = spooled(tmp_path / "state.db", lines(3), lines(4, 3))
    unsure = run(path, "spool", "purge")
    assert unsure.exit_code == 2
    assert "7 points wait" in unsure.stderr
    with locked(path, remedy="", by=SERVICE):
        assert "a running service" in run(path, "spool", "purge", "--yes").stderr
    assert len(waiting_lines(path)) == 7
    assert run(path, "spool", "purge", "--yes").stdout == "7 points removed.\n"
    assert waiting_lines(path) == []


def test_what_is_purged_is_a_gap_and_not_known_to_be_stored(tmp_path: Path) -> None:
    path = spooled(tmp_path / "state.db", lines(3), lines(4, 3), lines(2, 9_000))
    spooled(path, lines(2), key=OTHER)
    newest = NOON + 6 * S
    with opened(path) as connection:
        marks = [Mark("a", "sensor.a", newest), Mark("b", "sensor.b", newest + 1), Mark("c", "sensor.c", NOON - 1)]
        LedgerFile(connection, path, KEY).move_marks(marks)
    assert run(path, "spool", "purge", "--yes").stdout == "11 points removed.\n"
    with opened(path) as connection:
        ledger = LedgerFile(connection, path, KEY)
        assert [mark.time_ns for mark in ledger.load().marks] == [newest - 1, newest + 1, NOON - 1]
        last = NOON + 9_000 * S
        gaps = [(gap.from_ns, gap.to_ns) for gap in ledger.gaps()]
        assert gaps == [(NOON, newest), (last, last + S)]
        assert {(gap.cause, gap.why) for gap in ledger.gaps()} == {(Cause.PURGED, UNNAMED)}
        (other,) = LedgerFile(connection, path, OTHER).gaps()
        assert (other.cause, other.from_ns, other.to_ns) == (Cause.PURGED, NOON, NOON + S)


def test_a_damaged_file_is_set_aside_and_named_before_anything_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    path.write_bytes(b"no database at all" * 1000)
    result = run(path, "spool", "purge", "--yes")
    (aside,) = tmp_path.glob("state.db.damaged-*")
    assert str(aside) in result.stderr
    assert result.stdout == "0 points removed.\n"


def test_replay_stores_what_waits_and_shows_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LINE_EVERY", 0.0)
    path = spooled(tmp_path / "state.db", lines(4000), lines(4000, 4000))
    with answering(lambda _: Reply(204)) as peer:
        result = run(path, "spool", "replay", url=peer.url)
    assert result.exit_code == 0
    assert result.stdout == f"8,000 points stored in {peer.url}, 0 refused, 0 still wait.\n"
    assert "4,000 of 8,000 points" in result.stderr
    assert waiting_lines(path) == []


@pytest.mark.parametrize(("size", "requests"), [(1, 5), (4, 3), (5_000, 1)])
def test_what_waits_is_sent_in_requests_of_a_batch_at_most_each_one_member_of_gzip(
    tmp_path: Path, size: int, requests: int
) -> None:
    path = spooled(tmp_path / "state.db", *(lines(2, 2 * number) for number in range(5)))
    with answering(lambda _: Reply(204)) as database:
        replayed = run(path, "spool", "replay", "--set", f"batch.size={size}", url=database.url)
    assert replayed.stdout.startswith("10 points stored in ")
    written = [request.body for request in database.requests if request.path == "/api/v2/write"]
    bodies = [body for body in written if body.startswith(b"\x1f\x8b")]
    assert len(bodies) == requests
    assert sorted(line for body in bodies for line in first_member(body).splitlines()) == sorted(lines(10))


def test_replay_ends_when_a_person_must_act_and_everything_still_waits(tmp_path: Path) -> None:
    path = spooled(tmp_path / "state.db", lines(10))
    with answering(lambda _: Reply(401)) as peer:
        result = run(path, "spool", "replay", url=peer.url)
    assert result.exit_code == 2
    assert "0 points stored" in result.stdout
    assert "10 still wait" in result.stdout
    assert "influxdb.token" in result.stderr
    assert waiting_lines(path) == lines(10)


def test_replay_gives_up_after_some_failures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.actors.writer.CAP", 0.001)
    path = spooled(tmp_path / "state.db", lines(10))
    with answering(lambda _: Reply(503)) as peer:
        result = run(path, "spool", "replay", url=peer.url)
        assert len([each for each in peer.requests if each.path.endswith("write")]) == ATTEMPTS
    assert result.exit_code == 1
    assert "run this again later" in result.stderr
    assert result.stderr.count("Ctrl-C is safe") == 1
    assert waiting_lines(path) == lines(10)


def totals(path: Path) -> dict[str, int]:
    with opened(path) as connection:
        return {name: count for name, count in accounts(connection)[KEY].totals.items() if count}


def test_what_cannot_be_read_is_in_the_totals_of_a_replay(tmp_path: Path) -> None:
    path = spooled(tmp_path / "state.db", lines(10), lines(7, 10))
    with opened(path) as connection:
        connection.execute("UPDATE batch SET payload = x'00' WHERE count = 7")
    with answering(lambda _: Reply(204)) as peer:
        assert run(path, "spool", "replay", url=peer.url).exit_code == 0
    assert totals(path) == {"stored": 10, "evicted": 7}


@pytest.mark.slow
def test_what_was_stored_counts_when_a_person_ends_the_replay(tmp_path: Path) -> None:
    path = spooled(tmp_path / "state.db", lines(4000), lines(4000, 4000))
    token = tmp_path / "token"
    token.touch(0o600)
    token.write_text("secret")
    answers = iter([Reply(204)])
    with answering(lambda _: next(answers, Reply(503))) as peer:
        sets = [f"spool.path={path}", f"influxdb.url={peer.url}", f"influxdb.token_file={token}"]
        command = ["spool", "replay", *(f"--set={each}" for each in (*sets, "influxdb.create_bucket=false"))]
        with subprocess.Popen([sys.executable, "-m", "ingest", *command], stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            while "Ctrl-C is safe" not in (said := process.stderr.readline()):
                assert said
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=10)
    assert totals(path) == {"stored": 4000}
    assert len(waiting_lines(path)) == 4000


def test_replay_needs_a_database_a_file_and_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    assert "influxdb.url" in run(path, "spool", "replay").stderr
    assert run(path, "spool", "replay", url="http://localhost:9").stdout == "Nothing waits.\n"
    with locked(spooled(path, lines(1)), remedy="", by=SERVICE):
        assert "Stop the service" in run(path, "spool", "replay", url="http://localhost:9").stderr


def test_replay_says_when_the_state_file_cannot_be_used(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    path.mkdir()
    result = run(path, "spool", "replay", url="http://localhost:9")
    assert result.exit_code == 2
    assert result.stderr.rstrip().splitlines()[-1].count("the database file cannot be opened") == 1


def test_recover_finds_what_a_file_without_its_first_page_holds(tmp_path: Path) -> None:
    old = spooled(tmp_path / "old.db", *[lines(500, first) for first in range(0, 10_000, 500)])
    buried(old, ("m v=1 5", "conflict"))
    with old.open("r+b") as file:
        file.write(bytes(4096))
    path = spooled(tmp_path / "state.db")
    result = run(path, "spool", "recover", old)
    assert result.stdout.startswith("10,000 points in 20 batches and 1 dead letters came back.")
    assert len(waiting_lines(path)) == 10_000
    assert old.read_bytes()[:4096] == bytes(4096)
    assert {each.name for each in tmp_path.iterdir() if each.is_dir()} == set()


def test_looking_into_a_damaged_file_says_that_the_service_starts_all_the_same(tmp_path: Path) -> None:
    path = spooled(tmp_path / "state.db", lines(10))
    path.write_bytes(b"no database at all" * 1000)
    result = run(path, "spool", "list")
    assert result.exit_code == 2
    assert "The service starts all the same" in result.stderr


def test_recover_brings_back_batches_and_letters_once(tmp_path: Path) -> None:
    old = spooled(tmp_path / "old.db", lines(10), lines(10, 10))
    buried(old, ("m v=1 5", "conflict"))
    path = spooled(tmp_path / "state.db", lines(5, 100), every=7)
    first = run(path, "spool", "recover", old)
    assert first.exit_code == 0, first.output
    assert first.stdout.startswith("20 points in 2 batches and 1 dead letters came back.\n")
    assert "2 batches were there already" in run(path, "spool", "recover", old).stdout
    assert waiting_lines(path) == lines(5, 100) + lines(20)
    assert letters(path) == [("m v=1 5", "conflict")]
    assert waiting_lines(old) == lines(20)


def test_recover_pushes_out_no_letter_and_says_so(tmp_path: Path) -> None:
    old = buried(spooled(tmp_path / "old.db", lines(10)), *((f"m v=1 {each}", "no") for each in range(10_000)))
    path = buried(spooled(tmp_path / "state.db"), ("m v=1 99999", "mine"))
    result = run(path, "spool", "recover", old)
    assert result.exit_code == 2
    assert "there is no room for more dead letters" in result.stderr
    assert ("m v=1 99999", "mine") in letters(path)
    assert waiting_lines(path) == lines(10)


def test_recover_and_retry_leave_the_disk_its_floor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(free_space, "free_bytes", lambda _: 0)
    old = spooled(tmp_path / "old.db", lines(10))
    path = buried(spooled(tmp_path / "state.db"), ("m v=1 5", "no"))
    for command in (("spool", "recover", old), ("dead-letters", "retry", "--all")):
        result = run(path, *command)
        assert (result.exit_code, "MiB free" in result.stderr) == (2, True), result.output
    assert (waiting_lines(path), letters(path)) == ([], [("m v=1 5", "no")])


def test_recover_makes_a_new_state_file_when_there_is_none(tmp_path: Path) -> None:
    old = spooled(tmp_path / "old.db", lines(10))
    assert run(tmp_path / "state.db", "spool", "recover", old).stdout.startswith("10 points")
    assert waiting_lines(tmp_path / "state.db") == lines(10)


def test_recover_reads_around_the_damage(tmp_path: Path) -> None:
    """Every page but the first is destroyed in turn: what comes back was there, and most of it does."""
    sent = [lines(300, 300 * number) for number in range(30)]
    whole = spooled(tmp_path / "whole.db", *sent)
    with opened(whole) as connection:
        connection.execute("DELETE FROM batch WHERE id % 3 = 0")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    bytes_of = whole.read_bytes()
    everything = set(waiting_lines(whole))
    best = 0
    for number in range(1, len(bytes_of) // PAGE):
        damaged, path = tmp_path / f"{number}.db", tmp_path / f"new-{number}.db"
        damaged.write_bytes(bytes_of[: number * PAGE] + b"\xa5" * PAGE + bytes_of[(number + 1) * PAGE :])
        result = run(path, "spool", "recover", damaged)
        assert result.exit_code == 0, result.output
        found = waiting_lines(path)
        assert set(found) <= everything
        assert len(set(found)) == len(found)
        best = max(best, len(found))
        if len(found) < len(everything):
            assert "cannot be read" in result.stderr
    assert best >= 18 * 300


def test_recover_asks_the_payload_itself_whether_it_is_whole_and_how_many_points_it_has(tmp_path: Path) -> None:
    old = spooled(tmp_path / "old.db", lines(10), lines(10, 10), lines(10, 20))
    with opened(old) as connection, transaction(connection):
        connection.execute("UPDATE batch SET payload = substr(payload, 1, 20) WHERE id = 1")
        connection.execute("UPDATE batch SET count = 11 WHERE id = 2")
    result = run(tmp_path / "state.db", "spool", "recover", old)
    assert result.stdout.startswith("20 points in 2 batches")
    assert "At least 1 row cannot be read" in result.stderr
    assert "keep" in result.stdout.splitlines()[-1]
    assert waiting_lines(tmp_path / "state.db") == lines(10, 10) + lines(10, 20)


def test_recover_reads_a_file_of_a_later_version_as_far_as_it_is_known(tmp_path: Path) -> None:
    old = spooled(tmp_path / "old.db", lines(10))
    with opened(old) as connection:
        connection.execute("ALTER TABLE batch ADD COLUMN urgency INTEGER")
        connection.execute("DROP TABLE dead_letter")
        connection.execute("PRAGMA user_version = 99")
    assert run(tmp_path / "state.db", "spool", "recover", old).stdout.startswith("10 points in 1 batches and 0 dead")


def test_recover_says_when_nothing_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    junk = tmp_path / "junk"
    junk.write_bytes(b"no database at all" * 1000)
    result = run(path, "spool", "recover", junk)
    assert result.exit_code == 2
    assert "it is no database, or damaged at its beginning" in result.stderr
    assert "spool status" in result.stderr
    assert ".recover" not in result.stderr
    assert not path.exists()
    assert "that is the state file itself" in run(spooled(path), "spool", "recover", path).stderr


@pytest.mark.parametrize("command", [("spool", "show"), ("dead-letters", "show"), ("dead-letters", "retry")])
@pytest.mark.parametrize("number", [2**63, 10**30])
def test_a_number_that_no_file_holds_is_refused(tmp_path: Path, command: tuple[str, str], number: int) -> None:
    result = run(spooled(tmp_path / "state.db", lines(1)), *command, number)
    assert result.exit_code == REFUSED
    assert "is not in the range" in result.stderr
