"""How far a copy has got, kept in the embedded store itself: what is killed goes on where it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from attrs import frozen

from ingest.edge.embedded_export import Position
from ingest.edge.embedded_schema import check
from ingest.edge.sqlite import Connection, open_writer, transaction, translated


@frozen
class Mark:
    """Everything from `began_ns` to `position` has been delivered; None: where that copy began was not kept yet."""

    position: Position
    began_ns: int | None


@frozen
class Progress:
    """One destination's. `key` names it; it holds no secret. Methods raise Transient, Refused or Damaged."""

    connection: Connection
    path: Path
    key: str

    def read(self) -> Mark | None:
        """How far it got; None when nothing is known to be there."""
        with translated(self.path):
            row = self.connection.execute("SELECT value FROM meta WHERE key = ?", (self.key,)).fetchone()
        if row is None:
            return None
        time_ns, entity, *began = map(int, str(row[0]).split(" "))
        return Mark((time_ns, entity), began[0] if began else None)

    def reached(self, position: Position, began_ns: int) -> None:
        """Everything from then up to there has been delivered."""
        with translated(self.path), transaction(self.connection):
            value = f"{position[0]} {position[1]} {began_ns}"
            self.connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (self.key, value))


@contextmanager
def open_progress(path: Path, destination: str) -> Iterator[Progress]:
    """The progress towards a destination, for the time of a block; a service may be writing the same file.

    Raises Transient, Refused or Damaged.
    """
    with closing(open_writer(path)) as connection:
        with translated(path):
            check(connection, path)
        yield Progress(connection, path, f"copied to {destination}")
