from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.core import reports
from ingest.edge.notify import VARIABLE, open_notify


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """What systemd listens on."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.setblocking(False)
        yield listening


def test_systemd_hears_when_the_service_is_ready_and_when_it_stops(manager: socket.socket, tmp_path: Path) -> None:
    tell = open_notify({VARIABLE: str(tmp_path / "notify")})
    tell(reports.Started("1.0", "home", "a file"))
    tell(reports.StoreWaiting("influxdb", "it is down", "Start\nit.", 3.0, 12))
    tell(reports.Stopping("asked to"))
    heard = [manager.recv(4096).decode().split("\n") for _ in range(3)]
    assert heard[0] == ["READY=1", "STATUS=homeiq-ingest 1.0 stores the home 'home' in a file"]
    assert len(heard[1]) == 1
    assert "12 points wait" in heard[1][0]
    assert heard[2][0] == "STOPPING=1"


def test_systemd_hears_when_the_configuration_is_read_again(manager: socket.socket, tmp_path: Path) -> None:
    tell = open_notify({VARIABLE: str(tmp_path / "notify")})
    tell(reports.Reloading("asked to"))
    tell(reports.Reloaded(("nothing changed",), 0, 0))
    tell(reports.Reloading("asked to"))
    tell(reports.ReloadRefused(("one", "two")))
    heard = [manager.recv(4096).decode().split("\n") for _ in range(4)]
    assert [each[0] for each in heard] == ["RELOADING=1", "READY=1"] * 2
    times = [int(each[1].removeprefix("MONOTONIC_USEC=")) for each in heard[::2]]
    assert 0 < times[0] <= times[1]
    assert heard[3][1].endswith("one two")


def test_daily_business_is_no_news(manager: socket.socket, tmp_path: Path) -> None:
    tell = open_notify({VARIABLE: str(tmp_path / "notify")})
    tell(reports.Stored("influxdb", 5, 0.1))
    with pytest.raises(BlockingIOError):
        manager.recv(4096)


@pytest.mark.parametrize("environ", [{}, {VARIABLE: "/nonexistent/socket"}, {VARIABLE: "@nobody-listens"}])
def test_without_systemd_nothing_happens(environ: dict[str, str]) -> None:
    open_notify(environ)(reports.Started("1.0", "home", "a file"))


def test_an_abstract_socket_is_found() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("")
        name = listening.getsockname().decode()
        open_notify({VARIABLE: "@" + name[1:]})(reports.Started("1.0", "home", "a file"))
        assert listening.recv(4096).startswith(b"READY=1")
