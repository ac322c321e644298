"""Whether an answer of the history has all that it had when the answers before it came: the recorder purges meanwhile.

    the newest row that had come ──is there──▶ nothing that followed any row was thrown away
                                 ──is not────▶ the newest of another entity ──is there──▶ only the first is in doubt
                                                                            ──is not────▶ … ▶ all of them are

The recorder throws away from its oldest row on. So while a row is there, nothing is missing after it, however long ago it
came. One entity's rows alone are gone when it was renamed, or when a person purged it: those of the others prove that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter

from attrs import define, evolve, field, frozen

from ingest.core.history_progress import Progress, Recorded
from ingest.core.history_query import Query
from ingest.core.recorder import Recorder


@frozen
class Answer:
    """What the history said to one question, and how the recorder was. `asked_ns` was past by Home Assistant's clock then."""

    entities: Mapping[str, Recorded]
    recorder: Recorder
    asked_ns: int

    @property
    def rows(self) -> int:
        """How many rows came, the unreadable ones included."""
        return sum(len(each.rows) + each.unreadable for each in self.entities.values())


@define(eq=False)
class Unproven:
    """An answer about spans, until it is known whether anything was thrown away before it came.

    Their last rows are looked for, the newest first, in what is told with the answer or later. `in_doubt` are the spans whose
    row is not there any more: what came after it may be missing in the answer. `is_purged`: no row is.
    """

    answer: Answer
    spans: Sequence[Progress]
    in_doubt: list[Progress] = field(factory=list)
    is_purged: bool = False
    _witnesses: list[tuple[int, Progress]] = field(factory=list)

    @classmethod
    def of(cls, answer: Answer, spans: Sequence[Progress], from_ns: int) -> Unproven:
        """What is known with the answer, to a question for what there was from then on."""
        last = [(each.last_ns, each) for each in spans if each.last_ns is not None]
        unproven = cls(answer, spans, witnesses=sorted(last, key=itemgetter(0)))
        if last and from_ns <= unproven._witnesses[-1][0]:
            unproven.hear(answer)
        return unproven

    @property
    def is_open(self) -> bool:
        """True while there is a row to be looked for."""
        return bool(self._witnesses)

    def ask(self) -> Query:
        """The question for that row alone. Raises `IndexError` without one."""
        time_ns, witness = self._witnesses[-1]
        return Query([evolve(witness.rest, after_ns=time_ns, before_ns=time_ns)], time_ns, time_ns, 0)

    def hear(self, answer: Answer) -> None:
        """What there is now. Raises `IndexError` when no row is looked for."""
        time_ns, witness = self._witnesses.pop()
        told = answer.entities.get(witness.rest.entity_id, Recorded())
        if any(row.time_ns == time_ns for row in told.rows):
            self._witnesses.clear()
        elif not told.unreadable:  # else it may be there: that of another tells
            self._miss(witness)

    def _miss(self, witness: Progress) -> None:
        self.in_doubt.append(witness)
        if not self._witnesses:
            self.is_purged = True
            # The state that is known where a span begins tells by itself.
            self.in_doubt = [each for each in self.spans if each.last is not None or each.begins_ns is None]
