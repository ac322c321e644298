"""The control socket for real: who may use it, where it is, and clients that behave badly."""

from __future__ import annotations

import os
import socket
import stat
import threading
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.lowlevel
from attrs import define, field, frozen

from ingest.core.control import LONGEST, Progress, Request, line
from ingest.edge import control_socket
from ingest.edge.control import Command, Limits, Say
from ingest.edge.control_client import ask
from ingest.edge.control_socket import FITS, ControlSocket, address, places, socket_name
from ingest.edge.lock import Held, Lock, locked
from ingest.errors import Refused, Transient
from tests.support.spent import Spent


@frozen
class Nothing:
    """No arguments."""


@define(eq=False)
class Service:
    """A service that holds a state file and knows `quick`, `endless` and `large`."""

    state: Path
    path: Path = Path()
    told: list[str] = field(factory=list)
    under_way: int = 0

    async def quick(self, _: Nothing, say: Say) -> Progress:
        say(Progress(1, 2))
        return Progress(2, 2)

    async def endless(self, _: Nothing, say: Say) -> Progress:
        self.under_way += 1
        try:
            while True:
                say(Progress(0, 0, "x" * 100_000))
                await trio.lowlevel.checkpoint()
        finally:
            self.under_way -= 1

    async def ask(self, command: str = "quick") -> dict[str, object]:
        with trio.fail_after(5):
            return dict(await ask(self.path, Request(command), lambda _: None))

    async def connect(self, *sent: bytes) -> trio.SocketStream:
        with address(self.path) as where:
            stream = await trio.open_unix_socket(where)
        for each in sent:
            await stream.send_all(each)
        return stream

    async def until(self, under_way: int) -> None:
        with trio.fail_after(5):
            while self.under_way != under_way:  # noqa: ASYNC110  a count has no event
                await trio.sleep(0.01)


def word(state: Path) -> str:
    """What is left in the lock, for whoever finds it held."""
    with pytest.raises(Held) as caught, locked(state, remedy=""):
        pass
    return caught.value.word


def listens(state: Path) -> bool:
    return Path(word(state) or ".").is_socket()


@asynccontextmanager
async def serving(
    state: Path,
    environ: Mapping[str, str] | None = None,
    limits: Limits = Limits(),  # noqa: B008  frozen
) -> AsyncGenerator[Service]:
    service = Service(state)
    commands = {"quick": Command(Nothing, service.quick), "endless": Command(Nothing, service.endless)}
    with locked(state, remedy="") as lock:
        async with trio.open_nursery() as nursery:
            made = ControlSocket(state, lock, environ or {}, limits)
            nursery.start_soon(made.serve, commands, service.told.append)
            with trio.move_on_after(2):
                while not service.path.is_socket() and not service.told:
                    await trio.sleep(0.01)
                    service.path = Path(word(state) or ".")
            yield service
            spent = Spent.begin()
            nursery.cancel_scope.cancel()
        assert spent.end() < 1.5
        assert not service.path.is_socket()
        assert word(state) == ""
        assert service.under_way == 0


async def test_it_answers_its_own_user_only(tmp_path: Path) -> None:
    async with serving(tmp_path / "state.db", {"RUNTIME_DIRECTORY": str(tmp_path / "run")}) as service:
        assert await service.ask() == {"done": 2, "total": 2, "said": ""}
        assert service.path.parent == tmp_path / "run"
        assert stat.S_IMODE(service.path.stat().st_mode) == 0o600
        assert stat.S_IMODE(service.path.parent.stat().st_mode) == 0o700
    assert service.told == []


@pytest.mark.parametrize("umask", [0o000, 0o077])
async def test_its_mode_does_not_depend_on_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        async with serving(tmp_path / "state.db") as service:
            assert stat.S_IMODE(service.path.stat().st_mode) == 0o600
    finally:
        os.umask(before)


def test_the_best_place_is_one_that_is_nobody_elses(tmp_path: Path) -> None:
    state = tmp_path / "state.db"
    (tmp_path / "open").mkdir(mode=0o755)
    (tmp_path / "open").chmod(0o755)
    (tmp_path / "session").mkdir(mode=0o700)
    unit, session, shared = str(tmp_path / "run"), str(tmp_path / "session"), str(tmp_path / "open")
    assert list(places(state, {})) == [tmp_path]
    assert list(places(state, {"RUNTIME_DIRECTORY": f"{unit}:/second", "XDG_RUNTIME_DIR": session})) == [
        tmp_path / "run", tmp_path / "session" / "homeiq-ingest", tmp_path,
    ]  # fmt: skip
    for wrong in (shared, "relative", str(state / "no" / "folder"), ""):
        assert list(places(state, {"RUNTIME_DIRECTORY": wrong})) == [tmp_path]
    assert not Path("relative").exists()


async def test_two_services_have_two_sockets(tmp_path: Path) -> None:
    environ = {"RUNTIME_DIRECTORY": str(tmp_path / "run")}
    async with serving(tmp_path / "a.db", environ) as one, serving(tmp_path / "b.db", environ) as other:
        assert one.path != other.path
        await one.ask()
        await other.ask()


async def test_what_a_killed_service_left_is_replaced(tmp_path: Path) -> None:
    stale = tmp_path / socket_name(tmp_path / "state.db")
    with socket.socket(socket.AF_UNIX) as left, address(stale) as where:
        left.bind(where)
    (tmp_path / "state.db.lock").write_text("/what/it/said")
    with pytest.raises(Refused, match="does not answer"):
        await Service(tmp_path / "state.db", stale).ask()
    async with serving(tmp_path / "state.db") as service:
        assert service.path == stale
        await service.ask()


async def test_a_path_longer_than_a_socket_takes(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30) / ("longer" * 20)
    async with serving(folder / "state.db") as service:
        assert len(str(service.path)) > 2 * FITS
        await service.ask()


async def test_a_socket_that_cannot_be_made_is_told_of_once_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.edge.control_socket.RETRY", 0.05)
    blocked = tmp_path / socket_name(tmp_path / "state.db")
    (blocked / "in the way").mkdir(parents=True)
    async with serving(tmp_path / "state.db") as service:
        await trio.sleep(0.2)
        assert len(service.told) == 1
        assert "everything else goes on" in service.told[0]
        (blocked / "in the way").rmdir()
        blocked.rmdir()
        with trio.fail_after(5):
            while not blocked.is_socket():  # noqa: ASYNC110  a file has no event
                await trio.sleep(0.01)
        service.path = blocked
        await service.ask()


@pytest.mark.parametrize("hangs", [False, True])
async def test_a_socket_that_is_made_while_its_service_ends_does_not_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, hangs: bool
) -> None:
    """It is there before anybody knows that it is; on a disk that hangs it may even be made after the end."""
    bound, goes_on, state = control_socket._bound, threading.Event(), tmp_path / "state.db"
    made: list[socket.socket] = []

    def slow(path: Path) -> socket.socket:
        made.append(bound(path))
        goes_on.wait(10)
        return made[0]

    monkeypatch.setattr(control_socket, "_bound", slow)
    with locked(state, remedy="") as lock:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ControlSocket(state, lock, {}).serve, {}, print)
            with trio.fail_after(5):
                while not made:  # noqa: ASYNC110  another thread's list has no event
                    await trio.sleep(0.01)
            assert listens(state)
            threading.Timer(0 if not hangs else 1, goes_on.set).start()
            spent = Spent.begin()
            nursery.cancel_scope.cancel()
        assert spent.end() < 1
        with trio.fail_after(5):
            while hangs and word(state):  # noqa: ASYNC110  nor has a file
                await trio.sleep(0.01)
        assert (word(state), made[0].fileno()) == ("", -1)
        assert not (tmp_path / socket_name(state)).exists()


async def test_a_client_that_vanishes_or_never_reads_harms_only_itself(tmp_path: Path) -> None:
    async with serving(tmp_path / "state.db", limits=Limits(send=0.3)) as service:
        endless = line(Request("endless"))
        vanishing = await service.connect(endless)
        await service.until(1)
        await vanishing.aclose()
        await service.until(0)
        silent = [await service.connect(endless) for _ in range(3)]
        await service.until(3)
        await service.ask()
        await service.until(0)
        for each in silent:
            await each.aclose()
    assert service.told == []


async def test_the_end_waits_for_no_client(tmp_path: Path) -> None:
    async with serving(tmp_path / "state.db", limits=Limits(send=60)) as service:
        clients = [await service.connect(line(Request("endless"))), await service.connect(b'{"comm')]
        await service.until(1)
    for each in clients:
        await each.aclose()


async def test_a_line_without_end_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path / "state.db") as service:
        stream = await service.connect()
        with trio.fail_after(5), pytest.raises(trio.BrokenResourceError):
            await stream.send_all(b"x" * 16 * LONGEST)
        await stream.aclose()
        await service.ask()


async def test_twenty_connections_at_once(tmp_path: Path) -> None:
    told: list[str] = []
    async with serving(tmp_path / "state.db") as service:

        async def one() -> None:
            try:
                await service.ask()
            except Transient as busy:
                told.append(str(busy))
            else:
                told.append("answered")

        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(one)
        assert told.count("answered") >= Limits().connections
        assert all(each == "answered" or "busy with other commands" in each for each in told)
        for _ in range(20):
            await service.ask()


async def test_a_command_says_who_may(tmp_path: Path) -> None:
    async with serving(tmp_path / "state.db") as service:
        service.path.chmod(0o000)
        if os.geteuid():
            with pytest.raises(Refused, match="with sudo"):
                await service.ask()
        else:
            await service.ask()


@pytest.mark.slow
async def test_who_tidies_late_holds_the_name_until_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a disk that hangs it may come after the end: the next service's socket and files are not its business."""
    goes_on, tidied, state = threading.Event(), threading.Event(), tmp_path / "state.db"
    unlink, forget = Path.unlink, Lock.forget

    def late(path: Path, *given: Any, **more: Any) -> None:
        if path.is_socket():
            goes_on.wait(10)
        unlink(path, *given, **more)

    def forgotten(lock: Lock) -> None:
        forget(lock)
        tidied.set()

    with locked(state, remedy="") as lock:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ControlSocket(state, lock, {}).serve, {}, print)
            while not listens(state):  # noqa: ASYNC110  a file has no event
                await trio.sleep(0.01)
            monkeypatch.setattr(Path, "unlink", late)
            monkeypatch.setattr(Lock, "forget", forgotten)
            nursery.cancel_scope.cancel()
    monkeypatch.setattr(Lock, "forget", forget)
    other = tmp_path / "other"
    other.write_text("its descriptor may be the one that the lock had")
    with other.open("r+", encoding="utf-8"):
        with pytest.raises(Held), locked(state, remedy=""):
            pass
        goes_on.set()
        await trio.to_thread.run_sync(tidied.wait, 10)
        await trio.sleep(0.1)
    assert other.read_text() == "its descriptor may be the one that the lock had"
    with locked(state, remedy=""):
        pass


def test_a_word_in_a_lock_is_replaced_whole(tmp_path: Path) -> None:
    with locked(tmp_path / "x", remedy="") as lock:
        assert isinstance(lock, Lock)
        lock.leave("a long word")
        lock.leave("wörd")
        assert word(tmp_path / "x") == "wörd"
    with locked(tmp_path / "x", remedy=""):
        assert word(tmp_path / "x") == ""


async def test_a_folder_of_systemd_that_others_may_look_into_is_passed_over_and_said(tmp_path: Path) -> None:
    state, given = tmp_path / "state.db", tmp_path / "run"
    given.mkdir(mode=0o755)
    told: list[str] = []
    with locked(state, remedy="") as lock:
        async with trio.open_nursery() as nursery:
            made = ControlSocket(state, lock, {"RUNTIME_DIRECTORY": str(given)})
            nursery.start_soon(made.serve, {}, told.append)
            with trio.fail_after(2):
                while not (tmp_path / socket_name(state)).is_socket():  # noqa: ASYNC110  a file has no event
                    await trio.sleep(0.01)
            nursery.cancel_scope.cancel()
    (sentence,) = told
    assert str(given) in sentence
    assert "RuntimeDirectoryMode=0700" in sentence
