"""What the demo knows of the service, folded from what the service says of itself: the books, the outages, the news."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import click
from attrs import define, field, frozen

from ingest.core import reports
from ingest.core.point import Point
from ingest.core.reports import Report
from ingest.core.state import Source
from ingest.core.tally import Tally

LATEST = 8
"""Changes shown at once."""

WIDTH = 80
"""Columns that every terminal has."""

NEWS = "→ "


@frozen
class Glimpse:
    """One stored change, as it is shown."""

    moment: datetime
    entity_id: str
    state: str
    unit: str

    @classmethod
    def of(cls, point: Point) -> Glimpse:
        """The part of a point that fits on a line."""
        moment = datetime.fromtimestamp(point.time_ns // 1_000_000_000, UTC)
        return cls(moment, point.entity_id, point.state[:24], point.attributes.unit or "")

    @property
    def value(self) -> str:
        """The state with its unit."""
        return f"{self.state} {self.unit}".strip()


@define
class Board:
    """The books of every life of the service together, the latest changes, and how it fares.

    An outage is one that the service reported; it is survived once points are stored again after it. `trouble` is why
    points wait now, `waited` how many had when the store took them again, `left` what a stop lost in memory. `clock` is
    in seconds, `tell` is where news go. `again` counts states that the second life reads and stores though the first
    had: it does not remember them, the file holds them once. They are known before they are stored again, so `stored`
    goes back for a moment; `shown` does not.
    """

    clock: Callable[[], float] = time.monotonic
    tell: Callable[[str], None] = click.echo
    tally: Tally = field(factory=Tally)
    latest: deque[Glimpse] = field(factory=lambda: deque(maxlen=LATEST))
    trouble: str = ""
    waited: int = 0
    survived: int = 0
    balanced: bool = True
    left: int = 0
    again: int = 0
    shown: int = 0
    _newest: dict[str, int] = field(factory=dict)
    _outages: set[str] = field(factory=set)
    _down_since: float | None = None
    _ending: bool = False

    def add(self, report: Report) -> None:
        """Listen to the service."""
        self.tally.add(report)
        match report:
            case reports.StoreWaiting(reason=reason):
                self._fails(reason)
            case reports.StoreRecovered():
                self.trouble, self.waited = "", self.waiting
            case reports.Stored(count=count) if count:
                self.survived += len(self._outages)
                self._outages.clear()
                self.shown = max(self.shown, self.stored)
            case _:
                self._live(report)

    def _fails(self, reason: str) -> None:
        why = reason.rpartition(" (")[0] or reason
        if not self.trouble:
            self.news(f"The service: {why}")
        self.trouble = why.rpartition(": ")[2]
        self._outages.add("store")

    def _live(self, report: Report) -> None:
        match report:
            case reports.Lost(count=count):
                self.left += count
            case reports.Stopped(balanced=balanced):
                self._stopped(balanced=balanced)
            case reports.Connected() if self._down_since is not None:
                self.news(f"It runs again and is subscribed: {self._down:.1f} s without the service.")
                self.news("What the home did meanwhile was not received: gaps are not filled yet.")
                self._down_since = None
            case _:
                pass

    def _stopped(self, *, balanced: bool) -> None:
        self.balanced &= balanced
        self._outages.add("service")
        if self._ending:
            self._ending = False
            held = "all it held is stored" if self.waiting == self.left == 0 else "NOT ALL IT HELD IS STORED"
            self.news(f"It ended in {self._down:.2f} s; {held}.")

    def news(self, sentence: str) -> None:
        """Tell the viewer something, on a line."""
        self.tell(f"{NEWS}{sentence}")

    def restarts(self) -> None:
        """The service is about to be stopped, and will come back."""
        self._down_since, self._ending = self.clock(), True

    @property
    def _down(self) -> float:
        return self.clock() - (self._down_since or 0.0)

    def see(self, point: Point) -> None:
        """Look at a point on its way into the store."""
        self.latest.append(Glimpse.of(point))
        known = self._newest.get(point.facts.registry_id)
        if point.origin is Source.SNAPSHOT and known is not None and point.time_ns <= known:
            self.again += 1
        else:
            self._newest[point.facts.registry_id] = point.time_ns

    @property
    def received(self) -> int:
        """Changes that came in to be stored: not what a rule leaves out, nor a snapshot's states stored already."""
        return self.tally.received - self.tally.repeated - self.tally.filtered - self.again

    @property
    def stored(self) -> int:
        """Changes in the store, each counted once."""
        return self.tally.stored - self.again

    @property
    def lost(self) -> int:
        """What was received and is not stored. While the service runs some of it is only under way."""
        return self.received - self.stored

    @property
    def waiting(self) -> int:
        """What is under way: received, and neither stored nor known to be lost."""
        return self.lost - sum(count for _, count in self._losses())

    @property
    def condition(self) -> str:
        """What is out of the ordinary, in a few words; empty when nothing is."""
        if self.trouble:
            return f"{self.waiting:,} wait: {self.trouble}"
        return "" if self._down_since is None else "the service is down, the home goes on"

    @property
    def agrees(self) -> bool:
        """True when every change received is stored, and the service's own books say so."""
        return self.lost == 0 and self.balanced and self.stored > 0

    def verdict(self) -> str:
        """The last line, and where what is lost was lost."""
        known = f"received {self.received:,} · stored {self.stored:,}"
        line = f"{known} · lost {self.lost:,} · outages survived {self.survived}"
        where = ", ".join(f"{count:,} {how}" for how, count in self._where())
        balance = "" if self.balanced else "\nTHE SERVICE'S BOOKS DO NOT BALANCE: this is a bug."
        return line + (f"\nOf what is lost: {where}." if self.lost else "") + balance

    def _losses(self) -> Iterator[tuple[str, int]]:
        tally = self.tally
        yield "refused by the store", tally.rejected
        yield "not readable", tally.malformed
        yield "dropped by a full queue", tally.shed + tally.evicted
        yield "left in memory at a stop", self.left

    def _where(self) -> Iterator[tuple[str, int]]:
        yield from ((how, count) for how, count in self._losses() if count)
        if self.waiting:
            yield "unexplained", self.waiting
