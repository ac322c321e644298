"""Filling gaps from Home Assistant's history, while a session lasts.

    ledger ──the oldest gap's spans──▶ history, on the bulk connection ──rows──▶ intake ─▶ … ─▶ store
       ▲                                                                                      │
       └───────────────── settled, with the batch that holds the last rows ───────────────────┘

Rows travel the way that live changes do, on the same link behind them, with a share of it, and only while the spool is
less than half full: what Home Assistant keeps for us need not push out what only we have. A span is settled by the batch
that makes its last rows safe, so a crash in between asks again, and the same rows are the same points. What the history
has nothing for is settled at once, with the reason.

The next gap is asked for when the last one is read. A session that ends takes nothing away: the reading goes on in the next.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection

import trio
from attrs import define, evolve, field

from ingest.actors.connection import Connection, within
from ingest.actors.history import History, Pace, Unfillable
from ingest.core import reports
from ingest.core.coverage import Settled, Span
from ingest.core.history_reading import MARGIN_NS, Piece, Reading
from ingest.core.loss import shed_changes
from ingest.core.reconcile import FOREVER
from ingest.core.reports import Emit
from ingest.core.state import Change, Frame, Source
from ingest.edge.ledger import Ledger
from ingest.errors import Refused, Transient
from ingest.runtime.link import Sender

SPANS = 500
"""Spans that are read together."""

FRAME = 512
"""Rows on the link together."""

ROW = 400
"""What a row weighs, about, in bytes."""

SETTLE = 2.0
"""Seconds after a session is live in which its gap reaches the ledger."""

LOOK = 15.0
"""Seconds between two looks for something to fill."""

RETRY = 10.0
REFUSED = 600.0
"""Seconds to wait after the history did not answer, and after a person must act."""

FULL = 0.25
"""Seconds between two looks whether the spool has room again."""

PONG = 30.0

SENT = 120.0
"""After so many seconds a span that was sent and is not settled is asked for again: its rows were dropped on their way."""


@define(eq=False)
class Backfill:
    """One home's. `margin_ns` is how long the recorder may take to write a state down.

    `room` says how many rows the way to the store has room for now.
    """

    ledger: Ledger
    intake: Sender[Frame]
    emit: Emit
    pace: Pace = field(factory=Pace)
    margin_ns: int = MARGIN_NS
    room: Callable[[], int] = lambda: FRAME
    _reading: Reading | None = None
    _spans: dict[int, Span] = field(factory=dict)
    _pieces: deque[Piece] = field(factory=deque)
    _later: dict[int, float] = field(factory=dict)
    _complained: str = ""

    @property
    def _margin(self) -> float:
        return self.margin_ns / 10**9

    async def run(self, live: Connection, bulk: Connection, now_ns: Callable[[], int]) -> None:
        """Fill what there is to fill, for ever. `now_ns` is Home Assistant's clock."""
        history = History(bulk, self.emit, now_ns, self.pace)
        await trio.sleep(SETTLE)
        while True:
            await self._send()
            if self._reading is None and not await self._begin(now_ns()):
                await trio.sleep(LOOK)
            elif self._reading is not None:
                await self._read(history, live, self._reading)

    async def _begin(self, now_ns: int) -> bool:
        """Take the next gap's spans; False when there is nothing that can be asked now."""
        now = trio.current_time()
        waiting = {key for key, until in self._later.items() if until > now}
        found = await self.ledger.next_gap(SPANS, waiting)
        if found is None:
            return False
        gap, spans = found
        ready = [span for span in spans if self._is_due(span)]
        if not ready:
            return False
        until_ns = now_ns - self.margin_ns
        asked = [evolve(span, before_ns=until_ns) if span.before_ns >= FOREVER else span for span in ready]
        self._spans = {span.id: span for span in ready}
        self._reading = Reading.of(asked, gap.from_ns, until_ns, margin_ns=self.margin_ns)
        return True

    def _is_due(self, span: Span) -> bool:
        """Who is gone is asked about when the recorder has written down what happened until it was missed."""
        if span.before_ns < FOREVER or span.id in self._later:
            return True
        self._later[span.id] = trio.current_time() + 2 * self._margin
        return False

    async def _read(self, history: History, live: Connection, reading: Reading) -> None:
        try:
            pieces = await history.read(reading)
        except Unfillable as problem:
            await self._give_up(problem.what)
        except Transient as problem:
            await self._pause(str(problem), RETRY)
        except Refused as problem:
            await self._pause(str(problem), REFUSED)
        else:
            self._complained = ""
            if pieces is None:
                self._end(reading)
                return
            self._pieces.extend(pieces)
            # What came live before the recorder told it is on the link before it, too.
            with within(PONG, "no answer to a ping", live.socket.where):
                await live.ask("ping")

    def _end(self, reading: Reading) -> None:
        """What is not final yet is asked for again when it is."""
        now = trio.current_time()
        self._later = {key: until for key, until in self._later.items() if until > now}
        self._later.update((span.id, now + self._margin) for span in reading.waiting)
        self._reading, self._spans = None, {}

    async def _give_up(self, why: str) -> None:
        settled = [Settled(span_id, 0, why) for span_id in self._spans]
        self._reading, self._spans = None, {}
        await self.ledger.settle_now(settled)

    async def _pause(self, problem: str, seconds: float) -> None:
        if problem != self._complained:
            self.emit(reports.Notice(f"the history cannot be read now, gaps are filled later: {problem}"))
        self._complained = problem
        await trio.sleep(seconds)

    async def _send(self) -> None:
        """Put on the link what was read. A piece is off the list when it is on the link."""
        empty: list[Settled] = []
        while self._pieces:
            piece = self._pieces[0]
            if piece.changes:
                await self._put(piece)
            elif piece.settled is not None:
                empty.append(piece.settled)
            self._pieces.popleft()
        if empty:
            await self.ledger.settle_now(empty)

    async def _put(self, piece: Piece) -> None:
        rest = piece.changes
        while rest:
            await self.intake.ready()
            while not (rows := min(FRAME, self.room())):  # noqa: ASYNC110  nobody says when a database takes some
                await trio.sleep(FULL)
            part, rest = rest[:rows], rest[rows:]
            settled = (piece.settled,) if piece.settled is not None and not rest else ()
            self._put_now(part, settled)
            self._pieces[0] = evolve(piece, changes=rest)
        if piece.settled is not None:
            self._later[piece.settled.span_id] = trio.current_time() + SENT

    def _put_now(self, changes: Collection[Change], settled: tuple[Settled, ...]) -> None:
        self.emit(reports.Received(len(changes), Source.BACKFILL))
        frame = Frame(tuple(changes), ROW * len(changes), Source.BACKFILL, settled=settled)
        lost = shed_changes(self.intake.link.name, self.intake.put(frame))
        if lost is not None:
            self.emit(lost)
