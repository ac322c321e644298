"""The file that a command writes to: it gets its name when it is whole, and takes nobody's place who is needed.

A plain file of that name is replaced, with its rights: whoever exports every night wants it so. Into what is no file, a
device or a pipe, is written as it comes.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from ingest.edge.database_file import is_database
from ingest.errors import IngestError, Refused, Transient

PASSING: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG})
"""What a disk says that is full or fails."""

_BESIDE: Final = ("", "-wal", "-shm", "-journal", ".lock")
"""What the names of a database's own files end with."""


def unwritable(error: OSError, where: str = "") -> IngestError:
    """What to say of an output that cannot be written."""
    what = f"the output cannot be written: {error.strerror}"
    if error.errno in PASSING:
        return Transient(what, where=where, remedy="Free some space, or look for disk errors with dmesg")
    return Refused(what, where=where, remedy="Choose another file")


@contextmanager
def written(output: Path | None, used: Collection[Path] = ()) -> Iterator[BinaryIO]:
    """The place to write to; None is standard output. `used` are files of this run, which stay.

    Raises `Refused` for the place of one of them or of a database, and `Refused` or `Transient` when it cannot be written.
    """
    if output is None or _is_standard_output(output):
        yield sys.stdout.buffer
        return
    try:
        if _is_stream(output):
            with output.open("wb") as stream:
                yield stream
        else:
            target = Path(os.path.realpath(output))  # a link stays one
            _check(target, output, used)
            with _in_place_of(target) as file:
                yield file
    except OSError as error:
        raise unwritable(error, str(output)) from error


def _is_standard_output(output: Path) -> bool:
    """True of /dev/stdout: opened once more, a file behind it would lose what is in it."""
    with suppress(OSError, ValueError, AttributeError):  # one of the two is not there
        return os.path.samestat(output.stat(), os.fstat(sys.stdout.fileno()))
    return False


def _is_stream(output: Path) -> bool:
    """True of what is there and no file, and of a file that is named by its descriptor. Raises `Refused` for a disk."""
    try:
        mode = output.stat().st_mode
    except FileNotFoundError:
        return False
    if stat.S_ISBLK(mode):
        raise Refused("the output would be written over a disk", where=str(output), remedy="Choose a file")
    return not stat.S_ISREG(mode) or Path(os.path.realpath(output.parent)).is_relative_to("/proc")


def _check(target: Path, output: Path, used: Collection[Path]) -> None:
    for suffix in _BESIDE:
        name = target.name.removesuffix(suffix)
        if name and target.name == name + suffix:
            main = target.with_name(name)
            if is_database(main) or any(_same(main, each) for each in used):
                what = "the output would take the place of a database, its log or a file that this command uses"
                raise Refused(what, where=str(output), remedy="Choose another file")


def _same(one: Path, other: Path) -> bool:
    with suppress(OSError):
        return one.samefile(other)
    return os.path.realpath(one) == os.path.realpath(other)


@contextmanager
def _in_place_of(target: Path) -> Iterator[BinaryIO]:
    """A new file beside it, which takes its name when all is written. What else is there is left alone. Raises `OSError`."""
    draft = target.with_name(f".homeiq-ingest.{secrets.token_hex(8)}.partial")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666), "wb") as file:
            with suppress(FileNotFoundError):
                os.fchmod(file.fileno(), stat.S_IMODE(target.stat().st_mode))
            yield file
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
