"""Around damage in the spool's rows: each that a scan does not reach is asked for by itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from attrs import define, field

from ingest.core.words import counted
from ingest.edge.spool_rows import Key
from ingest.edge.sqlite import Connection, Damaged, translated

DAMAGED: Final = "damaged"
"""The name in `meta` under which a file says that it is."""

COLUMNS: Final = "id, put_ns, oldest_ns, newest_ns, count, size"

SOUND: Final = (
    "typeof(payload) = 'blob' AND typeof(count) = 'integer' AND count > 0 AND typeof(size) = 'integer' AND size >= 0"
    " AND typeof(put_ns) = 'integer' AND typeof(oldest_ns) = 'integer' AND typeof(newest_ns) = 'integer'"
)
"""True of every row as it was written. Damage can turn a number into another one, and SQLite reads that without a word."""

OURS: Final = f"home = ? AND store = ? AND {SOUND}"
"""True of a key's rows."""

_UNSOUND: Final = f"""
SELECT count(*) FROM batch AS row NOT INDEXED WHERE NOT ({SOUND}) OR NOT EXISTS (
    SELECT 1 FROM batch AS known INDEXED BY batch_of
    WHERE known.home = row.home AND known.store = row.store AND known.id = row.id
)
"""  # noqa: S608  constants

GUESSES: Final = 1_000_000
"""Ids tried at most where damage hides the way to the oldest."""

_ONE: Final = f"SELECT {COLUMNS} FROM batch NOT INDEXED WHERE {OURS} AND id = ?"  # noqa: S608  constants


@define
class Scars:
    """The damage that was met: what SQLite said of it, and the rows that are never listed again.

    It is `told` once the file says so itself. No row has an id below `least`. `ledger`: it is in the ledger of coverage.
    """

    reason: str = ""
    hidden: set[int] = field(factory=set)
    told: bool = False
    least: int = 0
    ledger: bool = False

    @property
    def untold(self) -> bool:
        """Damage was met, and the file does not say so yet."""
        return bool(self.reason) and not self.told


def unsound(connection: Connection, path: Path) -> str:
    """That there are rows which nobody wrote so, or which their index does not list, so that nobody would ever find them.

    Empty when there are none. Raises what `translated` says.
    """
    with translated(path):
        (rows,) = connection.execute(_UNSOUND).fetchone()
    return f"{counted(rows, 'row')} of the spool cannot be what was written" if rows else ""


def around(
    connection: Connection, path: Path, key: Key, order: str, *, last: int | None, scars: Scars
) -> Iterator[tuple[Any, ...]]:
    """The columns of the key's rows beyond `last`, in that order."""
    low, high = _reach(connection, path)
    low = max(low, scars.least)
    if order == "DESC":
        yield from _one_by_one(connection, path, key, range(high if last is None else last - 1, low - 1, -1))
        return
    first = last is None
    for values in _one_by_one(connection, path, key, range(low if last is None else last + 1, high + 1)):
        if first:
            first, scars.least = False, values[0]
        yield values
    if first:
        scars.least = high + 1


def _one_by_one(connection: Connection, path: Path, key: Key, ids: Iterable[int]) -> Iterator[tuple[Any, ...]]:
    for each in ids:
        values = None
        with suppress(Damaged), translated(path):
            values = connection.execute(_ONE, (key.home, key.store, each)).fetchone()
        if values is not None:
            yield values


def _reach(connection: Connection, path: Path) -> tuple[int, int]:
    """The least and the greatest id, as far as any way still leads to them."""
    high = _number(connection, path, "SELECT seq FROM sqlite_sequence WHERE name = 'batch'") or 0
    ways = ("SELECT min(id) FROM batch NOT INDEXED", "SELECT min(id) FROM batch INDEXED BY batch_of")
    lows = [low for low in (_number(connection, path, way) for way in ways) if low is not None]
    return min(lows, default=max(1, high - GUESSES)), high


def _number(connection: Connection, path: Path, query: str) -> int | None:
    with suppress(Damaged), translated(path):
        row = connection.execute(query).fetchone()
        return row[0] if row and isinstance(row[0], int) else None
    return None
