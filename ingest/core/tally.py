"""The books: every state that came in is in exactly one place. A pure fold over reports.

    carried + received + made
        = stored + repeated + filtered + rejected + malformed + shed + evicted + spooled + in flight

`carried` is what the spool held at the start; `made` what came into it otherwise than by being received: dead letters
sent again, batches recovered, what waited in a file that could not be opened at the start, points of our own making such
as gaps and heartbeats. What a person purged is counted under `evicted`. `spooled` and `in_flight` are counted where they
are, never derived, so that the equation can fail.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from attrs import define, field

from ingest.core import reports
from ingest.core.reports import Report

CAME: Final = ("carried", "received", "made")
"""The terms on the left side."""

EARLIER: Final = "rules of an earlier configuration"
"""What left a state out whose rule is no more."""


@define
class Tally:
    """Counts since the start of the process, for one home and one store.

    `passed` and `unreadable` (messages that were no states) stand beside the equation.
    """

    carried: int = 0
    received: int = 0
    made: int = 0
    stored: int = 0
    repeated: int = 0
    filtered: int = 0
    rejected: int = 0
    malformed: int = 0
    shed: int = 0
    evicted: int = 0
    passed: int = 0
    unreadable: int = 0
    by_rule: Counter[str] = field(factory=Counter)

    def add(self, report: Report) -> None:
        """Take the next report: what moves states from one place of the books to another is counted."""
        match report:
            case reports.Received(count=count):
                self.received += count
            case reports.Stored(count=count):
                self.stored += count
            case reports.Filtered(rules=rules, count=count):
                self.filtered += count
                self.by_rule.update(rules)
            case reports.Passed(count=count):
                self.passed += count
            case reports.Repeated(count=count):
                self.repeated += count
            case reports.Made(count=count) | reports.Added(count=count):
                self.made += count
            case _:
                self._add_loss(report)

    def _add_loss(self, report: Report) -> None:
        match report:
            case reports.Shed(count=count):
                self.shed += count
            case reports.Evicted(count=count) | reports.Purged(count=count) | reports.Unreadable(count=count):
                self.evicted += count
            case reports.Rejected(rejections=rejections):
                self.rejected += len(rejections)
            case reports.DeadLetter():
                self.rejected += 1
            case reports.MalformedMessage(kind="event" | "state"):
                self.received += 1
                self.malformed += 1
            case reports.MalformedMessage() | reports.UnexpectedMessage():
                self.unreadable += 1
            case _:
                pass

    def retire(self, rules: Iterable[str]) -> None:
        """These rules are no more: what they left out is counted together from now on."""
        gone = sum(self.by_rule.pop(rule, 0) for rule in rules)
        if gone:
            self.by_rule[EARLIER] += gone

    def books(self, *, spooled: int, in_flight: int) -> dict[str, int]:
        """Every term of the equation by its name, in states: `received`, `made`, `stored` and so on."""
        return {
            "carried": self.carried,
            "received": self.received,
            "made": self.made,
            "stored": self.stored,
            "repeated": self.repeated,
            "filtered": self.filtered,
            "rejected": self.rejected,
            "malformed": self.malformed,
            "shed": self.shed,
            "evicted": self.evicted,
            "spooled": spooled,
            "in_flight": in_flight,
        }


def balanced(books: dict[str, int]) -> bool:
    """True when the equation holds."""
    return sum(books[term] for term in CAME) == sum(count for term, count in books.items() if term not in CAME)
