"""For real: processes that are killed, servers that hang, disks that fill up.

`ROUNDS` is how often the service is killed: `ROUNDS=500 nox -s faults -- -k being_killed`; another `SEED`, other moments.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from ingest.cli.exits import FAILED
from ingest.edge.lock import COMMAND, locked
from tests.faults.service import Place, Service, held, place, waiting
from tests.faults.sink import Mode, Sink, sinking, wait_for
from tests.support.homes import Running, running_home

pytestmark = pytest.mark.slow

ROUNDS = int(os.environ.get("ROUNDS", "10"))
SEED = int(os.environ.get("SEED", "1"))

STOP = 5.0
"""Seconds from a signal to the end of the process, whatever its database and its disk do."""

NOTHING_LOST = dict.fromkeys(("shed", "evicted", "rejected", "malformed", "spooled", "in_flight"), 0)


LOAD = 300
"""Changes a second."""


@pytest.fixture(scope="module")
def home() -> Iterator[Running]:
    """A home with something to say all the time."""
    with running_home(300, timedelta(minutes=10)) as running:
        ended = threading.Event()
        thread = threading.Thread(target=talk, args=(running, ended))
        thread.start()
        yield running
        ended.set()
        thread.join(10)


def talk(home: Running, ended: threading.Event) -> None:
    """Change something all the time, in turns of one to twenty changes."""
    chance = random.Random(SEED)
    while not ended.is_set():
        number = chance.randint(1, 20)
        home.change([f"sensor.talk_{chance.randrange(100)}" for _ in range(number)], f"{chance.random()}")
        ended.wait(number / LOAD)


def lost(books: dict[str, int]) -> dict[str, int]:
    return {name: books[name] for name in NOTHING_LOST}


def check_doubles(sink: Sink) -> None:
    """What came by the live path is one line for a series and a time, however often it was sent."""
    found = defaultdict(set)
    for line in sink.lines:
        if b",origin=" not in line:
            series, moment = line.split(b" ", 1)[0], line.rsplit(b" ", 1)[1]
            found[series, moment].add(line)
    assert [lines for lines in found.values() if len(lines) > 1] == []


def aside(where: Place) -> list[Path]:
    return list(where.state.parent.glob("*.damaged-*"))


def test_what_the_spool_acknowledged_survives_being_killed(
    tmp_path: Path, home: Running, record_property: Callable[[str, object], None]
) -> None:
    chance = random.Random(SEED)
    acknowledged: set[bytes] = set()
    with sinking() as sink:
        where = place(tmp_path, home.url, sink.url)
        for _ in range(ROUNDS):
            sink.become(chance.choice(["take", "take", "503", "hang", "away"]))
            with where.service() as service:
                if chance.random() < 0.8:
                    service.wait("Batched")
                time.sleep(chance.uniform(0, 1.0))
                service.kill()
            if where.state.exists():
                acknowledged |= {*waiting(where.state)}
            assert aside(where) == []
        sink.become("take")
        with where.service() as service:
            wait_for(lambda: sink.holds(acknowledged))
            service.wait("Stored")
            books = service.stop()
        assert lost(books) == NOTHING_LOST
        assert waiting(where.state) == []
        check_doubles(sink)
        record_property("acknowledged at a kill", len(acknowledged))
        record_property("stored", len(sink.lines))
        assert acknowledged


@pytest.mark.parametrize("mode", ["503", "hang", "away"])
def test_an_outage_loses_nothing(tmp_path: Path, home: Running, mode: Mode) -> None:
    with sinking(mode) as sink:
        where = place(tmp_path, home.url, sink.url)
        with where.service() as service:
            service.wait("Batched")
            time.sleep(1.5)
            assert held(where.state)
            sink.become("take")
            wait_for(lambda: service.reports("Stored") and not held(where.state))
            books = service.stop()
        assert lost(books) == NOTHING_LOST
        assert sink.lines.total() == books["stored"]
        check_doubles(sink)


@pytest.mark.parametrize("mode", ["hang", "trickle", "401"])
def test_a_stop_waits_for_no_database_and_the_next_start_stores_the_rest(
    tmp_path: Path, home: Running, mode: Mode
) -> None:
    with sinking(mode) as sink:
        where = place(tmp_path, home.url, sink.url)
        with where.service() as service:
            service.wait("Batched")
            time.sleep(0.5)
            books = stopped_in_time(service)
        assert books["spooled"] == len(kept := waiting(where.state)) > 0
        sink.become("take")
        with where.service() as service:
            service.wait("Stored")
            again = service.stop()
        assert sink.holds({*kept})
        assert again["carried"] == books["spooled"]
        assert lost(again) == NOTHING_LOST
        assert sink.lines.total() == again["stored"]
        check_doubles(sink)


def stopped_in_time(service: Service) -> dict[str, int]:
    began = time.monotonic()
    books = service.stop()
    assert time.monotonic() - began < STOP
    return books


def on_a_disk_that_may_hang(where: Place) -> Path:
    """The file that makes it hang while it exists."""
    flag = where.folder / "hang"
    where.program = ("-m", "tests.faults.dead_disk", str(flag))
    return flag


@pytest.mark.parametrize("mode", ["take", "hang", "trickle"])
def test_a_stop_waits_for_no_disk_and_says_what_it_costs(tmp_path: Path, home: Running, mode: Mode) -> None:
    with sinking(mode) as sink:
        where = place(tmp_path, home.url, sink.url)
        flag = on_a_disk_that_may_hang(where)
        with where.service() as service:
            service.wait("Batched")
            flag.touch()
            time.sleep(1)
            books = stopped_in_time(service)
        assert service.reports("Lost")[0]["count"] >= books["in_flight"] > 0


@pytest.mark.parametrize("times", [1, 2])
def test_a_stop_waits_for_no_disk_of_an_embedded_store(tmp_path: Path, home: Running, times: int) -> None:
    where = place(tmp_path, home.url, "http://127.0.0.1:1")
    where.changes = ["api.port=0", "store.kind=embedded", f"embedded.path={tmp_path / 'home.db'}"]
    flag = on_a_disk_that_may_hang(where)
    with where.service() as service:
        service.wait("Stored")
        flag.touch()
        time.sleep(1)
        if times == 2:
            service.process.send_signal(signal.SIGTERM)
            time.sleep(0.2)
        began = time.monotonic()
        service.process.send_signal(signal.SIGTERM)
        service.process.wait(20)
        assert time.monotonic() - began < STOP
        assert service.reports("Stopped")[0]["balanced"]


def test_a_stop_waits_for_no_disk_while_the_service_starts(tmp_path: Path, home: Running) -> None:
    where = place(tmp_path, home.url, "http://127.0.0.1:1")
    flag = on_a_disk_that_may_hang(where)
    flag.touch()
    with where.service() as service:
        wait_for(where.state.exists)
        began = time.monotonic()
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(20) == FAILED
        assert time.monotonic() - began < STOP
        assert "something hangs" in service.log.read_text("utf-8")


def test_a_start_while_a_command_holds_the_file_waits_and_then_is_one_to_try_again(
    tmp_path: Path, home: Running
) -> None:
    with sinking("take") as sink:
        where = place(tmp_path, home.url, sink.url)
        with locked(where.state, remedy="", by=COMMAND), where.service() as service:
            assert service.process.wait(20) == FAILED
            assert "another process uses this file" in service.log.read_text("utf-8")
        with ExitStack() as held:
            held.enter_context(locked(where.state, remedy="", by=COMMAND))
            with where.service() as service:
                time.sleep(1)
                held.close()
                service.wait("Stored")
                service.stop()


SMALL_DISK = """mount -t tmpfs -o size=24m none "$0" && exec "$@" """


def can_mount() -> bool:
    """In a mount namespace of its own, which ends with its process."""
    try:
        tried = subprocess.run(
            ["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False
        )
    except FileNotFoundError:
        return False
    return tried.returncode == 0


@pytest.mark.skipif(not can_mount(), reason="a small disk of its own needs the right to mount")
def test_a_full_disk_is_survived_and_nothing_is_lost(tmp_path: Path, home: Running) -> None:
    """Without a floor: SQLite itself meets the end of the disk."""
    with sinking("503") as sink:
        folder = tmp_path / "state"
        inside = ["unshare", "-m", "sh", "-c", SMALL_DISK, str(folder)]
        where = place(tmp_path, home.url, sink.url, inside, "0")
        with where.service() as service:
            service.wait("Batched")
            seen = Path(f"/proc/{service.process.pid}/root{folder}")
            fill(seen / "filler")
            service.wait("SpoolFailing")
            time.sleep(1)
            assert service.process.poll() is None
            (seen / "filler").unlink()
            service.wait("SpoolRecovered")
            assert waiting(seen / "state.db")
            sink.become("take")
            wait_for(lambda: service.reports("Stored") and not waiting(seen / "state.db"))
            books = service.stop()
        assert lost(books) == NOTHING_LOST
        assert sink.lines.total() == books["stored"]
        check_doubles(sink)
        check_told(service)


@pytest.mark.skipif(not can_mount(), reason="a small disk of its own needs the right to mount")
def test_below_the_floor_the_file_does_not_grow_and_nothing_gives_way_while_memory_has_room(
    tmp_path: Path, home: Running
) -> None:
    """The floor is a twentieth of this disk, 1.2 MiB."""
    with sinking("503") as sink:
        folder = tmp_path / "state"
        inside = ["unshare", "-m", "sh", "-c", SMALL_DISK, str(folder)]
        where = place(tmp_path, home.url, sink.url, inside)
        with where.service() as service:
            service.wait("Batched")
            seen = Path(f"/proc/{service.process.pid}/root{folder}")
            fill(seen / "filler")
            os.truncate(seen / "filler", (seen / "filler").stat().st_size - 2**20)
            before = (seen / "state.db").stat().st_size
            batches = len(service.reports("Batched"))
            wait_for(lambda: len(service.reports("Batched")) > batches + 10)
            assert (seen / "state.db").stat().st_size <= max(before, 2**16)
            assert not service.reports("Evicted"), "memory is nearly empty"
            (seen / "filler").unlink()
            sink.become("take")
            wait_for(lambda: service.reports("Stored") and not waiting(seen / "state.db"))
            books = service.stop()
        assert sink.lines.total() == books["stored"]
        assert lost(books) == NOTHING_LOST


def check_told(service: Service) -> None:
    """The failure was said once, in words that name it."""
    failures = service.reports("SpoolFailing")
    assert len(failures) == len(service.reports("SpoolRecovered")) == 1
    assert "no space" in failures[0]["reason"]


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        for size in (2**20, 2**12):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue
