"""What the doctor asks at the edge: who holds a lock, who a host is, and how long a commit takes."""

from __future__ import annotations

import os
import pwd
import socket
from pathlib import Path
from statistics import median
from typing import Any

import pytest
import trio
from attrs import define
from trio.testing import MockClock

from ingest.edge import probe_disk
from ingest.edge.http_look import unnamed
from ingest.edge.lock import COMMAND, SERVICE, holder, is_service, locked
from ingest.edge.probe_disk import PAUSE, TIMES, commits, nearest, whose
from ingest.edge.reason import reach
from ingest.errors import Refused


def test_who_holds_a_lock_is_told_and_not_disturbed(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    assert holder(path) is None
    with locked(path, remedy="", by=SERVICE) as held:
        assert holder(path) == "service"
        held.leave("/run/x.sock")
        assert holder(path) == "/run/x.sock"
        assert os.pread(held.descriptor, 100, 0) == b"/run/x.sock"
    assert holder(path) is None
    with locked(path, remedy="", by=COMMAND):
        assert holder(path) == "command"
    assert [is_service(each) for each in ("service", "/run/x.sock", "command", "")] == [True, True, False, False]


def test_a_folder_takes_commits_or_says_why_not(tmp_path: Path) -> None:
    found = commits(tmp_path, 5)
    assert len(found) == TIMES
    assert all(0 < each < 5 for each in found)
    assert list(tmp_path.iterdir()) == []
    assert commits(tmp_path / "a" / "b", 5) == []
    with pytest.raises(Refused, match="cannot be written"):
        commits(Path("/sys/kernel"), 5)


@pytest.mark.parametrize(
    ("took", "told", "seconds"),
    [
        ([0.06, 0.04, 0.04, 0.06, 0.04], 0.04, 0.24),
        ([0.06] * 5 + [0.01] * 5, 0.01, 0.3 + PAUSE + 0.05),
        ([0.07] * 5 + [0.06] * 5 + [0.08] * 5, 0.06, 0.35 + PAUSE + 0.3 + PAUSE + 0.4),
        ([0.41] * 5, 0.41, 2.05),
    ],
    ids=["quick", "busy for a moment", "slow", "very slow"],
)
def test_a_disk_is_slow_when_it_stays_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, took: list[float], told: float, seconds: float
) -> None:
    clock, turns = Clock(), iter(took)
    monkeypatch.setattr(probe_disk, "time", clock)

    def write(*_: object) -> None:
        clock.sleep(next(turns))

    monkeypatch.setattr(os, "fsync", write)
    assert median(commits(tmp_path, 0.05)) == pytest.approx(told)
    assert clock.now == pytest.approx(seconds)
    assert next(turns, None) is None


@define
class Clock:
    """`time`, as far as it is asked."""

    now: float = 0.0

    def perf_counter(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_a_folder_of_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "a" / "b"
    assert whose(folder) == ""
    owner = pwd.getpwuid(os.getuid()).pw_name
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 4242)
    assert whose(folder) == owner
    monkeypatch.setattr(pwd, "getpwuid", dict[int, Any]().__getitem__)
    assert whose(folder) == str(os.getuid())
    for self in (0, os.getuid()):
        monkeypatch.setattr(os, "geteuid", lambda self=self: self)
        assert whose(folder) == ""


def test_the_nearest_folder_where_nobody_may_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stat = os.stat

    def denied(path: Any, *args: Any, **kwargs: Any) -> os.stat_result:
        if Path(path).is_relative_to(tmp_path / "private"):
            raise PermissionError(13, "Permission denied")
        return stat(path, *args, **kwargs)

    monkeypatch.setattr(os, "stat", denied)
    assert nearest(tmp_path / "private" / "state") == tmp_path


def test_a_folder_that_this_user_may_not_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(Refused, match="cannot be written") as caught:
        commits(tmp_path / "a", 5)
    assert caught.value.where == str(tmp_path)


@define
class Names(trio.abc.HostnameResolver):
    """A name server that knows nobody, after a while."""

    seconds: float

    async def getaddrinfo(self, *_: object, **__: object) -> Any:
        await trio.sleep(self.seconds)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async def getnameinfo(self, *_: object) -> tuple[str, str]:
        raise NotImplementedError


async def test_a_name_server_that_is_silent_is_named(autojump_clock: MockClock) -> None:
    trio.socket.set_custom_hostname_resolver(Names(60))
    found = await unnamed("http://home.example:8123/api", 2)
    assert found is not None
    assert found.what == "nobody says within 2 s who home.example is"
    assert "/etc/resolv.conf" in found.remedy


async def test_a_name_server_that_says_no_leaves_it_to_who_connects(autojump_clock: MockClock) -> None:
    trio.socket.set_custom_hostname_resolver(Names(1))
    assert await unnamed("http://home.example:8123/api", 2) is None
    assert await unnamed("http://127.0.0.1:9", 2) is None


def test_what_to_do_about_a_server_that_cannot_be_reached() -> None:
    assert reach(ConnectionRefusedError()) == "Is it running there, and are host and port right?"
    assert reach(socket.gaierror()).startswith("No host of this name is known here")
