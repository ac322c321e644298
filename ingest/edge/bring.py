"""From a state file that is damaged or was set aside into another: what is readable, once."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final, TypeAlias, TypeVar

from attrs import define, frozen

from ingest.edge.free_space import NO_FLOOR, Floor
from ingest.edge.letter_file import Letter, Letters, Usage
from ingest.edge.salvage import Found, Salvage, open_salvage
from ingest.edge.spool_rows import Change, Key
from ingest.edge.spool_succession import insert
from ingest.edge.sqlite import Connection, Damaged, transaction, translated
from ingest.errors import Refused
from ingest.runtime.link import Weight

TOGETHER: Final = 200
"""Batches or letters in one transaction at most."""

AT_ONCE: Final = 4 * 1024 * 1024
"""Bytes in one transaction, give or take one batch."""

Known: TypeAlias = set[tuple[str, str, int, int, int, int]]
"""What tells batches apart: whose, when they were put, of what times and how many."""

T = TypeVar("T", Found, Letter)


@frozen
class Room:
    """What a state file takes of what is brought back: `disk` bytes of batches at most, and no growth below the floor."""

    path: Path
    disk: int
    floor: Floor = NO_FLOOR

    def check(self, held: int, more: int) -> None:
        """May so many bytes `more` come to those `held`? What waits is never pushed out for it. Raises `Refused`."""
        if more and held + more > self.disk:
            remedy = "Run this again when some of it is delivered; nothing is brought twice."
            raise Refused("the spool has no room for more", where=str(self.path), remedy=remedy)
        if more:
            self.floor.check(self.path, more)


@define
class Brought:
    """What came back, and what was there already."""

    batches: int = 0
    points: int = 0
    known: int = 0
    letters: int = 0


def bring(salvage: Salvage, letters: Letters, room: Room) -> Brought:
    """Bring batches and dead letters into the file of `letters`.

    Raises what `translated` says, and `Refused` where there is no room; what came until then stays.
    """
    brought = Brought()
    with translated(letters.path):
        known, held = known_in(letters.connection), size_in(letters.connection)
        found = salvage.batches()
        while part := batches_of(found):
            more = size_of(part, known)
            room.check(held, more)
            held += more
            add(part, known, letters.connection, brought)
        rest = salvage.letters()
        used: Usage | None = None
        while those := letters_of(rest):
            came, used = letters.bring(those, used)
            brought.letters += came
    return brought


def open_regular(path: Path, present: Path) -> Salvage:
    """A file to bring back from: a regular one, and not the `present` state file. Raises `Transient` or `Refused`."""
    try:
        found = path.stat()
    except OSError as error:
        remedy = "Name a file that the service's user may read."
        raise Refused(f"the file cannot be read: {error.strerror}", where=str(path), remedy=remedy) from error
    if not stat.S_ISREG(found.st_mode):
        raise Refused("that is no regular file", where=str(path), remedy="Name a state file that was set aside.")
    if present.exists() and path.samefile(present):
        raise Refused("that is the state file itself", where=str(path), remedy="Name one that was set aside.")
    try:
        return open_salvage(path)
    except Damaged as error:
        what = "nothing can be read in this file: it is no database, or damaged at its beginning"
        remedy = "Name a state file that was set aside; `homeiq-ingest spool status` lists them."
        raise Refused(what, where=str(path), remedy=remedy) from error


def batches_of(found: Iterator[Found]) -> list[Found]:
    """The next batches that go together; none at the end."""
    return _part(found, lambda each: len(each.batch.payload))


def letters_of(found: Iterator[Letter]) -> list[Letter]:
    """The next letters that go together; none at the end."""
    return _part(found, lambda each: each.size)


def known_in(connection: Connection) -> Known:
    """What waits in that file already, so that nothing is brought twice."""
    return set(connection.execute("SELECT home, store, put_ns, oldest_ns, newest_ns, count FROM batch").fetchall())


def size_in(connection: Connection) -> int:
    """Bytes of what waits already, of every home and store."""
    (size,) = connection.execute("SELECT coalesce(sum(size), 0) FROM batch").fetchone()
    return int(size)


def size_of(part: Sequence[Found], known: Known) -> int:
    """Bytes of what is not known."""
    return sum(each.batch.size for each in part if _signs(each) not in known)


def add(
    part: Sequence[Found], known: Known, connection: Connection, brought: Brought, key: Key | None = None
) -> Change:
    """Add what is not known, in one transaction; returns what of it is the `key`'s.

    No file has a batch twice, so what came is not known: what identifies a million of them would be 300 MB.
    """
    added = Change()
    with transaction(connection):
        for each in part:
            if _signs(each) in known:
                brought.known += 1
                continue
            insert(connection, each.key, each.batch, each.put_ns)
            brought.batches += 1
            brought.points += each.batch.count
            if each.key == key:
                weight = added.added.plus(Weight(each.batch.count, each.batch.size))
                added = Change(weight, added.batches + 1)
    return added


def _part(found: Iterator[T], size: Callable[[T], int]) -> list[T]:
    part: list[T] = []
    taken = 0
    for each in islice(found, TOGETHER):
        part.append(each)
        taken += size(each)
        if taken >= AT_ONCE:
            break
    return part


def _signs(found: Found) -> tuple[str, str, int, int, int, int]:
    batch = found.batch
    return found.key.home, found.key.store, found.put_ns, batch.oldest_ns, batch.newest_ns, batch.count
