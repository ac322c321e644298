"""When to try again a file that failed, and what is said of it: when it begins or changes, and when it is over."""

from __future__ import annotations

import math
from typing import Final, Literal, TypeAlias

import trio
from attrs import define, field

from ingest.core import reports
from ingest.core.reports import Emit
from ingest.core.store import Batch
from ingest.edge.free_space import BelowFloor
from ingest.errors import IngestError
from ingest.runtime.link import Weight

RETRY = 5.0
"""Seconds between two attempts to use a file that failed."""

FAILURES = (IngestError, trio.BrokenResourceError)
"""What a file or its lane may raise."""

Work: TypeAlias = Literal["read", "write"]
"""Each fails by itself: what is on a full disk can be read and delivered."""


LATE: Final = "they waited in the state file, which could not be used until now"


class NotTaken(Exception):  # noqa: N818  leaves the block of a claim, and with it keeps the batch in memory
    """The file did not take a batch."""


@define
class Trouble:
    """What does not work at the moment. It is over when the last of it works again."""

    store: str
    emit: Emit
    _retry_at: dict[Work, float] = field(factory=dict)
    _told: dict[Work, str] = field(factory=dict)

    def __bool__(self) -> bool:
        return bool(self._retry_at)

    def retry_at(self, work: Work) -> float:
        """When this may be tried again, in seconds of trio's clock; infinity when it works."""
        return self._retry_at.get(work, math.inf)

    def must_wait(self, work: Work) -> bool:
        """True when that kind of work failed less than `RETRY` seconds ago: it is not tried yet."""
        return trio.current_time() < self._retry_at.get(work, -math.inf)

    def retry_now(self) -> None:
        """Wait for nothing any more."""
        self._retry_at = dict.fromkeys(self._retry_at, -math.inf)

    def came_late(self, found: Weight) -> None:
        """What the file holds from before could be looked at only now: the books do not know of it yet."""
        if found.events:
            self.emit(reports.Made(self.store, found.events, LATE))
        self.worked("read")

    def lost(self, found: Batch[bytes] | None, reason: str) -> None:
        """These rows cannot be read, if there are any."""
        if found is not None:
            why = reason or "the rows are gone"
            self.emit(reports.Unreadable(self.store, found.count, found.oldest_ns, found.newest_ns, why))

    def failed(self, work: Work, error: Exception) -> None:
        """Note that the work did not succeed. It is said once, and again when the reason is another."""
        kind = getattr(error, "what", str(error)).partition(":")[0]
        if self._told.get(work) != kind and (work in self._told or kind not in self._told.values()):
            self.emit(reports.SpoolFailing(self.store, str(error)))
        self._told[work] = kind
        # To ask whether a batch fits into the file costs nothing, and the next one may.
        self._retry_at[work] = trio.current_time() + (0 if isinstance(error, BelowFloor) else RETRY)

    def worked(self, work: Work) -> None:
        """Note that the work succeeded; when it was the last that failed, that is said."""
        self._told.pop(work, None)
        if self._retry_at.pop(work, None) is not None and not self:
            self.emit(reports.SpoolRecovered(self.store))


async def nothing() -> None:
    """Where nobody wants to be asked before the file is used for the first time."""
