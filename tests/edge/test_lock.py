from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from ingest.edge.lock import COMMAND, NOBODY, SERVICE, Held, Holder, holder, is_held, locked, locked_soon
from ingest.errors import Refused
from tests.support.closed import close

HOLD = "import sys, pathlib, time\nfrom ingest.edge.lock import locked\nwith locked(pathlib.Path(sys.argv[1]), remedy=''):\n    print('held', flush=True)\n    time.sleep(60)"


def test_one_process_at_a_time_and_a_killed_one_lets_go(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.db"
    with subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        with pytest.raises(Held, match="End it first") as caught, locked(path, remedy="End it first."):
            pass
        assert str(path) in str(caught.value)
        process.kill()
        process.wait(10)
    with locked(path, remedy=""):
        pass


def test_a_place_where_nothing_can_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(Refused, match="cannot be made"), locked(tmp_path / "file" / "x.db", remedy=""):
        pass


async def hold(path: Path, by: Holder, seconds: float, *, task_status: trio.TaskStatus[None]) -> None:
    with locked(path, remedy="", by=by):
        task_status.started()
        await trio.sleep(seconds)


async def test_a_service_waits_for_a_command_to_end(tmp_path: Path, autojump_clock: MockClock) -> None:
    path = tmp_path / "file.db"
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(hold, path, COMMAND, 2.0))
        async with locked_soon(path, remedy="", by=SERVICE) as lock:
            assert lock.word == SERVICE.word
            assert 2 <= trio.current_time() < 2.5
            with pytest.raises(Held) as caught, locked(path, remedy=""):
                pass
            assert caught.value.by_service


@pytest.mark.parametrize(("by", "waited"), [(COMMAND, SERVICE.patience), (NOBODY, SERVICE.patience), (SERVICE, 0.0)])
async def test_it_does_not_wait_for_ever_nor_for_another_service(
    tmp_path: Path, autojump_clock: MockClock, by: Holder, waited: float
) -> None:
    path = tmp_path / "file.db"
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(hold, path, by, 60.0))
        with pytest.raises(Held, match="End it first"):
            async with locked_soon(path, remedy="End it first.", by=SERVICE):
                pass
        assert trio.current_time() == pytest.approx(waited, abs=0.2)
        nursery.cancel_scope.cancel()


def test_who_asks_while_a_word_is_replaced_finds_the_one_or_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a service that ends would be taken for another command, which says so and asks to wait."""
    path, words, found = tmp_path / "file.db", ["/run/a/long/way/to/its.sock", SERVICE.word], list[str | None]()

    def seen(function: Callable[..., object]) -> Callable[..., object]:
        def look(*arguments: object) -> object:
            found.append(holder(path))
            done = function(*arguments)
            found.append(holder(path))
            return done

        return look

    with locked(path, remedy="", by=SERVICE) as lock:
        monkeypatch.setattr(os, "pwrite", seen(os.pwrite))
        monkeypatch.setattr(os, "ftruncate", seen(os.ftruncate))
        for word in (*words, *words):
            lock.leave(word)
            assert holder(path) == word
    assert set(found) == set(words)


def test_a_lock_that_is_a_link_gives_nobody_what_it_leads_to(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("of somebody else")
    (tmp_path / "state.db.lock").symlink_to(other)
    with pytest.raises(Refused, match="cannot be made"), locked(tmp_path / "state.db", remedy="no"):
        pass
    assert other.read_text() == "of somebody else"


def test_whether_it_is_held_is_seen_without_making_anything(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    assert not is_held(path)
    assert not list(tmp_path.iterdir())
    with locked(path, remedy=""):
        assert is_held(path)
    assert not is_held(path)


def test_a_command_that_may_not_is_told_who_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder of an installed service is a link that only root may follow."""
    (tmp_path / "service").symlink_to(tmp_path / "private" / "service")
    close(tmp_path / "private", monkeypatch)
    close(tmp_path / "service", monkeypatch)
    for by, said in (
        (COMMAND, "its lock cannot be taken: .* Run this with sudo"),
        (SERVICE, "the file cannot be made"),
    ):
        with pytest.raises(Refused, match=said), locked(tmp_path / "service" / "state.db", remedy="", by=by):
            pass
