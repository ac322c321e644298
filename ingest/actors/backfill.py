"""Filling gaps from Home Assistant's history, while a session lasts.

    ledger ──the oldest gap's spans──▶ history, on the bulk connection ──rows──▶ intake ─▶ … ─▶ store
       ▲                                                                                      │
       └───────────────── settled, with the batch that holds the last rows ───────────────────┘

Rows travel the way that live changes do, on the same link behind them, with a share of it, and only while the spool is
less than half full: what Home Assistant keeps for us need not push out what only we have. A span is settled by the batch
that makes its last rows safe, and what a batch makes safe of it before is not read again after a crash. What the history
has nothing for is settled, with the reason, on the same way: rows of the span may be in front of it.

The next gap is asked for when the last one is read. A session that ends takes nothing away: the reading goes on in the next.
Nor does it wait for the disk that the ledger is on: who looks into it does so outside the session.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping

import trio
from attrs import define, evolve, field

from ingest.actors.connection import Connection, within
from ingest.actors.history import History, Pace, Unfillable
from ingest.core import asking, reports
from ingest.core.asking import Gone
from ingest.core.catalog import NO_CATALOG, Catalog
from ingest.core.coverage import Gap, Settled, Span
from ingest.core.history_reading import MARGIN_NS, Piece, Reading
from ingest.core.home_clock import HomeClock
from ingest.core.loss import shed_changes
from ingest.core.recorder import Horizon
from ingest.core.reports import Emit
from ingest.core.state import Change, Frame, Source
from ingest.edge.ledger import Ledger
from ingest.errors import Refused, Transient
from ingest.runtime.errand import Errand
from ingest.runtime.link import Sender
from ingest.runtime.watch import Watch

SPANS = 500
"""Spans that are read together."""

FRAME = 512
"""Rows on the link together."""

ROW = 400
"""What a row weighs, or a span that is settled, about, in bytes."""

IN_SPOOL = 100
"""What it takes in the spool, about, in bytes."""

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

    `outside` the session is where the ledger is asked. `catalog` tells by which name an entity is asked about. `room` says how many rows the way to the store has room for now.
    """

    ledger: Ledger
    outside: Errand
    intake: Sender[Frame]
    emit: Emit
    pace: Pace = field(factory=Pace)
    margin_ns: int = MARGIN_NS
    catalog: Watch[Catalog] = field(factory=lambda: Watch(NO_CATALOG))
    room: Callable[[], int] = lambda: FRAME
    _reading: Reading | None = None
    _pieces: deque[Piece] = field(factory=deque)
    _later: dict[int, float] = field(factory=dict)
    _gone: Gone = field(init=False)
    _sent: dict[int, float] = field(factory=dict)
    _renamed: set[int] = field(factory=set)
    """Spans of which nothing came under the name that their entity had."""
    _horizon: Horizon = field(factory=Horizon)
    _woken: trio.Event = field(factory=trio.Event)
    _complained: str = ""

    def __attrs_post_init__(self) -> None:
        self._gone = Gone(2 * self._margin)

    @property
    def _margin(self) -> float:
        return self.margin_ns / 10**9

    async def run(self, live: Connection, bulk: Connection, clock: HomeClock) -> None:
        """Fill what there is to fill, for ever. `clock` is Home Assistant's."""
        history = History(bulk, self.emit, lambda: clock.past_ns(self.margin_ns), self.pace)
        await trio.sleep(SETTLE)
        while True:
            await self._send()
            if self._reading is None and not await self._begin(clock):
                await self._nap(LOOK)
            elif self._reading is not None:
                await self._read(history, live, self._reading)

    def hurry(self, again: Collection[int] = ()) -> None:
        """Look now for what there is to fill, and ask for what was to be asked for later; these spans were settled before."""
        self._later.clear()
        self._sent = {key: until for key, until in self._sent.items() if key not in again}
        self._woken.set()
        self._woken = trio.Event()

    async def _nap(self, seconds: float) -> None:
        with trio.move_on_after(seconds):
            await self._woken.wait()

    async def _begin(self, clock: HomeClock) -> bool:
        """Take the next gap's spans; False when there is nothing that can be asked now."""
        now = trio.current_time()
        self._sent = {key: until for key, until in self._sent.items() if until > now}
        waiting = {*self._sent, *(key for key, until in self._later.items() if until > now)}
        found = await self._ready(waiting, clock)
        if found is None:
            return False
        gap, ready = found
        until_ns = asking.until(clock.now_ns(), self.margin_ns)
        names = self.catalog.value.names() if self._renamed else {}
        asked = [asking.rest(span, until_ns, names if span.id in self._renamed else {}) for span in ready]
        self._reading = Reading.of(
            asked,
            gap.from_ns,
            until_ns,
            margin_ns=self.margin_ns,
            by_hand=gap.by_hand,
            guessed=not clock.known,
        )
        return True

    async def _ready(self, waiting: Collection[int], clock: HomeClock) -> tuple[Gap, list[Span]] | None:
        """The oldest gap with spans that can be asked for now. Who is gone may be back: they are looked at each time."""
        now = trio.current_time()
        self._gone.forget(now)
        tells = clock.known or clock.is_silent
        but = set(waiting)
        while (found := await self.outside(self.ledger.next_gap, SPANS + len(self._gone), but)) is not None:
            gap, spans = found
            if ready := [span for span in spans if self._gone.is_due(span, now, tells=tells)]:
                return gap, ready[:SPANS]
            but.update(span.id for span in spans)
        return None

    async def _read(self, history: History, live: Connection, reading: Reading) -> None:
        # What was read last may have waited for days for room in the spool, or for a session.
        reading.renew(self._horizon.oldest_ns(trio.current_time()))
        try:
            pieces = await history.read(reading)
        except Unfillable as problem:
            self._pieces.extend(reading.give_up(problem.what))
            self._reading = None
        except Transient as problem:
            await self._pause(str(problem), RETRY)
        except Refused as problem:
            await self._pause(str(problem), REFUSED)
        else:
            self._complained = ""
            if pieces is None:
                self._end(reading)
                return
            self._horizon = Horizon(self._horizon.seconds) if reading.purged else self._horizon
            self._horizon.add(None if reading.purged else reading.seen_ns, trio.current_time())
            names = self.catalog.value.names()
            self._pieces.extend([each for each in pieces if not self._is_renamed(each, names)])
            # What came live before the recorder told it is on the link before it, too.
            with within(PONG, "no answer to a ping", live.socket.where):
                await live.ask("ping")

    def _is_renamed(self, piece: Piece, names: Mapping[str, str]) -> bool:
        """True when there is nothing of an entity under the name that it had: it is asked about again by the one that it has now.

        At a renaming the recorder gives all to the new name, unless it knows that one already. Source: its entity_registry.py.
        """
        span, settled = piece.span, piece.settled
        nothing = settled is not None and settled.why and not settled.filled and span.id not in self._renamed
        self._renamed -= set() if settled is None else {span.id}
        if nothing and names.get(span.registry_id, span.entity_id) != span.entity_id:
            self._renamed.add(span.id)
            return True
        return False

    def _end(self, reading: Reading) -> None:
        """What is not final yet is asked for again when it is."""
        now = trio.current_time()
        self._later = {key: until for key, until in self._later.items() if until > now}
        self._later.update((span.id, now + self._margin) for span in reading.waiting)
        self._reading = None

    async def _pause(self, problem: str, seconds: float) -> None:
        if problem != self._complained:
            self.emit(reports.Notice(f"the history cannot be read now, gaps will be filled later: {problem}"))
        self._complained = problem
        await self._nap(seconds)

    async def _send(self) -> None:
        """Put on the link what was read. What is off the list is on the link."""
        while self._pieces:
            await self.intake.ready()
            rows = FRAME
            if any(piece.changes for piece in self._pieces):
                while not (rows := min(FRAME, self.room())):  # noqa: ASYNC110  nobody says when a database takes some
                    await trio.sleep(FULL)
            self._put_now(*self._load(rows))

    def _load(self, most: int) -> tuple[list[Change], list[Settled]]:
        """Take the next changes off the list, at most so many, and what is settled with them."""
        changes: list[Change] = []
        settled: list[Settled] = []
        while self._pieces and len(changes) < most:
            piece = self._pieces.popleft()
            room = most - len(changes)
            changes += piece.changes[:room]
            if len(piece.changes) > room:
                self._pieces.appendleft(evolve(piece, changes=piece.changes[room:]))
            elif (proof := piece.proof) is not None:
                settled.append(proof)
                if piece.settled is not None:
                    self._sent[proof.span_id] = trio.current_time() + SENT
        return changes, settled

    def _put_now(self, changes: Collection[Change], settled: Collection[Settled]) -> None:
        if changes:
            self.emit(reports.Received(len(changes), Source.BACKFILL))
        size = ROW * (len(changes) + len(settled))
        frame = Frame(tuple(changes), size, Source.BACKFILL, settled=tuple(settled))
        lost = shed_changes(self.intake.link.name, self.intake.put(frame))
        if lost is not None:
            self.emit(lost)
