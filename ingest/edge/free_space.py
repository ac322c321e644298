"""The disk is not ours alone: below a floor of free bytes the state file does not grow.

What is put then fits into what the file has free inside, or waits in memory. Only when that is full do the oldest
batches give way. Deleting needs no room, and the floor leaves enough for what SQLite writes down on the way.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TypeAlias

from attrs import evolve, frozen

from ingest.core.coverage import NO_NOTE
from ingest.core.store import Batch
from ingest.edge.spool_file import Table
from ingest.edge.spool_rows import Placed
from ingest.edge.sqlite import Damaged
from ingest.errors import Refused

SHARE_OF_DISK = 20
"""The floor is at most one part in so many of a disk: a small one can be used, too."""


USUAL = 64 * 2**20
"""Bytes that stay free where nobody says otherwise."""

Wanted: TypeAlias = tuple[Batch[bytes], int, int, Collection[int], Collection[int]]
"""What `Table.put` is given."""


class BelowFloor(Refused):
    """The file has no room inside for a batch, and may not grow."""


@frozen
class Floor:
    """So many bytes stay free; `free` asks the disk, at every put."""

    least: int
    free: Callable[[], int]

    def put(self, table: Table, wanted: Wanted, evict: bool) -> Placed:
        """Put a batch into the table, and return what came of it; blocking. Raises `BelowFloor` for no room.

        To `evict`: below the floor, too, the oldest may go for it. A damaged ledger keeps no points from the disk: they
        go without their note.
        """
        batch, put_ns, excess, kept, gone = wanted
        if not batch.note:
            return self._put(table, wanted, evict)
        without = (evolve(batch, note=NO_NOTE), put_ns, excess, kept, gone)
        if table.scars.ledger:
            return self._put(table, without, evict)
        try:
            return self._put(table, wanted, evict)
        except Damaged as error:
            placed = self._put(table, without, evict)
            table.break_ledger(error)
            return placed

    def _put(self, table: Table, wanted: Wanted, evict: bool) -> Placed:
        if not self.least or self.free() >= self.least:
            return table.put(*wanted)
        placed = table.put_within(*wanted, evict=evict)
        if placed is None:
            raise BelowFloor(
                f"the disk has less than {self.least // 2**20} MiB free, the state file does not grow",
                where=str(table.path),
                remedy="Free some space on it, or lower spool.min_free.",
            )
        return placed

    def check(self, path: Path, more: int) -> None:
        """Blocking. Raises `BelowFloor` when so many bytes more would bring the disk of `path` below it."""
        if self.least and self.free() - more < self.least:
            raise BelowFloor(
                f"the disk would have less than {self.least // 2**20} MiB free",
                where=str(path),
                remedy="Free some space on it, or lower spool.min_free, and run this again; nothing is brought twice.",
            )

    def at_the_end(self) -> Floor:
        """As much again lies below it for what would be gone with the process."""
        return evolve(self, least=self.least // 2)


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
