"""Why only one side holds a point: what the state file, the rules and the original's silences say of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from enum import Enum
from math import isfinite
from typing import Final

from attrs import Factory, frozen

from ingest.core.comparison import Finding, Side
from ingest.core.comparison_fields import EXPLAINED, Kept, Why, why
from ingest.core.comparison_silence import Silence
from ingest.core.coverage import Gap
from ingest.core.ledger import LEFT
from ingest.core.point import Attributes, Facts
from ingest.core.rules import Decision, Rules

NOT_WRITTEN: Final = frozenset({"unknown", "unavailable", "", "removed"})


class Reason(Enum):
    """Why only one side holds a point."""

    ABSENT = "unknown, unavailable or removed, which the original never writes"
    HEARTBEAT = "a heartbeat: a value said again"
    PRECISION = "another change has the same time there, cut to its precision"
    NOT_FINITE = "a state that is no finite number, which the original cannot write"
    THEIR_FILTER = (
        "of an entity of which the original wrote nothing in all that time, as a filter of its own would have it"
    )
    SILENT = "lost by the original, which wrote nothing at all at that time"
    LOST = "lost by the original, which wrote others at that time"
    RULE = "left out here by a rule"
    NUMBERS = "a text, where only numbers are sent (influxdb.numeric_only)"
    REPLAY = "a restart said the last value again, which filter.drop_replays leaves out"
    BEFORE = "before our coverage began"
    GAP = "in a gap of ours that is not filled yet"
    FILLED = "in a gap of ours, filled as far as Home Assistant's history has it"
    WAITS = "on its way: our spool holds points of that time"
    REFUSED = "refused by our database: a dead letter"
    MISSING = "missing here, and nothing says why"


@frozen
class Because:
    """A reason, and the rule, the gap or the field that it is about."""

    reason: Reason | Why
    about: str = ""

    def known_to(self, *, recorder: bool) -> Because:
        """The reason, once Home Assistant's recorder was asked: what it has it should have filled the gap with."""
        return Because(Reason.MISSING, self.about) if recorder and self.reason is Reason.FILLED else self

    @property
    def explained(self) -> bool:
        """False when a person must look at it."""
        return self.reason is not Reason.MISSING and (isinstance(self.reason, Reason) or self.reason in EXPLAINED)


def _no_facts(entity_id: str) -> Facts:
    return Facts(entity_id)


@frozen
class Known:
    """What is known of our side and of the original. Times in nanoseconds; None: it is not known.

    `never` are entities of which the original wrote nothing; `waiting` is the time of what the spool holds; `refused` are
    dead letters by entity and time.
    """

    rules: Rules
    never: Collection[str] = ()
    silence: Callable[[int], Silence | None] = lambda _: None
    gaps: Sequence[Gap] = ()
    since_ns: int | None = None
    waiting: tuple[int, int] | None = None
    refused: Collection[tuple[str, int]] = ()
    dropped: Collection[str] = ()
    dropped_by_domain: Mapping[str, Collection[str]] = Factory(dict)
    numeric_only: bool = False
    facts: Callable[[str], Facts] = _no_facts

    def decided(self, found: Finding) -> Decision:
        """What our rules say of the entity."""
        attributes = Attributes(device_class=found.device_class, unit=found.unit, state_class=found.state_class)
        return self.rules.decide(found.entity_id, attributes, self.facts(found.entity_id))

    def reasons(self, found: Finding) -> Sequence[Because]:
        """Why a point is not the same on both sides: one reason, or one for each field that differs."""
        match found.side:
            case Side.OURS:
                return [self._ours(found)]
            case Side.THEIRS:
                return [next(self._theirs(found))]
        domain = found.entity_id.partition(".")[0]
        dropped = {*self.dropped, *self.dropped_by_domain.get(domain, ())}
        filled = any(gap.from_ns <= found.time_ns <= gap.to_ns for gap in self.gaps)
        kept = Kept(dropped, self.decided(found).treatment, self.numeric_only, filled)
        return [Because(why(each, kept), each.name) for each in found.fields]

    def _ours(self, found: Finding) -> Because:
        beat = self.decided(found).heartbeat_ns
        reasons = {
            Reason.ABSENT: found.state in NOT_WRITTEN,
            Reason.PRECISION: found.shared,
            Reason.HEARTBEAT: beat is not None and found.time_ns % beat == 0,
            Reason.NOT_FINITE: _is_number(found.state) and not isfinite(float(found.state)),
            Reason.THEIR_FILTER: found.entity_id in self.never,
            Reason.SILENT: self.silence(found.time_ns) is not None,
        }
        return Because(next((reason for reason, holds in reasons.items() if holds), Reason.LOST))

    def _theirs(self, found: Finding) -> Iterator[Because]:
        time_ns, decision = found.time_ns, self.decided(found)
        if not decision.passed:
            yield Because(Reason.RULE, decision.rule)
        if self.numeric_only and not _is_number(found.state):
            yield Because(Reason.NUMBERS)
        if self.rules.drop_replays and found.again:
            yield Because(Reason.REPLAY)
        if self.since_ns is not None and time_ns < self.since_ns:
            yield Because(Reason.BEFORE)
        if (found.entity_id, time_ns) in self.refused:
            yield Because(Reason.REFUSED)
        for gap in self.gaps:
            if gap.from_ns <= time_ns <= gap.to_ns:
                reason = Reason.GAP if gap.progress in LEFT else Reason.FILLED
                yield Because(reason, f"gap {gap.id}: {gap.cause.value}")
        if self.waiting is not None and self.waiting[0] <= time_ns <= self.waiting[1]:
            yield Because(Reason.WAITS)
        yield Because(Reason.MISSING)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
