"""A disk that is full, that nobody may write on, or that its kernel made read-only: real file systems, in a mount
namespace that ends with the service.

`FULL_SECONDS` is how long the disk stays as it is: `FULL_SECONDS=60 nox -s faults -- -k full_for_long`.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest
from attrs import define, field

from tests.cli.waiting import lines, spooled
from tests.faults.campaign.database import key_of
from tests.faults.service import Place, Service, place
from tests.faults.sink import Sink, sinking, wait_for
from tests.faults.test_kill import NOTHING_LOST, SMALL_DISK, can_mount, check_doubles, fill, lost
from tests.support.homes import Running, running_home

pytestmark = pytest.mark.slow

SECONDS = float(os.environ.get("FULL_SECONDS", "5"))
PER_SECOND = 50

IMAGE = """mount -o loop,errors=remount-ro "$0" "$1" && shift && exec "$@" """


def possible(script: str) -> bool:
    """True when such a thing may be done here, in a namespace of its own."""
    try:
        return not subprocess.run(["unshare", "-m", "sh", "-ec", script], capture_output=True, check=False).returncode
    except FileNotFoundError:
        return False


EXT4 = possible("""
    image=$(mktemp) && trap 'rm -f $image' EXIT && truncate -s 8M $image && mkfs.ext4 -qF $image
    mount -o loop $image /mnt && touch /mnt/file && chattr +i /mnt/file && chattr -i /mnt/file
    test -w /sys/fs/ext4/$(basename $(findmnt -no SOURCE /mnt))/trigger_fs_error
""")
needs_small_disk = pytest.mark.skipif(not can_mount(), reason="a small disk of its own needs the right to mount")
needs_ext4 = pytest.mark.skipif(not EXT4, reason="a file system of its own needs the right to mount, and a loop device")


@define(eq=False)
class Scene:
    """A service whose state file is on a disk of its own. `told` is what the home said."""

    home: Running
    sink: Sink
    where: Place
    service: Service
    told: set[tuple[str, int]] = field(factory=set)
    numbers: Iterator[int] = field(factory=count)

    @property
    def disk(self) -> Path:
        """The disk as the service sees it."""
        return Path(f"/proc/{self.service.process.pid}/root{self.where.state.parent}")

    def waiting(self) -> int:
        """Points that the database does not have yet."""
        return int(self.service.health()["database"]["waiting_points"])

    def load(self, seconds: float) -> None:
        """The home goes on for so long, and the service with it."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            number = next(self.numbers)
            self.told |= self.home.change([f"sensor.load_{number % 97}"], f"{number}")
            time.sleep(1 / PER_SECOND)
        assert self.service.process.poll() is None

    def until_told(self, *kinds: str) -> None:
        """Load until the service says one of these."""
        end = time.monotonic() + 30
        while not any(map(self.service.reports, kinds)):
            assert time.monotonic() < end, kinds
            self.load(0.2)

    def delivered(self) -> None:
        """Wait until nothing is on its way."""
        self.sink.become("take")
        self.told |= self.home.change(["sensor.last"], "1")
        wait_for(lambda: any(b"sensor.last" in line for line in [*self.sink.lines]), 60)
        wait_for(lambda: not self.waiting(), 60)


@contextmanager
def scene(folder: Path, inside: Sequence[str], home: Running, sink: Sink) -> Iterator[Scene]:
    where = place(folder, home.url, sink.url, inside)
    where.changes = ["api.port=0"]
    with where.service() as service:
        service.wait("Connected")
        service.wait("Batched")
        yield Scene(home, sink, where, service)


@pytest.fixture
def home() -> Iterator[Running]:
    with running_home(30, timedelta(0)) as running:
        yield running


def small(folder: Path) -> list[str]:
    return ["unshare", "-m", "sh", "-c", SMALL_DISK, str(folder / "state")]


def image(folder: Path) -> list[str]:
    """A service that runs with a small ext4 file system."""
    made = folder / "image"
    if not made.exists():
        with made.open("wb") as file:
            file.truncate(64 * 2**20)
        subprocess.run(["mkfs.ext4", "-qF", "-O", "^has_journal", made], check=True)
    return ["unshare", "-m", "sh", "-c", IMAGE, str(made), str(folder / "state")]


def check(made: Scene, books: dict[str, int]) -> None:
    """What is not in the sink was evicted, counted and said; everything else is there once."""
    assert {**lost(books), "evicted": 0} == NOTHING_LOST
    assert len(made.sink.lines) == books["stored"]
    check_doubles(made.sink)
    assert len(made.told - {key_of(line) for line in made.sink.lines}) <= books["evicted"]
    assert bool(made.service.reports("Evicted")) == bool(books["evicted"])


@needs_small_disk
def test_a_disk_that_is_full_for_long_costs_nothing_but_what_is_counted(
    tmp_path: Path, home: Running, record_property: Callable[[str, object], None]
) -> None:
    with sinking("hang") as sink, scene(tmp_path, small(tmp_path), home, sink) as made:
        made.load(1)
        filler = made.disk / "filler"
        fill(filler)
        # A spool that leaves some space free may make room by evicting instead.
        made.until_told("SpoolFailing", "Evicted")
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            made.load(min(1.0, SECONDS))
            fill(filler)
        failing = made.service.reports("SpoolFailing")
        filler.unlink()
        if failing:
            made.until_told("SpoolRecovered")
            assert len(failing) == len(made.service.reports("SpoolRecovered")) == 1
            assert any(words in failing[0]["reason"] for words in ("no space", "less than"))
        made.load(1)
        assert made.waiting()
        made.delivered()
        books = made.service.stop()
        check(made, books)
        record_property("told", len(made.told))
        record_property("books", books)


@needs_ext4
def test_a_file_that_may_not_be_written_is_survived_and_comes_back(tmp_path: Path, home: Running) -> None:
    with sinking("hang") as sink, scene(tmp_path, image(tmp_path), home, sink) as made:
        made.load(1)
        files = [made.disk / name for name in ("state.db", "state.db-wal")]
        subprocess.run(["chattr", "+i", *files], check=True)
        made.until_told("SpoolFailing")
        made.load(2)
        subprocess.run(["chattr", "-i", *files], check=True)
        made.until_told("SpoolRecovered")
        assert len(made.service.reports("SpoolFailing")) == len(made.service.reports("SpoolRecovered")) == 1
        made.delivered()
        check(made, made.service.stop())


@needs_ext4
def test_a_file_system_gone_read_only_is_survived_and_the_next_start_has_what_was_on_it(
    tmp_path: Path, home: Running
) -> None:
    with sinking("hang") as sink:
        with scene(tmp_path, image(tmp_path), home, sink) as made:
            made.load(1)
            go_read_only(made.disk)
            made.until_told("SpoolFailing")
            made.load(2)
            told = made.told | home.change(["sensor.last"], "1")
            # The memory is delivered, and the file can still be read.
            sink.become("take")
            wait_for(lambda: told <= {key_of(line) for line in [*sink.lines]}, 60)
            books = made.service.stop()
            assert lost(books) == NOTHING_LOST
            assert len(sink.lines) == books["stored"]
        with scene_again(made) as again:
            books = again.stop()
        assert books["carried"] > 0
        assert lost(books) == NOTHING_LOST
        check_doubles(sink)


@needs_small_disk
def test_a_start_on_a_full_disk_is_mended_while_the_service_runs(tmp_path: Path, home: Running) -> None:
    full = SMALL_DISK.replace(
        "&&", """&& cp "$0".before/* "$0" && (cat /dev/zero > "$0"/filler 2>/dev/null || true) &&"""
    )
    start_before_it_is_mended(tmp_path, ["unshare", "-m", "sh", "-c", full, str(tmp_path / "state")], home, "filler")


@needs_small_disk
def test_a_start_on_a_read_only_disk_is_mended_while_the_service_runs(tmp_path: Path, home: Running) -> None:
    read_only = SMALL_DISK.replace("&&", """&& cp "$0".before/* "$0" && mount -o remount,ro "$0" &&""")
    start_before_it_is_mended(tmp_path, ["unshare", "-m", "sh", "-c", read_only, str(tmp_path / "state")], home, None)


def start_before_it_is_mended(folder: Path, inside: Sequence[str], home: Running, filler: str | None) -> None:
    """A service that finds a disk as bad as it can be, with a file on it in which something waits."""
    before = folder / "state.before"
    before.mkdir()
    waits = [line.replace(b"m,n=", b"m,entity_id=sensor.before_") for line in lines(1000)]
    spooled(before / "state.db", *(waits[first : first + 50] for first in range(0, 1000, 50)))
    with sinking("503") as sink, scene(folder, inside, home, sink) as made:
        made.until_told("SpoolFailing")
        made.load(2)
        assert made.service.health()["status"] != "healthy"
        assert "spool" in str(made.service.health())
        sink.become("take")
        wait_for(lambda: made.told <= {key_of(line) for line in [*sink.lines]}, 60)
        assert made.service.health()["status"] == "degraded"
        assert not sink.holds(set(waits[:1]))
        mend(made, filler)
        made.until_told("SpoolRecovered")
        wait_for(lambda: sink.holds(set(waits)), 60)
        made.delivered()
        wait_for(lambda: made.service.health()["status"] == "healthy", 60)
        books = made.service.stop()
    assert len(made.service.reports("SpoolFailing")) == 1
    assert (books["carried"], books["made"]) == (0, 1000)
    check(made, books)


def mend(made: Scene, filler: str | None) -> None:
    if filler is not None:
        (made.disk / filler).unlink()
        return
    inside = ["nsenter", "-m", "-t", str(made.service.process.pid)]
    subprocess.run([*inside, "mount", "-o", "remount,rw", made.where.state.parent], check=True)


@contextmanager
def scene_again(made: Scene) -> Iterator[Service]:
    with made.where.service() as service:
        service.wait("Stored")
        yield service


def go_read_only(disk: Path) -> None:
    """What a kernel does to ext4 when its disk makes mistakes."""
    device = disk.stat().st_dev
    name = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}").resolve().name
    Path(f"/sys/fs/ext4/{name}/trigger_fs_error").write_text("1", "utf-8")
