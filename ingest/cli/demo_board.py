"""What the demo knows, seen from outside: what the home did, what the store's file holds, what the service's log says."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import click
from attrs import define, field, frozen

from ingest.core.words import counted, cut, printable
from ingest.runtime.watch import Watch

WIDTH = 80
"""Columns that every terminal has."""

NEWS = "→ "


@frozen
class Glimpse:
    """One stored change, as it is shown."""

    moment: datetime
    entity_id: str
    state: str
    unit: str = ""

    @classmethod
    def of(cls, time_ns: int, entity_id: str, state: str, unit: str | None) -> Glimpse:
        """The part of a stored change that fits on a line."""
        return cls(
            datetime.fromtimestamp(time_ns // 1_000_000_000, UTC),
            entity_id,
            printable(state[:24]),
            printable(unit or ""),
        )

    @property
    def value(self) -> str:
        """The state with its unit, where it has one: `21.5 °C`."""
        return f"{self.state} {self.unit}".strip()


@frozen
class Look:
    """One look at both ends: how many changes the home made, how many of them the file holds, the newest in it.

    `filled` of those that it holds came from Home Assistant's history. What the gaps count may be more: of what was
    stored live just before a SIGKILL the history may tell again, and it stays as it was.
    """

    happened: int = 0
    stored: int = 0
    latest: Sequence[Glimpse] = ()
    filled: int = 0


@define(eq=False)
class Board:
    """What both ends hold, and how the service fares.

    `trouble` is why points wait now; `down` why nothing comes in. `connected` counts subscriptions, `gaps` intervals in
    which something was missed, `mended` those of which nothing is left to do, with the ones in which nothing was, `whole`
    those of them that lack nothing. `page` is the address of the status page. `clock` is in seconds, `tell` is where news go.
    """

    clock: Callable[[], float] = time.monotonic
    tell: Callable[[str], None] = click.echo
    seen: Watch[Look] = field(factory=lambda: Watch(Look()))
    connected: Watch[int] = field(factory=lambda: Watch(0))
    mended: Watch[int] = field(factory=lambda: Watch(0))
    whole: int = 0
    opened: int = 0
    gaps: int = 0
    trouble: str = ""
    down: str = ""
    page: str = ""
    survived: int = 0
    balanced: bool = True

    def hear(self, said: Mapping[str, Any]) -> None:
        """One line of the service's log."""
        match said:
            case {"report": "StoreWaiting", "reason": str(reason)}:
                self._fails(reason)
            case {"report": "StoreRecovered"}:
                self.trouble = ""
            case {"report": "Listening", "where": str(where)}:
                self._seen_at(where)
            case {"report": "Connected"}:
                self.connected.set(self.connected.value + 1)
            case {"report": "GapOpened", "entities": int(entities), "why": str(why)}:
                self._missed(entities, why)
            case {"report": "GapSettled", "filled": int(filled), "why": str(why)}:
                self._settled(filled, why)
            case {"report": "Stopped", "balanced": bool(balanced)}:
                self.balanced &= balanced
            case {"level": "error", "message": str(message)}:
                self.news(f"The service: {message}")
            case _:
                pass

    def _seen_at(self, where: str) -> None:
        if where != self.page:
            self.news(f"Look at it in a browser: {where}")
        self.page = where

    def _fails(self, reason: str) -> None:
        why = reason.rpartition(" (")[0] or reason
        if not self.trouble:
            self.news(f"The service: {why}")
        self.trouble = why.rpartition(": ")[2]

    def _missed(self, entities: int, why: str) -> None:
        self.opened += 1
        if entities and not why:
            self.news(f"It missed changes of {entities:,} entities: Home Assistant's history has them.")
            return
        self.news(f"Changes were lost: {why}." if why else "Nothing was missed.")
        self._done(why)

    def _settled(self, filled: int, why: str) -> None:
        self.gaps += 1
        came = f"{counted(filled, 'state')} came from that history."
        self.news(f"The gap is filled only in part: {why}." if why else f"The gap is filled: {came}")
        self._done(why)

    def _done(self, why: str) -> None:
        self.whole += not why
        self.mended.set(self.mended.value + 1)

    def news(self, sentence: str) -> None:
        """Tell the viewer something, on one line."""
        self.tell(printable(cut(f"{NEWS}{sentence}", WIDTH)))

    @contextmanager
    def without(self, what: str) -> Iterator[None]:
        """While the block runs nothing comes in, for that reason; also afterwards when it does not end normally."""
        self.down = what
        yield
        self.down = ""

    @property
    def waiting(self) -> int:
        """What happened and is not stored. While the service runs some of it is only under way."""
        return self.seen.value.happened - self.seen.value.stored

    @property
    def owed(self) -> bool:
        """True while there is something of which the history has yet to tell."""
        return bool(self.down) or self.opened > self.mended.value

    @property
    def lost(self) -> int:
        """What happened and will never be stored, at the end."""
        return 0 if self.owed and self.waiting > 0 else self.waiting

    @property
    def condition(self) -> str:
        """What is out of the ordinary, in a few words; empty when nothing is."""
        return f"{self.waiting:,} wait: {self.trouble}" if self.trouble else self.down

    @property
    def agrees(self) -> bool:
        """True when every change that the home made is stored, and the service's own books say so."""
        return self.lost == 0 and self.balanced and self.seen.value.stored > 0

    def verdict(self) -> str:
        """The last lines: what the home did, and what became of it."""
        happened, stored = self.seen.value.happened, self.seen.value.stored
        lines = [f"happened {happened:,} · stored {stored:,} · lost {self.lost:,} · outages survived {self.survived}"]
        if self.gaps:
            gaps = counted(self.gaps, "gap")
            lines.append(f"{self.seen.value.filled:,} of them came from Home Assistant's history and filled {gaps}.")
        if self.owed and self.waiting > 0:
            lines.append(f"{self.waiting:,} are still to be filled in: the demo ended before that.")
        if not self.balanced:
            lines.append("THE SERVICE'S BOOKS DO NOT BALANCE: this is a bug.")
        return "\n".join(lines)
