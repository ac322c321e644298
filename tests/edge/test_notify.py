from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from ingest.core import reports
from ingest.core.secret import Secret
from ingest.edge.notify import LOOK, VARIABLE, Manager, manager, watchdog


def test_systemd_hears_when_the_service_is_ready_and_when_it_stops(systemd: socket.socket, tmp_path: Path) -> None:
    tell = manager({VARIABLE: str(tmp_path / "notify")})
    tell(reports.Started("1.0", "home", "a file"))
    tell(reports.StoreWaiting("influxdb", "it is down", "Start\nit.", 3.0, 12))
    tell(reports.Stopping("asked to"))
    heard = [systemd.recv(4096).decode().split("\n") for _ in range(3)]
    assert heard[0] == ["READY=1", "STATUS=homeiq-ingest 1.0 stores the home 'home' in a file"]
    assert len(heard[1]) == 1
    assert "12 points wait" in heard[1][0]
    assert heard[2][0] == "STOPPING=1"


def test_systemd_hears_when_the_configuration_is_read_again(systemd: socket.socket, tmp_path: Path) -> None:
    tell = manager({VARIABLE: str(tmp_path / "notify")})
    tell(reports.Started("1.0", "home", "a file"))
    systemd.recv(4096)
    tell(reports.Reloading("asked to"))
    tell(reports.Reloaded(("nothing changed",), 0, 0))
    tell(reports.Reloading("asked to"))
    tell(reports.ReloadRefused(("one", "two")))
    heard = [systemd.recv(4096).decode().split("\n") for _ in range(4)]
    assert [each[0] for each in heard] == ["RELOADING=1", "READY=1"] * 2
    times = [int(each[1].removeprefix("MONOTONIC_USEC=")) for each in heard[::2]]
    assert 0 < times[0] <= times[1]
    assert heard[3][1].endswith("one two")


def test_daily_business_is_no_news(systemd: socket.socket, tmp_path: Path) -> None:
    tell = manager({VARIABLE: str(tmp_path / "notify")})
    tell(reports.Stored("influxdb", 5, 0.1))
    with pytest.raises(BlockingIOError):
        systemd.recv(4096)


@pytest.mark.parametrize("environ", [{}, {VARIABLE: "/nonexistent/socket"}, {VARIABLE: "@nobody-listens"}])
def test_without_systemd_nothing_happens(environ: dict[str, str]) -> None:
    manager(environ)(reports.Started("1.0", "home", "a file"))


def test_an_abstract_socket_is_found() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("")
        name = listening.getsockname().decode()
        manager({VARIABLE: "@" + name[1:]})(reports.Started("1.0", "home", "a file"))
        assert listening.recv(4096).startswith(b"READY=1")


def heard(systemd: socket.socket) -> list[list[str]]:
    """Every datagram, by lines."""
    found = []
    while True:
        try:
            found.append(systemd.recv(4096).decode().split("\n"))
        except BlockingIOError:
            return found


def told(folder: Path, *, api: bool = False, **more: str) -> Manager:
    return manager({VARIABLE: str(folder / "notify"), **more}, api=api)


@pytest.mark.parametrize("told_of_api", [reports.Listening("http://host:8123"), reports.NotListening("no port")])
def test_with_an_api_it_is_ready_when_that_has_tried_to_listen(
    told_of_api: reports.Report, systemd: socket.socket, tmp_path: Path
) -> None:
    tell = told(tmp_path, api=True)
    tell(reports.Started("1.0", "home", "a file"))
    tell(reports.Reloaded((), 0, 0))
    assert not any("READY=1" in each for each in heard(systemd))
    tell(told_of_api)
    assert heard(systemd)[0][0] == "READY=1"
    tell(told_of_api)
    assert heard(systemd) == []


def test_a_sign_of_life_asks_for_time_before_it_is_ready_and_feeds_the_watchdog_after(
    systemd: socket.socket, tmp_path: Path
) -> None:
    tell = told(tmp_path, WATCHDOG_USEC="60000000")
    tell.alive()
    tell(reports.Started("1.0", "home", "a file"))
    tell.alive()
    tell.alive("storing")
    tell.alive("storing")
    first, _, *beats = heard(systemd)
    assert first == ["EXTEND_TIMEOUT_USEC=60000000"]
    assert beats == [["WATCHDOG=1"], ["WATCHDOG=1", "STATUS=storing"], ["WATCHDOG=1"]]
    assert tell.every == 15


def test_who_waits_for_no_sign_of_life_gets_none(systemd: socket.socket, tmp_path: Path) -> None:
    tell = told(tmp_path)
    tell(reports.Started("1.0", "home", "a file"))
    tell.alive()
    tell.alive("storing")
    assert [each[0] for each in heard(systemd)] == ["READY=1", "STATUS=storing"]


def test_the_watchdog_is_read_as_systemd_says() -> None:
    ours, other = str(os.getpid()), str(os.getppid())
    assert watchdog({"WATCHDOG_USEC": "2000000"}) == 2
    assert watchdog({"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": ours}) == 2
    for nobody in ({}, {"WATCHDOG_USEC": ""}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "-1"}, {"WATCHDOG_USEC": "1s"}):
        assert watchdog(nobody) is None
    assert watchdog({"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": other}) is None


def test_who_waits_for_no_sign_of_life_is_looked_at_seldom() -> None:
    assert Manager().every == LOOK
    assert not Manager().listens
    assert manager({"WATCHDOG_USEC": "2000000"}).watchdog is None  # nobody could hear it
    assert manager({VARIABLE: "/nonexistent", "WATCHDOG_USEC": "86400000000"}).every == LOOK


def test_a_status_is_one_line_of_bounded_length_without_secrets(systemd: socket.socket, tmp_path: Path) -> None:
    known = Secret("known-to-this-process-only")
    told(tmp_path)(reports.StoreWaiting("db", f"said\n{known.reveal()} {'x' * 1000}", "", 1.0, 1))
    ((status,),) = heard(systemd)
    assert len(status) < 500
    assert known.reveal() not in status
