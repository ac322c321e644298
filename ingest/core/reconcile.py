"""What was missed while nobody listened, entity by entity, from what is seen first afterwards.

    stored ──mark──┤         missed          ├──first state afterwards──▶ live again
                   └──────── the span ───────┘

A session ends: what the marks are then is the baseline. In the next one an entity is first seen live or in the snapshot;
what lies between its baseline and that state is its span. The two are found together, so a batch proves both at once: the
mark that moves, and the span that it leaves behind. If the process dies in between, neither is written.

The snapshot is taken after subscribing. So a state in it that is newer than the baseline is either one that came live
as well, or the one that was true before the first live one: then it is a change that nobody told us of, and is stored.
An entity that is in the baseline and not in the snapshot was removed meanwhile, or was gone before and may have come and
gone again; the history may know. Its span has no end until it comes back. Its mark moves to where nothing is known of it, at
the beginning of the gap: after a session through which it was absent, it is asked for from there on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import define, field
from msgspec.structs import replace

from ingest.core.absent import Absent
from ingest.core.bearers import Bearers
from ingest.core.beginning import Beginning, missed_late
from ingest.core.coverage import FOREVER, MICROSECOND, NO_NOTE, Cause, Found, Mark, Missed, Note, Settled, Span
from ingest.core.excluded import Excluded
from ingest.core.marks import (
    Extent,
    Marks,
    gone_of,
    is_absent,
    mark_of,
    missing_since,
    named,
    unknown_at,
    went_back,
)
from ingest.core.missing import Missing, shortened


@define
class Reconciler(Marks):
    """The marks of a home, and what is not known of the time before a session, and why (`cause`). Times as in `marks`."""

    cause: Cause = Cause.STOPPED
    session: int = 0
    _baseline: dict[str, Mark] | None = None
    _first: dict[str, int] = field(factory=dict)
    _firsts: dict[str, Mark] | None = None
    _spanned: set[str] = field(factory=set)
    _absent: Absent = field(factory=Absent)
    _bearers: Bearers = field(factory=Bearers)
    _heard_ns: int = FOREVER
    _begins: Beginning = field(factory=Beginning)
    _newest_ns: int = 0
    _read: Extent = field(factory=Extent)
    _because: Cause = Cause.STOPPED
    _missing: Missing = field(factory=Missing)
    excluded: Excluded = field(factory=Excluded)

    def remember(self, marks: Mapping[str, Mark], cause: Cause, heard_ns: int = FOREVER) -> None:
        """What the run before knew, if anything, and until when of everything; read late, what was missed is found out after all."""
        firsts, self._firsts = self._firsts or {}, None
        if not self.session:
            self.marks, self.cause, self._heard_ns = dict(marks), cause, heard_ns
            return
        self._missing.add(*missed_late(cause, marks, firsts, heard_ns))
        self.marks = {**{key: mark for key, mark in marks.items() if key not in self.marks}, **self.marks}

    def forget_nothing(self) -> None:
        """What the run before knew cannot be read yet: from here on it is noted who is seen when for the first time."""
        self._firsts = {}

    def enter(self, session: int, newest_ns: int = 0) -> None:
        """A frame of this session came: if it is a new one, something may have been missed before it. Its newest state is of that time."""
        if session == self.session:
            return
        self.session = session
        if self._baseline is None:
            self._because, self._spanned = self.cause, set()
            self._begins, self._heard_ns = Beginning.after(self.until_ns, self._heard_ns), FOREVER
            self._newest_ns = self._begins.from_ns
        # Of a session that broke before its snapshot was through, what was seen has its spans already.
        self._baseline, self._first, self._read, self._last_ns = dict(self.marks), {}, Extent(newest_ns=newest_ns), 0
        self._absent = Absent()
        self.excluded.over()
        self._known_as = named(self.marks)
        self._bearers = Bearers(self._baseline, self._known_as, self._begins.since_ns)

    @property
    def heard_ns(self) -> int | None:
        """Until then everything is known but the gaps: no later than the last session whose snapshot was through."""
        return (self.reconciling and self._begins.since_ns) or min(self.until_ns, self._heard_ns) or None

    @property
    def reconciling(self) -> bool:
        """True until the snapshot of a session is complete."""
        return self._baseline is not None

    @property
    def restarted_ns(self) -> int | None:
        """Since when every state there is was made anew: Home Assistant restarted after the last session, it seems."""
        return self._read.oldest_ns if self._begins.newest_ns < self._read.oldest_ns < FOREVER else None

    def follow(self, registry_id: str, entity_id: str, time_ns: int) -> bool:
        """What `see` does, where nothing but the mark of a live change moves; elsewhere nothing is done: False."""
        keys = {registry_id, self._known_as.get(entity_id, registry_id)}
        awaited = any(key in self._absent or key in self.excluded for key in keys)
        return self.is_calm and not awaited and self.advance(registry_id, entity_id, time_ns)

    @property
    def is_calm(self) -> bool:
        """True when who was followed once, since this became true, can be followed again by `advance` alone."""
        return self._baseline is None and self._firsts is None

    def see(self, mark: Mark, *, left_out: bool = False, live: bool = True) -> None:
        """A change came, `live` or as a state of the snapshot that is not known.

        One that is `left_out`, because it seems to say nothing new, is part of what may be missing before it: the history
        tells it again, and after what.
        """
        end_ns = mark.time_ns + left_out
        self._last_ns = mark.time_ns if live else self._last_ns
        if self._baseline is not None:
            mark = self._keyed(mark)
            self._first_seen(mark, end_ns, self._baseline)
        elif back := self._absent.come_back(mark, self._known_as.get(mark.entity_id, ""), end_ns):
            self._miss(back)
        if self.excluded:
            self.excluded.end(self._keyed(mark), end_ns, reading=self.reconciling)
        key, baseline = mark.registry_id, self._baseline
        self._reach_back(key, mark.time_ns, last=baseline is None or baseline.get(key) is self.marks.get(key))
        self.move(mark)

    def exclude(self, mark: Mark, *, told: bool = False) -> None:
        """That state came and the rules leave it out; `told`: the history told of it."""
        mark = self._keyed(mark)
        if told:
            self.excluded.tell(mark)
        elif (known := mark_of(self.marks, self._known_as, mark.registry_id, mark.entity_id)) is not None:
            self._end_absence(mark, known)
            self.excluded.begin(mark, known.time_ns)

    def move(self, mark: Mark) -> None:
        """That state is on its way to be stored. What the history tells moves only the marks of who is gone."""
        if self._firsts is not None:
            first = self._firsts.get(mark.registry_id, mark)
            self._firsts[mark.registry_id] = min(first, mark, key=lambda each: each.time_ns)
        known = self.marks.get(mark.registry_id)
        if known is not None and known.time_ns > mark.time_ns:
            return
        before = known or mark_of(self.marks, self._known_as, mark.registry_id, mark.entity_id)
        if before is not None:
            mark = Mark(mark.registry_id, mark.entity_id, mark.time_ns, min(before.oldest_ns, mark.time_ns))
        self._put(mark)
        if before is not None and before.registry_id != mark.registry_id:
            # Else the old id would be taken for an entity that is gone, once this one has another name, too.
            if self._baseline is None:
                self._known_as[mark.entity_id] = mark.registry_id
            self._moved.append(replace(self.marks.pop(before.registry_id, before), entity_id=""))

    def note(self, settled: Sequence[Settled] = ()) -> Note:
        """What becomes true with the frame that was just looked through."""
        self._missing.add(*self.excluded.take())
        if not (self._moved or self._missing or settled):
            return NO_NOTE
        moved, self._moved = self._moved, []
        return Note(tuple(moved), tuple(settled), self._missing.take())

    def knows(self, registry_id: str, entity_id: str, time_ns: int) -> bool:
        """True when that state of a snapshot is stored already, or came live."""
        key = self._key(registry_id, entity_id)
        self._read.add(time_ns)
        if new := self._bearers.bear(key, entity_id):
            self._miss(new)
        mark = mark_of(self.marks if self._baseline is None else self._baseline, self._known_as, key, entity_id)
        turned_back = mark is not None and self.reconciling and went_back(mark, time_ns, self._read.newest_ns)
        if mark is not None and time_ns <= mark.time_ns and not turned_back:
            if mark.registry_id != key:
                self.move(replace(mark, registry_id=key))
            return True
        return self._baseline is not None and self._first.get(key, time_ns + 1) <= time_ns

    def told(self, registry_id: str, time_ns: int) -> bool:
        """True when that state of the history came live: its entity was gone, and is there again."""
        return self._absent.returned.get(registry_id, time_ns + 1) <= time_ns

    def complete(self) -> Found | None:
        """The snapshot is through: what was missed of entities that are gone, and the gap's end.

        Returns the gap; None at the first start of all, before which nothing was promised.
        """
        baseline, self._baseline, begins = self._baseline, None, self._begins
        there, names = self._bearers.present | self._first.keys() | self.excluded.since.keys(), self._known_as
        self._known_as, self._bearers = named(self.marks), Bearers()
        self.cause, self._last_ns = Cause.CONNECTION, self._last_ns or min(self._read.newest_ns, self._newest_ns)
        self.excluded.over()
        if baseline is None or not (baseline or begins.since_ns):
            return None
        gone = gone_of(baseline, there, names, begins.since_ns)
        self._absent.begin(gone)
        self._miss(tuple(Span(mark.entity_id, mark.registry_id, mark.time_ns, FOREVER) for mark in gone))
        for mark in gone:
            self.move(replace(mark, time_ns=unknown_at(begins.since_ns)))
        return Found(self._because, begins.from_ns, self._newest_ns, len(self._spanned | self._absent.since.keys()))

    def miss(self, cause: Cause, from_ns: int, to_ns: int, spans: Sequence[Span], why: str = "") -> None:
        """States that had come were lost again; with a `why` it is not known which."""
        self._missing.add(Missed(cause, from_ns, to_ns, tuple(spans), why))

    def give_back(self, missed: Sequence[Missed]) -> None:
        """These were found, and the frame that carried them was lost. What was told of their ends since then holds."""
        for each in missed:
            still = [shortened(span, self._first, self._absent.returned) for span in each.spans]
            if each.had_come or each.cause is Cause.FILTERED:
                still = self.excluded.still(each.spans)
            self.miss(each.cause, each.from_ns, each.to_ns, still, each.why)

    def _first_seen(self, mark: Mark, end_ns: int, baseline: dict[str, Mark]) -> None:
        key, time_ns = mark.registry_id, mark.time_ns
        self._newest_ns = max(self._newest_ns, time_ns)
        self._read.add(time_ns)
        first = self._first.get(key)
        if new := self._bearers.bear(key, mark.entity_id):
            self._miss(new)
        if first is not None and first <= time_ns:
            return
        self._first[key] = time_ns
        before = self._bearers.mark_before(mark, end_ns)
        after = missing_since(before, self._begins.since_ns, time_ns)
        # Two states a microsecond apart have nothing between them; but a span that was told already ends now, or earlier.
        told = (first is not None and key in self._spanned) or (before is not None and is_absent(before))
        if key not in self.excluded and (baseline or self._begins.since_ns) and (told or time_ns > after + MICROSECOND):
            self._spanned.add(key)
            self._miss((self._bearers.span(mark, before, after, end_ns),))

    def _end_absence(self, mark: Mark, known: Mark) -> None:
        """Who was gone is back, and left out. What is missing of it ends there: what it does from now on may be stored again."""
        key = known.registry_id
        if self._baseline is not None and is_absent(known) and key not in self.excluded:
            self._absent.since[key] = unknown_at(self._begins.since_ns)
        if spans := self._absent.end(mark, key, mark.time_ns):
            self._miss(spans)

    def _miss(self, spans: tuple[Span, ...]) -> None:
        self._missing.add(Missed(self._because, self._begins.from_ns, self._newest_ns, spans))
