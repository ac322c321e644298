"""Where a service listens for commands, and how a command finds it: the unix socket.

The socket's name is made from the state file's path, so that two services on a machine have two. Who holds the state
file's lock owns that name: a socket that a killed service left is replaced. Its path stands in the lock, so a command
that finds the lock held finds the socket without being told. Who may use it is a matter of file permissions: the
service's user, and root.
"""

from __future__ import annotations

import hashlib
import os
import socket
import stat
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import trio
from attrs import frozen

from ingest.edge.control import Commands, Complain, Limits, Server
from ingest.edge.lock import Lock

FITS: Final = 100
"""Bytes of a path that every system takes as the address of a unix socket."""

FOLDER: Final = "homeiq-ingest"

T = TypeVar("T")

RETRY = 30.0
"""Seconds between two attempts to make the socket."""

TIDYING = 0.25
"""Seconds for taking it away at the end: its disk may hang, and the next start replaces what is left. Short, for a stop
has no more."""


@frozen
class ControlSocket:
    """The socket of the service that holds a state file's lock."""

    state: Path
    lock: Lock
    environ: Mapping[str, str]
    limits: Limits = Limits()  # noqa: RUF009  frozen

    async def serve(self, commands: Commands, complain: Complain) -> None:
        """Serve until cancelled. A socket that cannot be made is told of once and tried again."""
        server, told = Server(commands, complain, self.limits), False
        if passed := _passed_over(self.environ):
            complain(passed)
        while True:
            try:
                path, listener = await self._made()
            except OSError as error:
                if not told:
                    complain(f"commands cannot reach this service, everything else goes on: {error}")
                told = True
                await trio.sleep(RETRY)
                continue
            await self._serve(server, path, trio.SocketListener(trio.socket.from_stdlib_socket(listener)))

    async def _serve(self, server: Server, path: Path, listener: trio.SocketListener) -> None:
        try:
            await trio.serve_listeners(server.connection, [listener])
        finally:
            with trio.move_on_after(TIDYING, shield=True):
                await self._left_behind(partial(self._tidy, path))

    async def _made(self) -> tuple[Path, socket.socket]:
        """Make the socket. Who is cancelled meanwhile takes it away again, or the thread does when its disk lets it.

        Raises `OSError`.
        """
        made: list[tuple[Path, socket.socket]] = []
        through, unwanted = threading.Event(), threading.Event()

        def take_away(lock: Lock) -> None:
            for path, listener in made:
                listener.close()
                self._tidy(path, lock)

        def make(lock: Lock) -> tuple[Path, socket.socket]:
            try:
                made.append(self._listen(lock))
            finally:
                through.set()
            # Either this is seen here, or what is made is seen there. Both at once do no harm: both share the lock.
            if unwanted.is_set():
                take_away(lock)
            return made[0]

        def undo(lock: Lock) -> None:
            through.wait(TIDYING)
            take_away(lock)

        try:
            return await self._left_behind(make)
        except trio.Cancelled:
            unwanted.set()
            with trio.move_on_after(TIDYING, shield=True):
                await self._left_behind(undo)
            raise

    async def _left_behind(self, work: Callable[[Lock], T]) -> T:
        """Do it in a thread, which a cancellation leaves behind.

        It shares the lock: while it goes on, the name is ours, and nobody makes a socket that it could take away.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        lock = self.lock.shared()

        def locked_work() -> T:
            with closing(lock):
                return work(lock)

        # A limiter of its own: the thread starts at once, and so it is that closes the lock.
        return await trio.to_thread.run_sync(locked_work, limiter=trio.CapacityLimiter(1), abandon_on_cancel=True)

    def _listen(self, lock: Lock) -> tuple[Path, socket.socket]:
        """Make the socket in the first place that takes it, and say so in the lock."""
        name, problem = socket_name(self.state), OSError()
        for folder in places(self.state, self.environ):
            try:
                lock.leave(str(folder / name))
                return folder / name, _bound(folder / name)
            except OSError as error:
                problem = error
        raise problem

    def _tidy(self, path: Path, lock: Lock) -> None:
        with suppress(OSError):
            path.unlink()
            lock.forget()


def socket_name(state: Path) -> str:
    """The name of the socket of the service with that state file."""
    return f"control-{hashlib.sha256(os.fsencode(state.absolute())).hexdigest()[:12]}.sock"


def places(state: Path, environ: Mapping[str, str]) -> Iterator[Path]:
    """Folders for the socket, the best first: those that are nobody else's, then the state file's own."""
    given = environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    session = environ.get("XDG_RUNTIME_DIR", "")
    for wanted in [Path(given)] * bool(given) + [Path(session) / FOLDER] * bool(session):
        if wanted.is_absolute() and _private(wanted):
            yield wanted
    yield state.absolute().parent


def _passed_over(environ: Mapping[str, str]) -> str:
    """What is wrong with the folder that systemd gave; empty when it will do."""
    given = environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    if not given or (Path(given).is_absolute() and _private(Path(given))):
        return ""
    return f"$RUNTIME_DIRECTORY is not used for the control socket: {given} must be this user's, with RuntimeDirectoryMode=0700"


@contextmanager
def address(path: Path) -> Iterator[str]:
    """The path as a socket takes it: of one that is too long, the way through its open folder. Raises `OSError`."""
    if len(os.fsencode(path)) <= FITS:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def _private(folder: Path) -> bool:
    """Made when it is missing; True when it is ours and nobody else may look into it."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.stat()
    except OSError:
        return False
    return found.st_uid == os.geteuid() and stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o077


def _bound(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # Where the system knows it, the socket is nobody else's from its first moment; elsewhere from the next.
        with suppress(OSError):
            os.fchmod(listener.fileno(), 0o600)
        with address(path) as where:
            listener.bind(where)
        path.chmod(0o600)
        listener.listen()
    except BaseException:
        listener.close()
        raise
    return listener
