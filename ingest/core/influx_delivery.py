"""Finding the lines that a database refuses, and losing none.

    whole ──refused──▶ what the answer names is out, the rest is sent again; nothing named: two halves, each in turn

A line is rejected when an answer names it, or when it is refused alone (or with others of which the answer counts every
one) while the database takes others. When it takes none of them, the fault is the endpoint's, not the lines': all are
kept. A batch of a quiet home may be a single line, so the evidence may be another batch: `elsewhere` says that one was
taken since this one was first refused.

What was sent twice is stored once: a point is its series and its time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from attrs import Factory, define

from ingest.core.influx_answer import CHECK_TYPES, Answer, Split, named
from ingest.core.store import Delivered, Keep, Rejection

HOPELESS = 32
"""Refusals without a name or number and without a single line taken, after which it is not the lines."""

Lines = tuple[bytes, ...]


@define
class Delivery:
    """One refused batch: what is still to be sent, what was taken, what was rejected."""

    pending: deque[Lines] = Factory(deque)
    taken: int = 0
    rejected: list[Rejection] = Factory(list)
    nameless: int = 0
    reason: str = ""

    def take(self, part: Sequence[bytes]) -> None:
        """The database stored this part."""
        self.taken += len(part)

    def refuse(self, part: Sequence[bytes], split: Split, answer: Answer) -> None:
        """The database refused lines of this part: reject those that are known, send the rest in smaller parts."""
        self.reason = self.reason or split.reason
        out = named(answer, part)
        self.nameless += not out and split.dropped is None
        if not out and (split.dropped or 1) >= len(part):
            out = dict.fromkeys(range(len(part)), split.reason)
        self.rejected += [Rejection(part[place].decode("utf-8", "replace"), reason) for place, reason in out.items()]
        rest = tuple(line for place, line in enumerate(part) if place not in out)
        half = len(rest) if out else (len(rest) + 1) // 2
        self.pending.extend(each for each in (rest[:half], rest[half:]) if each)

    def is_over(self, *, elsewhere: bool) -> bool:
        """Nothing is left to send, or no use in it."""
        return not self.pending or (self.nameless >= HOPELESS and not self.taken and not elsewhere)

    def verdict(self, *, elsewhere: bool) -> Delivered | Keep:
        """What came of it, when it is over."""
        if not self.pending and (self.taken or elsewhere):
            return Delivered(tuple(self.rejected))
        return Keep(f"the database takes no line of this batch: {self.reason}", remedy=CHECK_TYPES)
