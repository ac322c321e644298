"""The disk is not ours alone: below a floor of free bytes the state file does not grow.

What is put then fits into what the file has free inside, and the oldest batches give way for it. Deleting needs no
room, and the floor leaves enough for what SQLite writes down on the way.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TypeAlias

from attrs import frozen

from ingest.core.store import Batch
from ingest.edge.spool_file import Table
from ingest.edge.spool_rows import Row
from ingest.errors import Refused

SHARE_OF_DISK = 20
"""The floor is at most one part in so many of a disk: a small one can be used, too."""


Wanted: TypeAlias = tuple[Batch[bytes], int, int, Collection[int], Collection[int]]
"""What `Table.put` is given."""


@frozen
class Floor:
    """So many bytes stay free; `free` asks the disk, at every put."""

    least: int
    free: Callable[[], int]

    def put(self, table: Table, wanted: Wanted) -> list[Row]:
        """Put a batch into the table, and return what was evicted for it; blocking. Raises `Refused` for no room."""
        if not self.least or self.free() >= self.least:
            return table.put(*wanted)
        evicted = table.put_within(*wanted)
        if evicted is None:
            raise Refused(
                f"the disk has less than {self.least // 2**20} MiB free, and no waiting batch can make room",
                where=str(table.path),
                remedy="Free some space on it, or lower spool.min_free.",
            )
        return evicted


NO_FLOOR = Floor(0, lambda: sys.maxsize)


def floor_at(path: Path, wanted: int) -> Floor:
    """The floor for a file: what is wanted, but at most a twentieth of the disk."""
    return Floor(min(wanted, shutil.disk_usage(path.parent).total // SHARE_OF_DISK), lambda: free_bytes(path))


def free_bytes(path: Path) -> int:
    """What its disk has free for us; where it cannot be asked, the next write will say so."""
    try:
        disk = os.statvfs(path.parent)
    except OSError:
        return sys.maxsize
    return disk.f_bavail * disk.f_frsize
