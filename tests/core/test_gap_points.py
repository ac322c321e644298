from __future__ import annotations

from pathlib import Path

from attrs import evolve
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


@given(st.lists(ledgers(), max_size=6), st.data())
def test_whenever_it_is_told_the_database_ends_with_what_the_ledger_holds(
    moments: list[list[Gap]], data: st.DataObject
) -> None:
    telling, database = Telling("home"), dict[Place, GapPoint]()
    for gaps in moments:
        telling.look(gaps)
        if data.draw(st.booleans()):
            database.update((point.place, point) for point in telling.take())
    database.update((point.place, point) for point in telling.take())
    last = moments[-1] if moments else []
    held = {point.place: point for point in (gap_point("home", gap) for gap in last)}
    assert {place: database[place] for place in held} == held
    unsettled = {each.value for each in LEFT}
    assert all(place in held for place, point in database.items() if point.state in unsettled)
