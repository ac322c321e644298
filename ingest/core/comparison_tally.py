"""A comparison, counted: by reason, with a few examples of each, and what it comes to in one sentence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from attrs import define, field

from ingest.core.comparison import Finding, Side
from ingest.core.comparison_reasons import Because, Reason
from ingest.core.words import counted

EXAMPLES: Final = 3
"""Points of each reason that are shown."""

LOST: Final = (Reason.SILENT, Reason.LOST)
NOT_YET: Final = (Reason.GAP, Reason.WAITS)


@define
class Count:
    """How often a reason held. `recorded`: of how many points Home Assistant's recorder was asked, and has them."""

    points: int = 0
    entities: set[str] = field(factory=set)
    examples: list[Finding] = field(factory=list)
    asked: int = 0
    recorded: int = 0


@define
class Tally:
    """Of both sides: how many points each holds, how many are the same, and the others by side and reason."""

    ours: int = 0
    theirs: int = 0
    same: int = 0
    counts: dict[tuple[Side, Because], Count] = field(factory=dict)

    def add(self, found: Finding, reasons: Sequence[Because], *, recorded: bool | None = None) -> None:
        """Count a point under each of its reasons. `recorded`: whether the recorder has it; None: it was not asked."""
        for because in reasons:
            count = self.counts.setdefault((found.side, because), Count())
            count.points += 1
            count.entities.add(found.entity_id)
            if len(count.examples) < EXAMPLES:
                count.examples.append(found)
            count.asked += recorded is not None
            count.recorded += bool(recorded)

    def of(self, side: Side) -> Iterator[tuple[Because, Count]]:
        """A side's reasons, the most frequent first."""
        found = ((because, count) for (whose, because), count in self.counts.items() if whose is side)
        return iter(sorted(found, key=lambda item: (item[0].explained, -item[1].points)))

    def points(self, side: Side, *reasons: Reason) -> int:
        """How many points have one of these reasons; without any, all that only one side holds."""
        return sum(count.points for because, count in self.of(side) if not reasons or because.reason in reasons)

    @property
    def unexplained(self) -> int:
        """Points and fields that a person must look at."""
        return sum(count.points for (_, because), count in self.counts.items() if not because.explained)

    @property
    def verdict(self) -> str:
        """What the comparison comes to, in a sentence or two for a person."""
        parts = [self._missing(), *self._others()]
        return " ".join(parts)

    def _missing(self) -> str:
        missing = self.points(Side.THEIRS, Reason.MISSING)
        if missing:
            return f"{counted(missing, 'point')} of the original {'is' if missing == 1 else 'are'} missing here, and nothing says why."
        odd = self.unexplained
        if odd:
            return f"Nothing of the original is missing here without a reason, but {counted(odd, 'field')} differ{'s' if odd == 1 else ''} from it."
        if self.points(Side.THEIRS):
            return "Whatever of the original is not here has a known reason."
        return "Nothing of the original is missing here."

    def _others(self) -> Iterator[str]:
        if later := self.points(Side.THEIRS, *NOT_YET):
            yield f"{counted(later, 'point')} may still come: compare again when the gaps are filled and the spool is empty."
        if lost := self.points(Side.OURS, *LOST):
            yield f"The original lost {counted(lost, 'point')} that {'is' if lost == 1 else 'are'} here."
