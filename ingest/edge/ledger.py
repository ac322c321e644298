"""The ledger of coverage on its way to disk.

Whatever is said here is written at once, in one transaction with what could not be written before. A file that cannot
be written is no error of the pipeline: gaps wait in memory, with a bound of their own, and so do notes, which merge.
Where there are too many gaps the spans of the oldest go, and then they are told in one: never without a word.

What a batch on disk proves is written with the batch, not here; `noted` hears of it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TypeVar, TypeVarTuple

import trio
from attrs import define, evolve, field

from ingest.core import reports
from ingest.core.coverage import NO_NOTE, Cause, Gap, Note, Span
from ingest.core.importing import Wanted
from ingest.core.ledger import LEFT, Opening, Owed, Remembered, Summary, folded, summary, unwritten
from ingest.core.reports import Emit
from ingest.edge.ledger_bounds import Bound
from ingest.edge.ledger_file import Due, LedgerFile
from ingest.edge.spool_rows import Changed
from ingest.edge.spool_trouble import FAILURES
from ingest.edge.sqlite import Damaged
from ingest.runtime.ending import freed_after
from ingest.runtime.lane import Lane

T = TypeVar("T")
Args = TypeVarTuple("Args")

IN_MEMORY = Bound(gaps=200, spans=50_000)

AT_THE_STOP = 1.0
"""Seconds that a disk has for the last time."""

DROPPED = "the state file could not be written, and there was no room for more in memory"


@define(eq=False)
class Ledger:
    """One home's ledger for one store. `remembered` is what `load` found.

    `owe` has the writer of the marks take a note along: none may move without it. `takes_notes` is false when
    batches go without theirs, because the file's ledger is damaged: what is filled then would be filled for ever.

    `give_up` frees us from a disk that hangs.
    """

    file: LedgerFile
    lane: Lane
    emit: Emit
    give_up: Callable[[], None]
    remembered: Remembered = field(factory=Remembered)
    loaded: bool = False
    owe: Callable[[Note], None] = lambda _: None
    takes_notes: Callable[[], bool] = lambda: True
    bound: Bound = IN_MEMORY
    failing: bool = False
    _unreadable: bool = False
    _gaps: dict[int, Gap] = field(factory=dict)
    _openings: list[Opening] = field(factory=list)
    _owed: Owed = field(factory=Owed)
    _late: Callable[[Remembered], Note] = lambda _: NO_NOTE
    _heard_ns: int | None = None
    _stopped: bool = False
    _turn: trio.Lock = field(factory=trio.Lock)
    _recalling: trio.Lock = field(factory=trio.Lock)

    @property
    def summary(self) -> Summary:
        """The gaps in figures; of those in memory only how many."""
        return summary([*self._gaps.values(), *map(unwritten, self._openings)])

    @property
    def waiting(self) -> int:
        """Gaps that are not on disk yet."""
        return len(self._openings)

    async def load(self) -> Remembered:
        """What is known from before; it stays in `remembered`. Raises `Transient` or `Refused`."""
        self._gaps = {gap.id: gap for gap in await self.lane(self.file.gaps)}
        self.remembered = await self.lane(self.file.load)
        self.loaded = True
        return self.remembered

    def tell_late(self, late: Callable[[Remembered], Note]) -> None:
        """Whom to tell what can be loaded only after the start: who goes by it is made of what there was then.

        What it says was missed is owed.
        """
        self._late = late

    async def recall(self) -> None:
        """Load what could not be loaded at the start, before anybody writes anything, and tell of it. Raises as `load`."""
        async with self._recalling:
            if not self.loaded:
                self.owe(self._late(await self.load()))

    async def open_gap(self, cause: Cause, from_ns: int, to_ns: int, spans: Sequence[Span] = (), why: str = "") -> None:
        """Changes may have been missed. Without spans nothing was; with a `why` it is known that it cannot be had."""
        self._openings.append(Opening(cause, from_ns, to_ns, spans, why))
        self._shed()
        self.emit(reports.GapOpened(cause, from_ns, to_ns, len({each.registry_id for each in spans}), why))
        await self.flush()

    async def note(self, note: Note) -> None:
        """This has become true, and no batch on disk carries it."""
        self._owed.add(note)
        await self.flush()

    async def heard(self, time_ns: int) -> None:
        """Until then, by Home Assistant's clock, everything is known but the gaps; the first time begins the map."""
        self._heard_ns, self._stopped = time_ns, False
        await self.flush()

    async def stopped(self) -> None:
        """Write down that this run ends in order, with all that waits; what cannot be written stays in memory."""
        self._stopped = True
        await self.flush()

    async def end(self, note: Note = NO_NOTE) -> None:
        """As `stopped`, for the last time, and with what no batch will carry any more; not cancelled."""
        self._owed.add(note)
        async with freed_after(AT_THE_STOP, self.give_up):
            await self.stopped()

    async def next_gap(self, most: int, but: Collection[int] = ()) -> tuple[Gap, Sequence[Span]] | None:
        """The oldest gap with spans to fill that are not in `but`, and the first of them.

        None while the file fails, or takes no notes.
        """
        await self.flush()
        if not self.takes_notes():
            return None
        try:
            found = await self.lane(self.file.next_gap, most, {*but, *self._owed.spans})
        except FAILURES as error:
            self._unreadable = isinstance(error, Damaged)
            self._failed(error)
            return None
        self._unreadable = False
        return found

    async def reopen(self, since_ns: int) -> Gap | None:
        """A person says that the store lost everything since then. Raises `Transient` or `Refused`."""
        return self._opened(await self._change(self.file.reopen, since_ns))

    async def begin_import(self, wanted: Wanted) -> Gap | None:
        """A person wants what was before. None: everything is stored or asked for. Raises `Transient` or `Refused`."""
        return self._opened(await self._change(self.file.begin_import, wanted))

    async def entities(self, gap_id: int) -> int:
        """Of how many entities something of a gap is still to be had. Raises `Transient` or `Refused`."""
        return await self.lane(self.file.entities, gap_id)

    async def ask_again(self) -> frozenset[int]:
        """A person wants what could not be had to be tried again; the spans. Raises `Transient` or `Refused`."""
        return await self._change(self.file.ask_again)

    @property
    def gaps(self) -> Sequence[Gap]:
        """Every gap that is on disk."""
        return tuple(self._gaps.values())

    async def _change(self, work: Callable[[*Args], T], *args: *Args) -> T:
        await self.flush()
        async with self._turn:
            done = await self.lane(work, *args)
            self.noted(Changed(await self.lane(self.file.gaps), whole=True))
        return done

    def _opened(self, gap: Gap | None) -> Gap | None:
        if gap is not None:
            self.emit(reports.GapOpened(gap.cause, gap.from_ns, gap.to_ns, gap.spans))
        return gap

    def noted(self, changed: Changed) -> None:
        """Gaps were opened, grew, became one or were settled, and that is on disk."""
        for gap in changed.gaps:
            self._tell(self._gaps.get(gap.id), gap)
        now = {gap.id: gap for gap in changed.gaps}
        self._gaps = now if changed.whole else self._gaps | now

    def _tell(self, before: Gap | None, gap: Gap) -> None:
        settled = before is not None and before.progress in LEFT and gap.progress not in LEFT
        if settled or (gap.cause is Cause.SEVERAL and gap != before):
            self.emit(reports.GapSettled(gap.id, gap.cause, gap.from_ns, gap.to_ns, gap.progress, gap.filled, gap.why))

    async def flush(self) -> None:
        """Try once to write everything that waits."""
        await trio.lowlevel.checkpoint()
        async with self._turn:
            due = self._due()
            if not due:
                return
            try:
                await self.recall()
                changed = await self.lane(self.file.write, due)
            except FAILURES as error:
                self._give_back(due)
                self._failed(error)
            except BaseException:
                self._give_back(due)
                raise
            else:
                self._worked()
                self.noted(changed)

    def _due(self) -> Due:
        due = Due(self._openings, self._owed.take(), self._heard_ns, self._stopped)
        self._openings, self._heard_ns, self._stopped = [], None, False
        return due

    def _give_back(self, due: Due) -> None:
        """In front of what came meanwhile."""
        self._openings = [*due.openings, *self._openings]
        self._owed.give_back(due.note)
        if self._heard_ns is None:
            self._heard_ns, self._stopped = due.heard_ns, self._stopped or due.stopped
        self._shed()

    def _shed(self) -> None:
        """Keep to the bound: first without the spans of the oldest, then the oldest two as one."""
        spans = sum(len(each.spans) for each in self._openings)
        for place, opening in enumerate(self._openings):
            if spans <= self.bound.spans:
                break
            spans -= len(opening.spans)
            if opening.spans:
                self._openings[place] = evolve(opening, spans=(), why=DROPPED)
        while len(self._openings) > max(self.bound.gaps, 1):
            self._openings[:2] = [folded(self._openings[:2])]

    def _failed(self, error: Exception) -> None:
        if not self.failing:
            self.failing = True
            self.emit(reports.LedgerFailing(str(error)))

    def _worked(self) -> None:
        # What is damaged may take what is written all the same, again and again: that makes it no sounder.
        if self.failing and not self._unreadable:
            self.failing = False
            self.emit(reports.LedgerRecovered())
