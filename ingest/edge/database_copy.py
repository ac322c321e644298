"""A second file of a database of ours, whole and of one moment, which the same user may use.

It is made beside whoever writes: a reader of SQLite's sees one moment however long it reads, and nobody waits for it.
What was deleted is not in it.
"""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final, TypeAlias

from attrs import define

from ingest.edge.free_space import USUAL
from ingest.edge.sqlite import INTERRUPTED, Damaged, Reader, open_reader, pragma, translated
from ingest.errors import IngestError, Refused, Transient

Look: TypeAlias = Callable[[int], None]
"""Told some times a second how many bytes are written; what it raises ends the copying, and nothing is left of it."""

EVERY: Final = 0.2
"""Seconds between two looks."""

_STEPS: Final = 1_000
"""SQLite's steps between two questions of ours: about a millisecond."""


def layout_of(path: Path) -> int:
    """The version of its layout. Raises as `open_reader`."""
    with closing(open_reader(path)) as connection, translated(path):
        return int(pragma(connection, "user_version"))


def copy_database(source: Path, target: Path, look: Look | None = None) -> None:
    """Make `target`, which does not exist: whole, or not at all. It belongs to whom its folder does.

    Raises as `draft_of`.
    """
    draft = draft_of(source, target, look)
    try:
        draft.rename(target)
    except OSError as error:
        raise _not_copied(source, error) from error
    finally:
        draft.unlink(missing_ok=True)


def draft_of(source: Path, target: Path, look: Look | None = None) -> Path:
    """What only has to be renamed to be `target`: whole, on disk, with its rights.

    Raises `Refused` where there is no room, `Damaged` where SQLite cannot read all of it, `Refused` or `Transient` where
    one cannot be read or the other not be written, and what `look` does.
    """
    draft = target.with_name(f".{target.name}.draft")
    try:
        _check_room(source, target.parent)
        draft.unlink(missing_ok=True)
        with closing(open_reader(source)) as connection, translated(source):
            _write(connection, draft, look)
        to_owner(draft)
        sync(draft)
    except BaseException as error:
        draft.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise _not_copied(source, error) from error
        raise
    return draft


def _not_copied(source: Path, error: OSError) -> IngestError:
    what, where = f"it cannot be copied: {error.strerror}", str(error.filename or source)
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return Refused(what, where=where, remedy="Choose another place, or give this user the right to write there.")
    return Transient(what, where=where)


def _write(connection: Reader, draft: Path, look: Look | None) -> None:
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    watch = _Watch(draft, look or (lambda _: None))
    connection.set_progress_handler(watch.stop, _STEPS)
    try:
        connection.execute("VACUUM INTO ?", (str(draft),))
    except Exception as error:
        if watch.error is not None:
            raise watch.error from None
        if getattr(error, "sqlite_errorcode", 0) == INTERRUPTED:
            # Ctrl-C came when the question began, before anything of it was done.
            raise KeyboardInterrupt from None
        raise


@define
class _Watch:
    """Between two steps of SQLite's, which does not let an error through: `error` is what there was to raise."""

    draft: Path
    look: Look
    last: float = 0.0
    error: BaseException | None = None

    def stop(self) -> bool:
        """True ends what SQLite is doing."""
        try:
            if (now := time.monotonic()) - self.last >= EVERY:
                self.last = now
                self.look(self.draft.stat().st_size)
        except BaseException as error:  # noqa: BLE001  raised again by who called SQLite
            self.error = error
        return self.error is not None


def check_sound(path: Path, remedy: str) -> None:
    """SQLite reads all of it, and finds nothing wrong. Raises `Damaged`, and as `open_reader`."""
    with closing(open_reader(path)) as connection, translated(path):
        (said,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if said != "ok":
        raise Damaged(f"the database file is damaged: {said}", where=str(path), remedy=remedy)


def to_owner(path: Path) -> None:
    """Give a file that root made to the owner of its folder. Raises `OSError`."""
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def sync(path: Path) -> None:
    """What is written of it, or of the names in a folder, is on disk. Raises `OSError`."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _check_room(source: Path, folder: Path) -> None:
    log = source.with_name(f"{source.name}-wal")
    wanted = source.stat().st_size + (log.stat().st_size if log.exists() else 0)
    if wanted + USUAL > shutil.disk_usage(folder).free:
        remedy = f"It takes {wanted / 2**20:.0f} MiB, and {USUAL // 2**20} MiB stay free."
        raise Refused("there is no room for a copy", where=str(folder), remedy=remedy)
