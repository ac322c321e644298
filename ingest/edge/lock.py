"""One process at a time: a lock beside a file, released when the process ends, however it ends.

Who holds it leaves a word in it, for those who find it held: a service the way to its socket, or that it is one; a
command that it is one. A service waits some seconds for a command to end.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import AsyncGenerator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Final

import trio
from attrs import frozen

from ingest.errors import Refused, Transient

LOOK = 0.1
"""Seconds between two attempts to take a lock that is held."""

PASSING = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO})
"""What is over when the disk is: a supervisor may start us again."""

FORBIDDEN = frozenset({errno.EACCES, errno.EPERM})
"""What a command finds in the folder of a service of another user."""

WORD = 4096
"""Bytes of a word at most: those of a path."""

END = b"\0"
"""After it may be the end of a longer word that was there before."""


@frozen
class Holder:
    """Who takes a lock: its word, and for how many seconds it waits for the lock."""

    word: str
    patience: float = 0.0


SERVICE: Final = Holder("service", patience=3.0)
COMMAND: Final = Holder("command")
NOBODY: Final = Holder("")


def is_service(word: str) -> bool:
    """True of the word of a service."""
    return word == SERVICE.word or word.startswith("/")


class Held(Transient):
    """Another process holds the lock, perhaps not for long; `word` is what it left in it."""

    word: str = ""

    @property
    def by_service(self) -> bool:
        """True when that is a service, which will not end soon."""
        return is_service(self.word)


@frozen
class Lock:
    """A lock that is held by somebody with that word."""

    descriptor: int
    word: str = ""

    def leave(self, word: str) -> None:
        """Leave a word for others instead of the last; they find either at any time. Raises `OSError`."""
        left = os.fsencode(word)
        os.pwrite(self.descriptor, left + END, 0)
        os.ftruncate(self.descriptor, len(left))

    def forget(self) -> None:
        """Leave the first word again. Raises `OSError`."""
        self.leave(self.word)

    def shared(self) -> Lock:
        """The same lock once more: nobody else can take it before each of them is closed."""
        return Lock(os.dup(self.descriptor), self.word)

    def close(self) -> None:
        """Let go of the lock: somebody else may take the file."""
        os.close(self.descriptor)


def is_held(path: Path) -> bool:
    """True when another process holds the lock of the file at `path`; False, too, where this user may not see it.

    Nothing is made. Who takes the lock in that very moment finds it held: ask where that is rare.
    """
    try:
        descriptor = os.open(path.with_name(f"{path.name}.lock"), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


@asynccontextmanager
async def locked_soon(path: Path, *, remedy: str, by: Holder) -> AsyncGenerator[Lock]:
    """As `locked`, after as much waiting as the holder is ready for."""
    end = trio.current_time() + by.patience
    with ExitStack() as stack:
        while True:
            try:
                taken = stack.enter_context(locked(path, remedy=remedy, by=by))
                break
            except Held as held:
                if held.by_service or trio.current_time() >= end:
                    raise
            await trio.sleep(LOOK)
        yield taken


@contextmanager
def locked(path: Path, *, remedy: str, by: Holder = NOBODY) -> Iterator[Lock]:
    """Hold the lock of the file at `path`.

    Raises `Held` when another process does, `Refused` or `Transient` when there can be none.
    """
    lock = path.with_name(f"{path.name}.lock")
    try:
        with suppress(FileExistsError):  # so some Pythons call a link that may not be followed; `open` says what it is
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # No link is followed: root's commands work in a folder of the service's, and would give it what it leads to.
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        _leave_to_owner(descriptor, lock)
    except OSError as error:
        if error.errno in PASSING:
            what, todo = (
                f"the disk takes no file: {error.strerror}",
                "Free some space, and look for disk errors with dmesg.",
            )
            raise Transient(what, where=str(path), remedy=todo) from error
        place = f"Choose another place, or give this user (uid {os.geteuid()}) the right to write there."
        if by is COMMAND and error.errno in FORBIDDEN:
            what, place = "its lock cannot be taken", "Run this with sudo, or as the user that the service runs as."
        else:
            what = "the file cannot be made"
        raise Refused(f"{what}: {error.strerror}", where=str(path), remedy=place) from error
    try:
        _take(descriptor, path, remedy)
        taken = Lock(descriptor, by.word)
        # What one left that was killed is not true any more. It may stay where nothing can be written.
        with suppress(OSError):
            taken.forget()
        yield taken
    finally:
        os.close(descriptor)


def holder(path: Path) -> str | None:
    """The word of who holds the lock of the file at `path`; None when nobody does. Takes nothing from anybody."""
    try:
        descriptor = os.open(path.with_name(f"{path.name}.lock"), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None  # without a lock file there is no holder; one that we may not read tells nothing
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return _word(descriptor)
    else:
        return None
    finally:
        os.close(descriptor)


def _leave_to_owner(descriptor: int, lock: Path) -> None:
    """What a command of root's makes beside the service's file the service must be able to open."""
    if os.geteuid() == 0 and os.fstat(descriptor).st_uid == 0 and (owner := lock.parent.stat()).st_uid:
        os.fchown(descriptor, owner.st_uid, owner.st_gid)


def _take(descriptor: int, path: Path, remedy: str) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        held = Held("another process uses this file", where=str(path), remedy=remedy)
        held.word = _word(descriptor)
        raise held from error


def _word(descriptor: int) -> str:
    return os.fsdecode(os.pread(descriptor, WORD, 0).partition(END)[0])
