"""A state file whose first page is gone: with that of a new one, which is laid out alike, its rows are found again.

The page says where each table begins and how many pages there are; the second is mended. A file that was brought up to
date from an earlier version is laid out in another way: then nothing is found, and nothing made up, because a row counts
only when it is whole.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from ingest.edge.database_file import MAGIC
from ingest.edge.sqlite import pragma
from ingest.edge.state_file import open_state
from ingest.errors import Refused

_COUNT: Final = slice(28, 32)
"""Where the number of pages stands. Source: sqlite.org/fileformat2.html, 1.3."""


@contextmanager
def readable(path: Path) -> Iterator[Path]:
    """The file, or a copy of it for the time of a block when its first page is gone. Raises `Refused`."""
    with ExitStack() as stack:
        try:
            found = path if _is_sound(path) else _mended(path, _folder_beside(path, stack))
        except OSError as error:
            remedy = "It is copied beside itself for that: give this user the right to, and the disk room."
            raise Refused(f"the file cannot be read: {error.strerror}", where=str(path), remedy=remedy) from error
        yield found


def _is_sound(path: Path) -> bool:
    """True also for what is no regular file: that is refused by who reads it, and opening it could take for ever."""
    if not path.is_file():
        return True
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def _folder_beside(path: Path, stack: ExitStack) -> Path:
    return Path(stack.enter_context(TemporaryDirectory(prefix=f"{path.name}.", dir=path.parent)))


def _mended(path: Path, folder: Path) -> Path:
    copy, model = folder / "copy.db", folder / "model.db"
    connection, _ = open_state(model, lambda: 0)
    with closing(connection):
        size = int(pragma(connection, "page_size"))
        pragma(connection, "wal_checkpoint(TRUNCATE)")
    first = bytearray(model.read_bytes()[:size])
    shutil.copyfile(path, copy)
    first[_COUNT] = (copy.stat().st_size // size).to_bytes(4, "big")
    with copy.open("r+b") as file:
        file.write(first)
    return copy
