"""The recorder: what of a home's past it shows, and what it says of itself.

The home's `past` stays the truth. The recorder is a view of it: it leaves entities out, was switched off for a while,
has thrown away what is old, and shows what happened only when it has committed it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import Any

from attrs import define, field

from ingest.simulator import statistics
from ingest.simulator.history import Row
from ingest.simulator.home import Home

FOREVER = 2**62
MAX_BACKLOG = 65_000


@define
class Recorder:
    """How it fares; scripted faults change these. Times are in microseconds."""

    home: Home
    commit: int = 0
    """Between two commits; 0: what happens is committed at once."""
    excluded: tuple[str, ...] = ()
    """Patterns of the entities that it leaves out."""
    kept_from: int = 0
    """Purged: nothing older is there."""
    recording: bool = True
    part: float = 1.0
    """How much of an entity's rows an answer holds: the first ones."""
    delay: float = 0.0
    """Seconds by which answers of the history come late; infinite: they never come."""
    _off: list[tuple[int, int]] = field(factory=list)
    _stands_at: int | None = None

    def rows(self, entity_id: str) -> Iterable[Row]:
        """Return what it shows of an entity, oldest first."""
        if any(fnmatchcase(entity_id, pattern) for pattern in self.excluded):
            return ()
        until = self._committed()
        rows = self.home.past.rows(entity_id)
        return [row for row in rows if self.kept_from <= row.at <= until and not self._missed(row.at)]

    def hours(self, asked: statistics.Hours) -> statistics.Answer:
        """Return the statistics of those hours that are over."""
        return statistics.during(self, asked, self.home.present())

    def info(self) -> Mapping[str, Any]:
        """Return the answer to `recorder/info`."""
        return {
            "backlog": 0 if self._stands_at is None else self.home.past.count(self._stands_at),
            "db_in_default_location": True,
            "max_backlog": MAX_BACKLOG,
            "migration_in_progress": False,
            "migration_is_live": False,
            "recording": self.recording,
            "thread_running": True,
        }

    @contextmanager
    def switched_off(self) -> Iterator[None]:
        """Record nothing for the length of the block: what happens meanwhile will never be there."""
        place, since = len(self._off), self.home.present()
        self._off.append((since, FOREVER))
        self.recording = False
        try:
            yield
        finally:
            self._off[place] = (since, self.home.present())
            self.recording = all(end != FOREVER for _, end in self._off)

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """Commit nothing for the length of the block: what happens meanwhile waits in the backlog."""
        self._stands_at = self.home.present()
        try:
            yield
        finally:
            self._stands_at = None

    def purge(self, keep: int) -> None:
        """Throw away what is older than `keep`."""
        self.kept_from = self.home.present() - keep

    def _committed(self) -> int:
        now = self.home.present() if self._stands_at is None else self._stands_at
        return now - now % self.commit if self.commit else now

    def _missed(self, at: int) -> bool:
        return any(start < at <= end for start, end in self._off)
