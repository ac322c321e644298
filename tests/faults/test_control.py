"""Commands from one process, the service in another: each does what it says while the service runs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.cli.waiting import buried, lines, spooled
from tests.faults.service import Place, place, waiting
from tests.faults.sink import sinking, wait_for
from tests.support.homes import Running, running_home

pytestmark = pytest.mark.slow

LETTER = "m,n=7 v=1 1767268800000000000"


@pytest.fixture(scope="module")
def home() -> Iterator[Running]:
    with running_home(300, timedelta(minutes=10), speed=30) as running:
        yield running


def command(where: Place, *words: object, code: int = 0) -> str:
    """What it prints, its errors after its answer."""
    call = [sys.executable, "-m", "ingest", *map(str, words), "--config", str(where.folder / "config.toml")]
    done = subprocess.run(call, capture_output=True, text=True, check=False, env={**os.environ}, timeout=60)
    assert done.returncode == code, done
    return done.stdout + done.stderr


def test_commands_act_on_the_running_service(tmp_path: Path, home: Running) -> None:
    old = spooled(tmp_path / "old.db", lines(10), lines(20, 10))
    with sinking("503") as sink:
        where = place(tmp_path, home.url, sink.url)
        buried(where.state, (LETTER, "as it was"))
        with where.service() as service:
            wait_for(lambda: len(service.reports("StoreWaiting")) > 2)

            assert "Add --yes" in command(where, "spool", "purge", code=2)
            told = command(where, "spool", "purge", "--yes")
            assert " points removed.\n" in told
            removed = int(told.split()[0].replace(",", ""))
            assert removed == sum(each["count"] for each in service.reports("Purged")) > 0

            assert command(where, "dead-letters", "retry", "--all").startswith("1 point is back in the spool; the s")
            assert LETTER.encode() in waiting(where.state)

            back = command(where, "spool", "recover", old)
            assert back.startswith("30 points in 2 batches and 0 dead letters came back.\n")
            assert {*lines(30)} <= {*waiting(where.state)}

            sink.become("401")
            assert "influxdb.token" in command(where, "spool", "replay", code=2)
            sink.become("take")
            assert "0 refused" in command(where, "spool", "replay")
            assert sink.holds({LETTER.encode(), *lines(30)})
            books = service.stop()
        assert books["made"] == 31
        assert books["evicted"] == removed
        assert sink.lines.total() == books["stored"]
        assert max(sink.lines[each] for each in lines(30)) == 1
        check_gone(where)


def check_gone(where: Place) -> None:
    assert list(where.state.parent.glob("*.sock")) == []
    assert (where.state.parent / "state.db.lock").read_text() == "service"


def test_a_command_that_is_cut_off_harms_nobody_and_a_killed_service_is_followed_by_one_that_listens(
    tmp_path: Path, home: Running
) -> None:
    with sinking("503") as sink:
        where = place(tmp_path, home.url, sink.url)
        with where.service() as service:
            service.wait("StoreWaiting")
            call = [sys.executable, "-m", "ingest", "spool", "replay", "--config", str(where.folder / "config.toml")]
            for end in ("kill", "terminate"):
                process = subprocess.Popen(call, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                time.sleep(1.5)
                getattr(process, end)()
                process.wait(10)
            assert service.process.poll() is None
            service.kill()
        with where.service() as service:
            service.wait("StoreWaiting")
            assert " points removed.\n" in command(where, "spool", "purge", "--yes")
            service.stop()
        check_gone(where)
