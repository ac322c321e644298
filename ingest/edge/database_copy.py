"""A second file of a database of ours, whole and of one moment, which the same user may use."""

from __future__ import annotations

import os
import shutil
from contextlib import closing
from pathlib import Path

from ingest.edge.free_space import USUAL
from ingest.edge.sqlite import open_reader, pragma, translated
from ingest.errors import Refused, Transient


def layout_of(path: Path) -> int:
    """The version of its layout. Raises as `open_reader`."""
    with closing(open_reader(path)) as connection, translated(path):
        return int(pragma(connection, "user_version"))


def copy_database(source: Path, target: Path) -> None:
    """Make `target`, which does not exist: whole, or not at all. It belongs to whom its folder does.

    Raises `Refused` where there is no room, `Refused` or `Transient` where one cannot be read or the other not be written.
    """
    draft = target.with_name(f".{target.name}.draft")
    try:
        _check_room(source, target.parent)
        draft.unlink(missing_ok=True)
        with closing(open_reader(source)) as connection, translated(source):
            connection.execute("VACUUM INTO ?", (str(draft),))
        draft.chmod(0o600)
        to_owner(draft)
        draft.rename(target)
    except OSError as error:
        raise Transient(f"it cannot be copied: {error.strerror}", where=str(source)) from error
    finally:
        draft.unlink(missing_ok=True)


def to_owner(path: Path) -> None:
    """Give a file that root made to the owner of its folder. Raises `OSError`."""
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def _check_room(source: Path, folder: Path) -> None:
    log = source.with_name(f"{source.name}-wal")
    wanted = source.stat().st_size + (log.stat().st_size if log.exists() else 0)
    if wanted + USUAL > shutil.disk_usage(folder).free:
        remedy = f"It takes {wanted / 2**20:.0f} MiB, and {USUAL // 2**20} MiB stay free."
        raise Refused("there is no room for a copy", where=str(folder), remedy=remedy)
