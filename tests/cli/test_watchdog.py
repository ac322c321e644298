from __future__ import annotations

import socket
from pathlib import Path

import trio
from trio.testing import MockClock

from ingest.cli.watchdog import Watchdog
from ingest.core import reports
from ingest.core.health import Health
from ingest.core.reports import Report
from ingest.edge.notify import VARIABLE, manager
from ingest.runtime.progress import ALLOWANCE, Move
from tests.core.test_health import UP, after


def drained(systemd: socket.socket) -> list[str]:
    found = []
    while True:
        try:
            found.append(systemd.recv(4096).decode())
        except BlockingIOError:
            return found


async def test_a_stuck_part_is_said_once_and_ends_the_signs_of_life_until_it_moves_again(
    systemd: socket.socket, tmp_path: Path, autojump_clock: MockClock
) -> None:
    told = manager({VARIABLE: str(tmp_path / "notify"), "WATCHDOG_USEC": "60000000"})
    dog, emitted, at = Watchdog(told), list[Report](), [Move(1)]

    def emit(report: Report) -> None:
        told(report)
        emitted.append(report)

    dog.progress.watch("a write", lambda: at[0])
    emit(reports.Started("1", "home", "db"))
    async with dog.looking(emit):
        said = list[str]()
        with trio.move_on_after(ALLOWANCE - 1):
            while True:
                await trio.sleep(30)
                said += drained(systemd)  # the kernel keeps ten, where nobody says otherwise
        said += drained(systemd)
        assert len([each for each in said if "WATCHDOG=1" in each]) == ALLOWANCE / 15
        assert len(emitted) == 1
        await trio.sleep(21)
        drained(systemd)
        await trio.sleep(300)
        assert drained(systemd) == []
        at[0] = Move(2)
        await trio.sleep(20)
        assert "WATCHDOG=1" in drained(systemd)
    _, stuck, moving = emitted
    assert isinstance(stuck, reports.Stuck)
    assert "a write has not come back for" in stuck.text()
    assert "systemd's watchdog" in stuck.text()
    assert isinstance(moving, reports.Moving)
    assert moving.seconds >= 300 + ALLOWANCE
    assert "moves again" in moving.text()


async def test_without_systemd_it_is_looked_at_all_the_same(autojump_clock: MockClock) -> None:
    dog, emitted = Watchdog(), list[Report]()
    dog.progress.watch("a write", lambda: Move(1))
    async with dog.looking(emitted.append):
        await trio.sleep(2 * ALLOWANCE)
    (stuck,) = emitted
    assert stuck.text().count("restart the service") == 1


async def test_the_status_is_how_it_is(systemd: socket.socket, tmp_path: Path, autojump_clock: MockClock) -> None:
    told = manager({VARIABLE: str(tmp_path / "notify")})
    dog = Watchdog(told, health=lambda: after(*UP))
    async with dog.looking(told):
        await trio.sleep(100)
    first, *others = drained(systemd)
    assert first.startswith("EXTEND_TIMEOUT_USEC=120000000\nSTATUS=storing 0.05 events/s")
    assert set(others) == {"EXTEND_TIMEOUT_USEC=120000000"}


async def test_a_bug_in_the_status_ends_the_status_only(
    systemd: socket.socket, tmp_path: Path, autojump_clock: MockClock
) -> None:
    def broken() -> Health:
        raise ZeroDivisionError

    emitted: list[Report] = []
    async with Watchdog(manager({VARIABLE: str(tmp_path / "notify")}), health=broken).looking(emitted.append):
        await trio.sleep(100)
    assert [each.text() for each in emitted] == [
        "the status for systemd broke, and is told no more: ZeroDivisionError()"
    ]
    assert set(drained(systemd)) == {"EXTEND_TIMEOUT_USEC=120000000"}


def test_health_knows_what_is_stuck_and_that_it_moves_again() -> None:
    stuck = reports.Stuck("a delivery to db", 600.0, watchdog=False)
    health = after(*UP, stuck)
    assert health.status.value == "unhealthy"
    assert "has not come back since" in health.reason
    assert health.remedies
    assert health.categories["stuck"].total == 1
    assert [*health.stuck] == ["a delivery to db"]
    assert after(*UP, stuck, reports.Moving("a delivery to db", 700.0)).status.value == "healthy"
