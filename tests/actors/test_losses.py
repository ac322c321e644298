"""What a full intake drops, live, of a snapshot or of the history, against what the home did: in the end all of it is stored."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attrs import define, evolve, field
from hypothesis import example, given
from hypothesis import strategies as st

from ingest.actors.filter import Filter
from ingest.core.attributes import Drops
from ingest.core.catalog import NO_CATALOG
from ingest.core.coverage import MICROSECOND, Settled
from ingest.core.enrich import Enricher
from ingest.core.filter_settings import FilterSettings
from ingest.core.loss import shed_changes
from ingest.core.rules import Rules
from ingest.core.state import Change, Frame, Source, State, StateData, moment_at
from ingest.edge.ledger_file import Due, LedgerFile
from ingest.runtime.link import Link, Overflow, Sender, Weight
from ingest.runtime.watch import Watch
from tests.edge.ledgers import ledger_in
from tests.support.taken import taken

NAMES = ["light.a", "light.b"]
FIRST_NS = 1_795_435_200_000_000_000
ROOM = 4
"""Changes in the intake."""


def change(name: str, time_ns: int) -> Change:
    now = moment_at(time_ns)
    return Change(StateData(name, None, State(name, str(time_ns), now, now)), now)


def intake() -> Link[Frame]:
    return Link("intake", Weight(ROOM, 10**9), lambda frame: Weight(len(frame.changes), frame.size))


def stage() -> Filter:
    return Filter(Watch(Rules(FilterSettings())), Enricher(Drops((), ())), Watch(NO_CATALOG), lambda _: None)


@define(eq=False)
class Life:
    """A home in which something happens every microsecond, the filter behind an intake that is soon full, and the ledger."""

    ledger: LedgerFile
    now_ns: int = FIRST_NS
    session: int = 1
    did: dict[str, list[int]] = field(factory=lambda: {name: [] for name in NAMES})
    stored: set[tuple[str, int]] = field(factory=set)
    sent: set[int] = field(factory=set)
    intake: Link[Frame] = field(factory=intake)
    live: Sender[Frame] = field(init=False)
    filter: Filter = field(factory=stage)

    def __attrs_post_init__(self) -> None:
        self.live = self.intake.sender(Overflow.DROP_OLDEST)

    @property
    def missing(self) -> list[tuple[str, int]]:
        return sorted({(name, time) for name, times in self.did.items() for time in times} - self.stored)

    def live_frame(self, names: Sequence[str]) -> None:
        self.put(Frame(self.happen(names), 1, session=self.session))

    def snapshot(self, names: Sequence[str]) -> None:
        """What the home does after it was taken comes before it."""
        newest = tuple(change(name, times[-1]) for name, times in self.did.items() if times)
        if names:
            self.live_frame(names)
        self.put(Frame(newest, 1, Source.SNAPSHOT, self.session, final=True))

    def cut(self, names: Sequence[str]) -> None:
        """Nobody hears of these; then there is another session."""
        self.happen(names)
        self.session += 1
        self.snapshot(names)

    def history(self, _: Sequence[str]) -> None:
        """The spans of a gap are read, and each row is a frame."""
        if (turn := self.ledger.next_gap(9, self.sent)) is None:
            return
        rows: list[Change] = []
        settled = []
        for span in turn[1]:
            before_ns = min(span.before_ns, self.now_ns + 1)
            times = [time for time in self.did[span.entity_id] if span.rest_ns < time < before_ns]
            rows += [change(span.entity_id, time) for time in times]
            settled.append(Settled(span.id, span.found + len(times), before_ns=span.before_ns))
        self.sent |= {each.span_id for each in settled}
        for row in rows:
            self.put(Frame((row,), 1, Source.BACKFILL))
        self.put(Frame((), 1, Source.BACKFILL, settled=tuple(settled)))

    def steps(self, names: Sequence[str]) -> None:
        """The filter takes a frame a name, and what it makes of it is safe."""
        for _ in names:
            if (frame := taken(self.intake)) is not None:
                made = self.filter.step(frame)
                self.stored |= {(point.entity_id, point.time_ns) for point in made.points}
                self.ledger.write(Due(note=made.note))
                self.sent -= {each.span_id for each in frame.settled}

    def end(self) -> None:
        """Nothing is in the way any more: once around for what is on the link, then for what is missing of that."""
        for _ in range(100):
            self.steps(NAMES * ROOM)
            self.history([])
            if not self.intake.held.events and self.ledger.next_gap(1) is None:
                return

    def happen(self, names: Sequence[str]) -> tuple[Change, ...]:
        changes = []
        for name in names:
            self.now_ns += MICROSECOND
            self.did[name].append(self.now_ns)
            changes.append(change(name, self.now_ns))
        return tuple(changes)

    def put(self, frame: Frame) -> None:
        """As a session does it."""
        lost = self.live.put(frame)
        if (report := shed_changes("intake", lost)) is not None:
            self.filter.lost(report)
        for each in lost:
            self.sent -= {settled.span_id for settled in each.settled}
            if each.final and each.session == frame.session:
                self.live.put(evolve(each, changes=(), size=0))


A, B = ["light.a"], ["light.b"]
FULL = (Life.live_frame, B * ROOM)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([Life.live_frame, Life.snapshot, Life.cut, Life.history, Life.steps]),
            st.lists(st.sampled_from(NAMES), min_size=1, max_size=ROOM),
        ),
        max_size=14,
    )
)
# The state of a snapshot is the first of the live changes that were dropped: they are missing all the same.
@example([(Life.live_frame, A * 3), FULL, (Life.snapshot, A), FULL])
# Of the rows that came for what was dropped the first is dropped again, and the others are stored.
@example(
    [(Life.live_frame, A * 4), FULL, (Life.steps, A), (Life.history, A), (Life.live_frame, B), (Life.steps, A * 4)]
)
def test_whatever_the_intake_drops_is_stored_in_the_end(steps: list[tuple[Any, list[str]]]) -> None:
    with tempfile.TemporaryDirectory() as folder, ledger_in(Path(folder) / "state.db") as ledger:
        life = Life(ledger)
        life.live_frame(NAMES)
        life.snapshot([])
        life.steps(NAMES)
        for step, names in steps:
            step(life, names)
        life.live_frame(NAMES)
        life.end()
        assert life.missing == []
