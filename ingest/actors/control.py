"""What a person may have a running service do, beside its pipeline: purge, replay, retry, recover.

What it may do about gaps is in `actors/mending.py`.

Each goes in parts. A part is one transaction, counted in the books before anybody else runs; between two, a command
can be cut off, and the pipeline goes on. What changes rows goes one after the other.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

import trio
from attrs import define, field

from ingest.actors.importing import Importing
from ingest.actors.mending import Mending
from ingest.actors.replay import Replaying
from ingest.actors.spoolless import about_a_spool
from ingest.core import control, reports
from ingest.core.control import Progress
from ingest.core.loss import evicted
from ingest.core.reports import Emit, Report
from ingest.core.store import Batch
from ingest.edge.bring import Brought, Known, Room, add, batches_of, known_in, letters_of, open_regular, size_of
from ingest.edge.control import Commands, Complain, Say
from ingest.edge.dead_letters import DeadLetters
from ingest.edge.disk_spool import DiskSpool
from ingest.edge.ledger import Ledger
from ingest.edge.letter_file import Letter
from ingest.edge.letter_retry import named, returning
from ingest.edge.salvage import Found, Salvage
from ingest.edge.spool_gone import purged
from ingest.edge.spool_purge import newest_id, purge_others, purge_part, waits
from ingest.edge.spool_rows import Change
from ingest.edge.sqlite import translated
from ingest.errors import Refused
from ingest.runtime.lane import Lane
from ingest.runtime.link import Weight

LOOK = 1.0
"""Seconds after which a replay looks into the file again: what is delivered meanwhile, it knows from reports."""

CLOSING = 0.25
"""Seconds for closing a file that was read: its disk may hang."""

Listen: TypeAlias = Callable[[Commands, Complain], Awaitable[None]]

RETRIED: Final = "dead letters that somebody wants to be tried again"
RECOVERED: Final = "recovered from a file that was set aside"


@define(eq=False)
class Control:
    """The commands over one spool and its letters. `where` is the store in words; `reading` is the lane of other files.

    `hear` is one of the pipeline's listeners. `more` are commands that others do.
    """

    spool: DiskSpool
    letters: DeadLetters
    where: str
    reading: Lane
    listen: Listen
    ledger: Ledger | None = None
    more: Commands = field(factory=dict)
    importing: Importing | None = None
    emit: Emit = field(default=lambda _: None)
    hurry: Callable[[], None] = field(default=lambda: None)
    _replays: list[Replaying] = field(factory=list)
    _turn: trio.Lock = field(factory=trio.Lock)

    @property
    def commands(self) -> Commands:
        """Every command by its name."""
        return {
            **about_a_spool(self),
            **({} if self.ledger is None else Mending(self.ledger, self.importing).commands),
            **self.more,
        }

    async def run(self, hurry: Callable[[], None], emit: Emit, importing: Importing | None = None) -> None:
        """Serve until cancelled. `hurry` has the writer try at once."""
        self.hurry, self.emit, self.importing = hurry, emit, importing
        await self.listen(self.commands, lambda sentence: emit(reports.Notice(sentence)))

    def hear(self, report: Report) -> None:
        """Whoever waits for a replay wants to know."""
        for each in self._replays:
            each.hear(report)

    async def purge(self, _: control.Purge, say: Say) -> control.Purged:
        """Remove everything that waits and is not being delivered right now; what comes meanwhile stays."""
        async with self._turn:
            table, total = self.spool.table, self.spool.held.events
            newest = await self.spool.lane(newest_id, table)
            in_memory = self.spool.memory.purge()
            self.spool.notes.owe(purged(in_memory))
            points = self._purged(in_memory)
            while (change := await self.spool.change(partial(purge_part, table, newest))).gone:
                self.spool.notes.noted(change.gaps)
                points += self._purged([row.batch() for row in change.gone])
                say(Progress(points, total))
            while others := await self.spool.lane(purge_others, table):
                points += others
            await self.spool.notes.pay()
        return control.Purged(points)

    def _purged(self, batches: Sequence[Batch[bytes]]) -> int:
        if not batches:
            return 0
        lost = evicted(self.spool.table.key.store, batches)
        self.emit(reports.Purged(lost.store, lost.count, lost.oldest_ns, lost.newest_ns))
        return lost.count

    async def replay(self, _: control.Replay, say: Say) -> control.Replayed:
        """Deliver now; ends when what waited at first is gone, or when somebody should look."""
        total = self.spool.held.events
        watch = Replaying(lambda said: say(Progress(min(watch.done, total), total, said)))
        self._replays.append(watch)
        try:
            newest = await self.spool.lane(newest_id, self.spool.table)
            self.hurry()
            while watch.problem is None and await self._waits(newest):
                await self._follow(watch, total, say)
        finally:
            self._replays.remove(watch)
        problem = None if watch.problem is None else control.failure(watch.problem)
        return control.Replayed(self.where, watch.stored, watch.refused, self.spool.held.events, problem)

    async def _follow(self, watch: Replaying, total: int, say: Say) -> None:
        """Tell how far it is, without a look into the file: for a while, or until there is a problem."""
        with trio.move_on_after(LOOK):
            while watch.problem is None:
                say(Progress(min(watch.done, total), total))
                await watch.news.wait()

    async def _waits(self, newest: int) -> bool:
        """True while something waits that did at first. What only memory holds counts as such as long as it does."""
        table = self.spool.table
        found = await self.spool.change(lambda _, delivered: Change(left=waits(table, newest, delivered)))
        return bool(found.left or self.spool.volatile.events)

    async def retry(self, asked: control.Retry, say: Say) -> control.Retried:
        """Put letters back into the spool: each is in one of the two, whatever happens. Raises `Refused` for another home's."""
        moved, file, key = 0, self.letters.letters, self.spool.table.key
        if asked.home not in {"", key.home}:
            remedy = (
                "Stop it, run this again, deliver them with `homeiq-ingest spool replay` of that home, and start it."
            )
            raise Refused(
                f"the service that runs is of home {key.home}, and sends nothing of {asked.home}", remedy=remedy
            )
        async with self._turn:
            await self.letters.flush()
            chosen = await self.spool.lane(lambda: list(file.listed()) if asked.everything else named(file, asked.ids))
            for part in returning(chosen, key):
                await self._put_back(part)
                moved += len(part)
                say(Progress(moved, len(chosen)))
            await self.letters.look()
        return control.Retried(moved, len(chosen) - moved)

    async def _put_back(self, part: Sequence[Letter]) -> None:
        def work(_claimed: set[int], _delivered: set[int]) -> Change:
            self._check_room(sum(len(each.line) for each in part))
            batch = self.letters.letters.put_back(self.spool.table.key, part, self.spool.now_ns())
            return Change(Weight(batch.count, batch.size), 1)

        self._made(await self.spool.change(work), RETRIED)

    def _made(self, change: Change, how: str) -> None:
        if change.added.events:
            self.emit(reports.Made(self.spool.table.key.store, change.added.events, how))

    async def recover(self, asked: control.Recover, say: Say) -> control.Recovered:
        """Bring in what is readable in a file, as long as there is room for it."""
        async with self._turn, self._opened(Path(asked.file)) as salvage:
            brought, known = Brought(), await self.spool.lane(self._known)
            found = salvage.batches()
            while part := await self.reading(batches_of, found):
                self._made(await self.spool.change(partial(self._add, part, known, brought)), RECOVERED)
                say(Progress(brought.points))
            rest = salvage.letters()
            while those := await self.reading(letters_of, rest):
                brought.letters += await self.spool.lane(self.letters.letters.bring, those)
                await self.letters.look()
            unreadable = salvage.unreadable
        self.emit(reports.StateRecovered(asked.file, brought.points, unreadable))
        return control.Recovered(brought.batches, brought.points, brought.known, brought.letters, unreadable)

    @asynccontextmanager
    async def _opened(self, file: Path) -> AsyncGenerator[Salvage]:
        salvage = await self.reading(open_regular, file, self.spool.table.path)
        try:
            yield salvage
        finally:
            with trio.move_on_after(CLOSING, shield=True):
                await self.reading(salvage.close)

    def _known(self) -> Known:
        with translated(self.spool.table.path):
            return known_in(self.spool.table.connection)

    def _add(self, part: Sequence[Found], known: Known, brought: Brought, *_: set[int]) -> Change:
        table = self.spool.table
        self._check_room(size_of(part, known))
        with translated(table.path):
            return add(part, known, table.connection, brought, table.key)

    def _check_room(self, more: int) -> None:
        """What comes back must not push out what waits. In the lane. Raises `Refused`."""
        spool = self.spool
        Room(spool.table.path, spool.limits.disk, spool.floor).check(spool.on_disk.size, more)
