from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from attrs import define, evolve, field
from hypothesis import given
from hypothesis import strategies as st

from ingest.core.coverage import Cause, Gap, Progress
from ingest.core.gap_points import MERGED, MOST, GapPoint, Place, Telling, gap_line, gap_numbers, gap_point
from ingest.core.homeiq import homeiq
from ingest.core.ledger import LEFT
from ingest.core.line_types import line_types
from ingest.core.sealing import cut
from ingest.core.store import since
from tests.core import lines

SECOND = 1_000_000_000
GAP = Gap(7, Cause.CONNECTION, 5 * SECOND, 35_500_001_000, Progress.PARTLY, 'it "said" so', 3, 1, 12)


SCHEMA = Path(__file__).parents[2] / "docs/reference/schema.md"


def test_the_schema_shows_the_line_and_names_every_word() -> None:
    told = Gap(1, Cause.CONNECTION, 1795435205123456000, 1795435235623457000, Progress.FILLED, "", 3, 0, 12)
    page = SCHEMA.read_text("utf-8")
    assert gap_line(gap_point("home", told)).decode() in page
    chapter = page.partition("## Gaps")[2].partition("\n## ")[0]
    words = [each.value for each in Progress] + [each.name.lower() for each in Cause] + [MERGED]
    assert [word for word in words if f"`{word}`" not in chapter] == []


def told(telling: Telling, *gaps: Gap) -> list[tuple[int, str]]:
    telling.look(gaps)
    return [(point.time_ns, point.state) for point in telling.take()]


def test_a_gap_is_a_line_of_its_own_measurement() -> None:
    line = gap_line(gap_point("my home", GAP))
    assert line == (
        rb"ingest_gaps,cause=connection,home=my\ home end=35500i,duration=30.500001,spans=3i,left=1i,filled=12i,"
        rb'state="partly",why="it \"said\" so" 5000000000'
    )
    series, fields, time_ns = lines.read(line.decode())
    assert (series, time_ns, len(fields)) == ("ingest_gaps,cause=connection,home=my\\ home", 5 * SECOND, 7)


def test_a_database_for_numbers_gets_the_numbers() -> None:
    types = line_types(gap_numbers(gap_point("home", GAP)))
    assert types is not None
    assert set(types.fields.values()) == {"integer", "float"}
    gap = homeiq(numeric_only=True, gaps=True).gap
    assert gap is not None
    assert gap(gap_point("home", GAP)) == cut(gap_numbers(gap_point("home", GAP)))


def test_every_field_is_written_each_time_so_that_the_later_point_takes_the_place_of_the_earlier() -> None:
    opened = evolve(GAP, progress=Progress.OPEN, why="", filled=0, left=3)
    first, second = gap_line(gap_point("home", opened)), gap_line(gap_point("home", GAP))
    one, two = line_types(first), line_types(second)
    assert one is not None
    assert one == two
    assert first.rpartition(b" ")[2] == second.rpartition(b" ")[2]


def test_a_store_has_no_gaps_unless_told_to_and_none_older_than_it_keeps() -> None:
    assert homeiq().gap is None
    assert since(homeiq(), lambda: 0).gap is None
    gap = since(homeiq(gaps=True), lambda: 6 * SECOND).gap
    assert gap is not None
    assert gap(gap_point("home", GAP)) is None
    assert gap(gap_point("home", evolve(GAP, from_ns=6 * SECOND))) is not None


def test_everything_is_told_at_the_start_and_then_what_changed() -> None:
    telling, other = Telling("home"), evolve(GAP, id=8, from_ns=50 * SECOND, progress=Progress.OPEN)
    assert told(telling, GAP, other) == [(5 * SECOND, "partly"), (50 * SECOND, "open")]
    assert told(telling, GAP, other) == []
    assert told(telling, GAP, evolve(other, progress=Progress.FILLED)) == [(50 * SECOND, "filled")]


def test_what_changes_again_before_it_is_told_is_told_once() -> None:
    telling = Telling("home")
    for progress in (Progress.OPEN, Progress.FILLING, Progress.FILLED):
        telling.look([evolve(GAP, progress=progress)])
    assert [point.state for point in telling.take()] == ["filled"]
    assert not telling


def test_a_gap_that_became_part_of_another_one_is_not_shaded_twice() -> None:
    telling = Telling("home")
    first, second = (
        evolve(GAP, id=number, from_ns=number * SECOND, progress=Progress.OPEN, spans=1) for number in (1, 2)
    )
    told(telling, first, second)
    telling.look([first])
    (gone,) = telling.take()
    assert (gone.time_ns, gone.end_ns, gone.state, gone.spans) == (2 * SECOND, 2 * SECOND, "merged", 0)


def test_a_gap_whose_beginning_moves_leaves_none_behind() -> None:
    telling = Telling("home")
    told(telling, GAP)
    assert told(telling, evolve(GAP, from_ns=3 * SECOND)) == [(5 * SECOND, "merged"), (3 * SECOND, "partly")]


def test_a_settled_gap_that_the_ledger_has_no_more_room_for_stays_as_it_was_told() -> None:
    telling = Telling("home")
    told(telling, GAP)
    assert told(telling) == []


def test_what_waits_to_be_told_is_bounded() -> None:
    telling = Telling("home")
    telling.look(evolve(GAP, id=number, from_ns=number) for number in range(MOST + 2))
    assert [point.time_ns for point in telling.take()][:1] == [2]


@st.composite
def ledgers(draw: st.DrawFn) -> list[Gap]:
    """What a ledger may hold at some moment: of one cause no two unsettled gaps begin together."""
    made = draw(
        st.lists(
            st.builds(
                Gap,
                st.integers(1, 5),
                st.sampled_from([Cause.CONNECTION, Cause.STOPPED]),
                st.integers(1, 4),
                st.integers(5, 9),
                st.sampled_from(Progress),
            ),
            unique_by=(lambda gap: gap.id, lambda gap: (gap.cause, gap.from_ns)),
        )
    )
    return sorted(made, key=lambda gap: gap.from_ns)


@define
class Spooled:
    """Batches between what is told and a database: delivered in any order, lost, or there from before."""

    telling: Telling = field(factory=lambda: Telling("home"))
    open: list[GapPoint] = field(factory=list)
    waiting: list[list[GapPoint]] = field(factory=list)
    database: dict[Place, GapPoint] = field(factory=dict)
    killed: bool = False

    def take(self, _: st.DataObject | None = None) -> None:
        self.open += self.telling.take()

    def put(self, _: st.DataObject | None = None) -> None:
        """There are states in it, too."""
        self.waiting.append(self.open)
        self.open = []
        self.telling.put()

    def deliver(self, data: st.DataObject) -> None:
        if self.waiting:
            self.database |= {point.place: point for point in self._some(data)}
            if not self.waiting:
                self.telling.stored()

    def lose(self, data: st.DataObject) -> None:
        if self.waiting:
            self._some(data)
            self.telling.doubt()

    def kill(self, _: st.DataObject) -> None:
        self.telling, self.open, self.killed = Telling("home"), [], True
        if self.waiting:
            self.telling.doubt()

    def _some(self, data: st.DataObject) -> list[GapPoint]:
        return self.waiting.pop(data.draw(st.integers(0, len(self.waiting) - 1)))

    def settle(self, gaps: list[Gap], data: st.DataObject) -> None:
        """The database is there, and nothing changes any more: what is told comes to an end."""
        for _ in range(3):
            self.telling.look(gaps)
            self.take()
            self.put()
            while self.waiting:
                self.deliver(data)
        self.telling.look(gaps)
        assert not self.telling


ACTS = (Spooled.take, Spooled.put, Spooled.deliver, Spooled.lose, Spooled.kill)


@given(st.lists(st.tuples(ledgers(), st.lists(st.sampled_from(ACTS), max_size=4)), max_size=6), st.data())
def test_in_whatever_order_it_is_delivered_the_database_ends_with_what_the_ledger_holds(
    moments: list[tuple[list[Gap], list[Callable[[Spooled, st.DataObject], None]]]], data: st.DataObject
) -> None:
    it = Spooled()
    for gaps, acts in moments:
        it.telling.look(gaps)
        for act in acts:
            act(it, data)
    last = moments[-1][0] if moments else []
    it.settle(last, data)
    held = {point.place: point for point in (gap_point("home", gap) for gap in last)}
    assert {place: it.database[place] for place in held} == held
    unsettled = {each.value for each in LEFT}
    # Which gaps became part of others before it was killed nobody knows.
    assert it.killed or all(place in held for place, point in it.database.items() if point.state in unsettled)


def delivered(telling: Telling) -> None:
    telling.put()
    telling.stored()


def test_what_is_told_once_and_arrives_is_not_told_again() -> None:
    telling = Telling("home")
    for progress in Progress:
        assert told(telling, evolve(GAP, progress=progress)) == [(5 * SECOND, progress.value)]
        delivered(telling)
        assert told(telling, evolve(GAP, progress=progress)) == []


def test_what_two_batches_told_that_waited_together_is_told_a_third_time_and_no_more() -> None:
    telling, other = Telling("home"), evolve(GAP, id=8, from_ns=50 * SECOND)
    for progress in (Progress.OPEN, Progress.FILLED):
        told(telling, evolve(GAP, progress=progress), other)
        telling.put()
    telling.stored()
    now = evolve(GAP, progress=Progress.FILLED), other
    assert told(telling, *now) == [(5 * SECOND, "filled")]
    for _ in range(2):
        delivered(telling)
        assert told(telling, *now) == []


def test_what_the_open_batch_has_is_the_last_word_on_all_that_is_stored_before_it() -> None:
    telling = Telling("home")
    for progress in (Progress.OPEN, Progress.FILLING):
        told(telling, evolve(GAP, progress=progress))
        telling.put()
    told(telling, evolve(GAP, progress=Progress.FILLED))
    telling.stored()
    assert told(telling, evolve(GAP, progress=Progress.FILLED)) == []


def test_what_is_told_before_the_next_look_is_not_told_again_as_it_was() -> None:
    telling = Telling("home")
    for progress in (Progress.OPEN, Progress.FILLING):
        told(telling, evolve(GAP, progress=progress))
        telling.put()
    telling.look([])
    telling.stored()
    assert [point.state for point in telling.take()] == [MERGED]
    assert told(telling) == []


def test_what_is_remembered_of_it_is_bounded() -> None:
    telling = Telling("home")
    for number in (-1, *range(MOST), -1):
        told(telling, evolve(GAP, id=number, from_ns=number, to_ns=MOST))
        telling.put()
    telling.stored()
    assert told(telling) == []
    for number in range(MOST + 1):
        told(telling, evolve(GAP, id=number, from_ns=number, to_ns=MOST))
        telling.put()
    telling.doubt()
    telling.stored()
    assert len(told(telling)) == MOST
