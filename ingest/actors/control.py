"""What a person may have a running service do, beside its pipeline: purge, replay, retry, recover.

What it may do about gaps is in `actors/mending.py`.

Each goes in parts. A part is one transaction, counted in the books before anybody else runs; between two, a command
can be cut off, and the pipeline goes on. What changes rows goes one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import trio
from attrs import define, field

from ingest.actors.importing import Importing
from ingest.actors.mending import Listen, Mending
from ingest.actors.replay import Replaying
from ingest.actors.spoolless import about_a_spool
from ingest.core import control, reports
from ingest.core.control import Progress
from ingest.core.loss import evicted
from ingest.core.reports import Emit, Report
from ingest.core.store import Batch
from ingest.edge.control import Commands, Say
from ingest.edge.ledger import Ledger
from ingest.edge.spool_control import SpoolControl
from ingest.errors import Refused

LOOK = 1.0
"""Seconds after which a replay looks into the file again: what is delivered meanwhile, it knows from reports."""

RETRIED: Final = "dead letters that somebody wants to be tried again"
RECOVERED: Final = "recovered from a file that was set aside"


@define(eq=False)
class Control:
    """What takes commands over one spool and its letters. `where` is the store in words.

    `hear` is one of the pipeline's listeners. `more` are commands that others do.
    """

    file: SpoolControl
    where: str
    listen: Listen
    ledger: Ledger | None = None
    more: Commands = field(factory=dict)
    _replays: list[Replaying] = field(factory=list)

    async def run(self, hurry: Callable[[], None], emit: Emit, importing: Importing | None = None) -> None:
        """Serve until cancelled. `hurry` has the writer try at once."""
        await self.listen(self.commands(hurry, emit, importing), lambda sentence: emit(reports.Notice(sentence)))

    def commands(self, hurry: Callable[[], None], emit: Emit, importing: Importing | None = None) -> Commands:
        """Every command by its name."""
        mending = {} if self.ledger is None else Mending(self.ledger, importing).commands
        return {**about_a_spool(self.orders(hurry, emit)), **mending, **self.more}

    def orders(self, hurry: Callable[[], None], emit: Emit) -> Orders:
        """Those about the spool."""
        return Orders(self.file, self.where, hurry, emit, self._replays)

    def hear(self, report: Report) -> None:
        """Whoever waits for a replay wants to know."""
        for each in self._replays:
            each.hear(report)


@define(eq=False)
class Orders:
    """The commands over one spool in a running pipeline; who waits for a replay stands in `replays`."""

    file: SpoolControl
    where: str
    hurry: Callable[[], None]
    emit: Emit
    replays: list[Replaying]
    _turn: trio.Lock = field(factory=trio.Lock)

    async def purge(self, _: control.Purge, say: Say) -> control.Purged:
        """Remove everything that waits and is not being delivered right now; what comes meanwhile stays."""
        async with self._turn:
            total, newest = self.file.spool.held.events, await self.file.newest()
            points = self._purged(self.file.purge_memory())
            while gone := await self.file.purge(newest):
                points += self._purged(gone)
                say(Progress(points, total))
            while others := await self.file.purge_others():
                points += others
            await self.file.pay()
        return control.Purged(points)

    def _purged(self, batches: Sequence[Batch[bytes]]) -> int:
        if not batches:
            return 0
        lost = evicted(self.file.key.store, batches)
        self.emit(reports.Purged(lost.store, lost.count, lost.oldest_ns, lost.newest_ns))
        return lost.count

    async def replay(self, _: control.Replay, say: Say) -> control.Replayed:
        """Deliver now; ends when what waited at first is gone, or when somebody should look."""
        total = self.file.spool.held.events
        watch = Replaying(lambda said: say(Progress(min(watch.done, total), total, said)))
        self.replays.append(watch)
        try:
            newest = await self.file.newest()
            self.hurry()
            while watch.problem is None and await self.file.waits(newest):
                await self._follow(watch, total, say)
        finally:
            self.replays.remove(watch)
        problem = None if watch.problem is None else control.failure(watch.problem)
        return control.Replayed(self.where, watch.stored, watch.refused, self.file.spool.held.events, problem)

    async def _follow(self, watch: Replaying, total: int, say: Say) -> None:
        """Tell how far it is, without a look into the file: for a while, or until there is a problem."""
        with trio.move_on_after(LOOK):
            while watch.problem is None:
                say(Progress(min(watch.done, total), total))
                await watch.news.wait()

    async def retry(self, asked: control.Retry, say: Say) -> control.Retried:
        """Put letters back into the spool: each is in one of the two, whatever happens. Raises `Refused` for another home's."""
        moved, home = 0, self.file.key.home
        if asked.home not in {"", home}:
            remedy = (
                "Stop it, run this again, deliver them with `homeiq-ingest spool replay` of that home, and start it."
            )
            raise Refused(f"the service that runs is of home {home}, and sends nothing of {asked.home}", remedy=remedy)
        async with self._turn:
            chosen = await self.file.chosen(asked.ids, everything=asked.everything)
            for part in self.file.returning(chosen):
                self._made(await self.file.put_back(part), RETRIED)
                moved += len(part)
                say(Progress(moved, len(chosen)))
            await self.file.letters.look()
        return control.Retried(moved, len(chosen) - moved)

    def _made(self, points: int, how: str) -> None:
        if points:
            self.emit(reports.Made(self.file.key.store, points, how))

    async def recover(self, asked: control.Recover, say: Say) -> control.Recovered:
        """Bring in what is readable in a file. Raises `Refused` for one that is none, or when there is no room for more."""
        async with self._turn, self.file.recovery(Path(asked.file)) as recovery:
            brought = recovery.brought
            while (points := await recovery.batches()) is not None:
                self._made(points, RECOVERED)
                say(Progress(brought.points))
            while await recovery.letters():
                pass
            unreadable = recovery.salvage.unreadable
        self.emit(reports.StateRecovered(asked.file, brought.points, unreadable))
        return control.Recovered(brought.batches, brought.points, brought.known, brought.letters, unreadable)
