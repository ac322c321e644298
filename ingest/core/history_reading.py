"""Reading the history for the spans of a gap: question by question, and what each answer settles.

    reading = Reading.of(spans, since_ns, until_ns)
    while not reading.done:
        answer = what the history says to reading.ask()
        for piece in reading.take(answer):
            store piece.changes, and with them that piece.span is what is left, or that it is settled

A reading knows no connection: it goes on where it was on the next one. What is lost when the process dies is small:
a span whose beginning moved forward is read on from there, and its new beginning is a row, so that the next row has its
predecessor.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from attrs import define, evolve, field, frozen

from ingest.core.coverage import Settled, Span
from ingest.core.history_progress import Progress, Recorded
from ingest.core.history_query import ENTITIES, FIRST_NS, TARGET, Query, following, narrower, queries
from ingest.core.history_witness import Answer, Unproven
from ingest.core.recorder import final, lacking
from ingest.core.state import Change

MARGIN_NS = 65_000_000_000
"""Two commit intervals of 30 s, and a little: people set 5 to 30, few set more."""


@frozen
class Piece:
    """What one answer said of one span.

    `span` is what is still to be read of it: it begins at the last of `changes`. `settled` is set when nothing is.
    `found` states came of it until now; it is `whole` when nothing is lacking so far.
    """

    span: Span
    changes: Sequence[Change] = ()
    settled: Settled | None = None
    found: int = 0
    whole: bool = False

    @property
    def proof(self) -> Settled | None:
        """What is settled as soon as the changes are safe: all of the span, or, where nothing is lacking, so much of it."""
        if self.settled is None and self.whole and self.changes:
            return Settled(self.span.id, self.found, until_ns=self.span.after_ns)
        return self.settled


@define(eq=False)
class Reading:
    """The spans of one gap, from `since_ns` until `until_ns`, on their way to being settled.

    Where a span begins or ends with the gap, no state is known to be there, and none is missed. `waiting` are those that
    were read to their end too early: what the recorder said is not final yet. `oldest_ns` is the oldest row that came of who is
    asked about now, and `known_ns` the oldest that came shortly before (`renew`): whoever waited is asked about alone, and only
    the rows of others tell what the recorder keeps. `guessed`: nothing but our clock told how far to ask.

    No answer is believed before the newest row that had come was seen again (`Unproven`). A question reaches back to it, unless
    somebody's span begins later, whose rows before that nobody needs: then it is asked for alone, after the answer.
    """

    since_ns: int
    until_ns: int | None = None
    margin_ns: int = MARGIN_NS
    target: int = TARGET
    waiting: list[Span] = field(factory=list)
    oldest_ns: int | None = None
    known_ns: int | None = None
    guessed: bool = False
    seen_ns: int | None = None
    """The oldest row of the last answer."""
    purged: bool = False
    """What had come was not there any more at the last answer: what was seen before that proves nothing any more."""
    _queries: list[Query] = field(factory=list)
    _progress: dict[Span, Progress] = field(factory=dict)
    _unanswered: bool = False
    _unproven: Unproven | None = None

    @classmethod
    def of(
        cls,
        spans: Iterable[Span],
        since_ns: int,
        until_ns: int | None = None,
        *,
        margin_ns: int = MARGIN_NS,
        entities: int = ENTITIES,
        width_ns: int = FIRST_NS,
        target: int = TARGET,
        known_ns: int | None = None,
        by_hand: bool = False,
        guessed: bool = False,
    ) -> Reading:
        """A reading of spans from their beginning. `by_hand`: one that begins just before a time was asked for since then."""
        asked = queries(spans, entities=entities, width_ns=width_ns)
        progress = {span: Progress.of(span, by_hand=by_hand) for query in asked for span in query.spans}
        return cls(
            since_ns,
            until_ns,
            margin_ns,
            target,
            known_ns=known_ns,
            guessed=guessed,
            queries=asked,
            progress=progress,
        )

    @property
    def done(self) -> bool:
        """True when everything was asked."""
        return not self._queries

    def renew(self, known_ns: int | None) -> None:
        """That is the oldest row that came lately, before the next question. What came longer ago may be thrown away.

        Only a row that is looked for again tells that it is not: where none of those who are asked about has one, none does.
        """
        if self._queries and all(each.last is None for each in self._begun(self._queries[0])):
            self.oldest_ns, self.known_ns = None, known_ns

    def ask(self) -> Query:
        """The next question. One whose answer did not come asks for less the next time: it may have been too much."""
        if self._unproven is not None:
            return self._unproven.ask()
        query = self._queries[0]
        if self._unanswered:
            width_ns = narrower(query.to_ns - query.from_ns)
            query = self._queries[0] = evolve(
                query, width_ns=width_ns, to_ns=min(query.to_ns, query.from_ns + width_ns)
            )
        self._unanswered = True
        return evolve(query, from_ns=self._reaching(query))

    def take(self, answer: Answer) -> list[Piece]:
        """What the answer to the question says of each span; those of which it says nothing new are left out.

        One step, about 10 µs a row: a caller that is cancelled either has all pieces or will ask again.
        """
        query = self._queries[0]
        self.seen_ns, self.purged = _oldest(answer), False
        if self._unproven is None:
            self._unanswered = False
            self._unproven = Unproven.of(answer, self._begun(query), self._reaching(query))
        else:
            self._unproven.hear(answer)
        if self._unproven.is_open:
            return []
        proven, self._unproven = self._unproven, None
        self.oldest_ns = _least(self.oldest_ns, _oldest(proven.answer))
        if proven.is_purged:
            # What the answer had may be gone as well by now.
            self.oldest_ns, self.known_ns, self.purged = None, None, True
        for progress in proven.in_doubt:
            progress.forget()
        pieces = [piece for span in query.begun for piece in self._piece(query, span, proven.answer)]
        rest = following(query, proven.answer.rows, target=self.target)
        self._queries[:1] = [rest] if rest else []
        return pieces

    def give_up(self, why: str) -> list[Piece]:
        """Nothing more can be had: what was not read to its end is settled with that, and with what came of it until now."""
        left, self._queries, self._progress, self._unproven = list(self._progress.values()), [], {}, None
        return [
            Piece(each.rest, settled=_whole(each.rest, each.seen.found, why), found=each.seen.found) for each in left
        ]

    def _piece(self, query: Query, span: Span, answer: Answer) -> Iterator[Piece]:
        progress = self._progress[span]
        changes = progress.advance(query, answer.entities.get(span.entity_id, Recorded()))
        settled = self._settled(progress, span, answer) if query.through(span) else None
        if changes or settled:
            yield Piece(progress.rest, changes, settled, progress.seen.found, progress.is_whole)

    def _settled(self, progress: Progress, span: Span, answer: Answer) -> Settled | None:
        del self._progress[span]
        seen, told = progress.seen, answer.recorder
        asked_ns = answer.asked_ns
        if not final(span, seen, told, asked_ns=asked_ns, margin_ns=self.margin_ns, until_ns=self.until_ns):
            self.waiting.append(progress.rest)
            return None
        oldest_ns = _least(self.oldest_ns, self.known_ns)
        why = lacking(
            span,
            seen,
            told,
            begins_ns=progress.begins_ns,
            since_ns=self.since_ns,
            until_ns=self.until_ns,
            oldest_ns=oldest_ns,
            guessed=self.guessed,
        )
        return _whole(span, seen.found, why)

    def _reaching(self, query: Query) -> int:
        """From where the window is asked for: from the newest row on that came, unless somebody's span begins after that."""
        newest_ns = max(
            (each.last_ns for each in self._begun(query) if each.last_ns is not None), default=query.from_ns
        )
        latest_ns = max((span.after_ns for span in query.begun), default=newest_ns)
        return query.from_ns if newest_ns < latest_ns else min(query.from_ns, newest_ns)

    def _begun(self, query: Query) -> list[Progress]:
        return [self._progress[span] for span in query.begun]


def _least(*times_ns: int | None) -> int | None:
    return min((each for each in times_ns if each is not None), default=None)


def _oldest(answer: Answer) -> int | None:
    return _least(*(each.rows[0].time_ns for each in answer.entities.values() if each.rows))


def _whole(span: Span, found: int, why: str) -> Settled:
    return Settled(span.id, found, why, before_ns=span.before_ns)
