"""What is found to be missed, against a home whose every change is known."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from attrs import define, evolve, field, frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.core.coverage import FOREVER, MICROSECOND, NO_NOTE, TURNED_BACK, Cause, Mark, Missed, Note, Span
from ingest.core.ledger import Owed
from ingest.core.marks import REMOVED, missing_since, newest, unknown_at
from ingest.core.reconcile import Reconciler

ENTITIES = ("a.a", "b.b", "c.c")
FIRST = 100
"""Every entity has a state at that tick."""


@frozen
class Row:
    """A change that the home made, at a tick; `gone`: the entity was removed."""

    tick: int
    entity: str
    gone: bool


@frozen
class Session:
    """Subscribed after a tick; the snapshot is of a tick and arrives at one; the end. `died`: the process did, too."""

    subscribed: int
    read: int
    arrived: int
    ended: int
    died: bool


@define
class Ledger:
    """What the notes said, and what was stored."""

    stored: set[tuple[str, int]] = field(factory=set)
    marks: dict[str, Mark] = field(factory=dict)
    spans: dict[tuple[str, int], Span] = field(factory=dict)
    """By entity and beginning: what is known to end earlier does so in every gap."""
    heard_ns: int = 0

    def hear(self, note: Note) -> None:
        self.marks.update((mark.registry_id, mark) for mark in note.marks)
        for missed in note.missed:
            for span in missed.spans:
                key = (span.registry_id, span.after_ns)
                known = self.spans.get(key, span)
                self.spans[key] = known if known.before_ns <= span.before_ns else span
                for other in [each for each in self.spans.values() if each.before_ns == FOREVER]:
                    if other.registry_id == span.registry_id and other.after_ns < span.after_ns:
                        self.spans[span.registry_id, other.after_ns] = evolve(other, before_ns=span.after_ns + 1)


def ns(tick: int) -> int:
    return tick * MICROSECOND


def homes() -> st.SearchStrategy[list[Row]]:
    """Changes of three entities, one a tick at most; what is gone comes back before it goes again."""
    ticks = st.lists(st.integers(FIRST + 1, FIRST + 60), unique=True, max_size=30).map(sorted)

    def rows(ticks: list[int], draws: list[tuple[str, bool]]) -> list[Row]:
        made = [Row(FIRST - number, entity, gone=False) for number, entity in enumerate(ENTITIES)]
        there = set(ENTITIES)
        for tick, (entity, goes) in zip(ticks, draws, strict=False):
            gone = goes and entity in there
            (there.discard if gone else there.add)(entity)
            made.append(Row(tick, entity, gone))
        return made

    draws = st.lists(st.tuples(st.sampled_from(ENTITIES), st.booleans()), min_size=30, max_size=30)
    return st.builds(rows, ticks, draws)


def sessions() -> st.SearchStrategy[list[Session]]:
    def cut(ticks: list[int], died: list[bool]) -> list[Session]:
        made = [
            Session(ticks[at], ticks[at + 1], ticks[at + 2], ticks[at + 3], died[at])
            for at in range(0, len(ticks) - 3, 4)
        ]
        last = max((each.ended for each in made), default=FIRST)
        return [*made, Session(last + 1, last + 2, last + 3, last + 100, died=False)]

    ticks = st.lists(st.integers(FIRST, FIRST + 60), max_size=16).map(sorted)
    return st.builds(cut, ticks, st.lists(st.booleans(), min_size=16, max_size=16))


def present(home: Sequence[Row], tick: int) -> list[Row]:
    """The snapshot of a tick."""
    newest = {row.entity: row for row in home if row.tick <= tick}
    return [row for row in newest.values() if not row.gone]


def hold(session: Session, number: int, home: Sequence[Row], reconciler: Reconciler, ledger: Ledger) -> None:
    """One session: its live changes in their order, and the snapshot among them where it arrives."""
    live = [row for row in home if session.subscribed < row.tick <= session.ended]
    for row in [each for each in live if each.tick <= session.arrived]:
        see(row, number, reconciler, ledger)
    if session.arrived >= session.ended and session.died:
        return  # the process died before it came
    reconciler.enter(number)
    for row in present(home, session.read):
        if not reconciler.knows(row.entity, row.entity, ns(row.tick)):
            take(row, reconciler, ledger)
    reconciler.complete()
    ledger.hear(reconciler.note())
    for row in [each for each in live if each.tick > session.arrived]:
        see(row, number, reconciler, ledger)


def see(row: Row, number: int, reconciler: Reconciler, ledger: Ledger) -> None:
    reconciler.enter(number)
    take(row, reconciler, ledger)
    ledger.hear(reconciler.note())


def take(row: Row, reconciler: Reconciler, ledger: Ledger) -> None:
    state = Mark(row.entity, row.entity, ns(row.tick))
    reconciler.see(state)
    if row.gone:
        reconciler.remove(state)
    assert (row.entity, row.tick) not in ledger.stored, "stored twice"
    ledger.stored.add((row.entity, row.tick))


def unseen(row: Row, home: Sequence[Row], ledger: Ledger) -> bool:
    """Its entity came and went before it was ever seen: nobody knows whom to ask for."""
    first = min((tick for entity, tick in ledger.stored if entity == row.entity), default=10**6)
    return any(each.entity == row.entity and each.gone and row.tick <= each.tick < first for each in home)


def inside(span: Span, row: Row) -> bool:
    return span.registry_id == row.entity and span.after_ns < ns(row.tick) < span.before_ns


@settings(max_examples=300)
@given(homes(), sessions())
def test_every_change_is_stored_or_strictly_inside_a_span_and_never_both(home: list[Row], held: list[Session]) -> None:
    ledger = Ledger()
    reconciler, since = Reconciler(), 0
    for number, session in enumerate(held, start=1):
        since = since if ledger.marks else session.subscribed  # coverage begins with what is stored first
        hold(session, number, home, reconciler, ledger)
        ledger.heard_ns = max(ledger.heard_ns, reconciler.heard_ns or 0)
        if session.died:
            reconciler = Reconciler()
            reconciler.remember(ledger.marks, Cause.KILLED, ledger.heard_ns)
    spans = ledger.spans.values()
    for row in home:
        stored = (row.entity, row.tick) in ledger.stored
        missed = any(inside(span, row) for span in spans)
        assert not (stored and missed), (row, spans)
        if row.tick <= since or row.tick > held[-1].ended or unseen(row, home, ledger):
            continue
        assert stored or missed, (row, spans)


def mark(entity: str, tick: int) -> Mark:
    return Mark(entity, entity, ns(tick))


def test_the_first_start_of_all_has_missed_nothing() -> None:
    reconciler = Reconciler()
    reconciler.enter(1)
    reconciler.see(mark("a.a", 5))
    reconciler.complete()
    assert reconciler.note() == Note((mark("a.a", 5),))
    assert reconciler.note() == NO_NOTE


def test_an_unchanged_entity_has_no_span_and_the_gap_is_told_all_the_same() -> None:
    reconciler = Reconciler({"a.a": mark("a.a", 5)}, Cause.STOPPED)
    reconciler.enter(1)
    assert reconciler.knows("a.a", "a.a", ns(5))
    reconciler.complete()
    [missed] = reconciler.note().missed
    assert (missed.cause, missed.from_ns, missed.to_ns, missed.spans) == (Cause.STOPPED, ns(5), ns(5), ())


def test_who_is_gone_is_looked_for_until_it_comes_back() -> None:
    reconciler = Reconciler({"a.a": mark("a.a", 5), "b.b": mark("b.b", 4)}, Cause.KILLED)
    reconciler.enter(1)
    reconciler.see(mark("c.c", 9))
    reconciler.complete()
    spans = [span for missed in reconciler.note().missed for span in missed.spans]
    there, *gone = spans
    assert there == Span("c.c", "c.c", ns(5) + 1, ns(9))  # nobody knows what it was when the gap began
    assert gone == [Span("a.a", "a.a", ns(5), FOREVER), Span("b.b", "b.b", ns(4), FOREVER)]
    reconciler.see(mark("a.a", 20))
    reconciler.see(mark("a.a", 21))
    [missed] = reconciler.note().missed
    assert missed.spans == (Span("a.a", "a.a", ns(5), ns(20)),)
    assert [reconciler.told("a.a", ns(tick)) for tick in (19, 20, 21)] == [False, True, True]


def test_while_the_registries_cannot_be_read_an_entity_goes_by_the_name_it_had() -> None:
    reconciler = Reconciler({"r1": Mark("r1", "light.a", ns(5))})
    reconciler.enter(1)
    assert reconciler.knows("light.a", "light.a", ns(5))
    reconciler.see(Mark("light.a", "light.a", ns(9)))
    [moved] = reconciler.note().marks
    assert moved == Mark("r1", "light.a", ns(9), ns(5))


def test_of_too_many_marks_the_one_of_who_is_gone_is_forgotten_first() -> None:
    marks = {key: Mark(key, f"sensor.{key}", at) for key, at in (("a", 1_000), ("gone", 9_001), ("b", 2_000))}
    reconciler = Reconciler(marks, entities=3)
    for expected in ({"a", "b", "new"}, {"b", "new", "newer"}):
        key = min(expected - reconciler.marks.keys())
        reconciler._put(Mark(key, f"sensor.{key}", 10_000))
        assert reconciler.marks.keys() == expected


def test_marks_do_not_fill_the_memory() -> None:
    reconciler = Reconciler(entities=2)
    for tick in range(1, 6):
        reconciler.see(mark(f"a.{tick}", tick))
    assert list(reconciler.marks) == ["a.4", "a.5"]


def test_what_can_be_read_only_now_is_as_if_it_was_known_at_the_start_when_nothing_was_heard_yet() -> None:
    reconciler = Reconciler()
    reconciler.forget_nothing()
    reconciler.remember({"a.a": mark("a.a", 5)}, Cause.KILLED)
    assert (reconciler.note(), reconciler.marks, reconciler.cause) == (NO_NOTE, {"a.a": mark("a.a", 5)}, Cause.KILLED)
    reconciler.enter(1)
    assert reconciler.knows("a.a", "a.a", ns(5))


@pytest.mark.parametrize("late", [False, True])
def test_where_only_is_known_until_when_a_home_was_everything_since_is_missing(late: bool) -> None:
    """As under a new name. What is as it was misses nothing."""
    reconciler = Reconciler()
    if late:
        reconciler.forget_nothing()
    else:
        reconciler.remember({}, Cause.STOPPED, ns(50))
    reconciler.enter(1)
    for each in (mark("a.a", 60), mark("b.b", 40)):
        assert not reconciler.knows(each.registry_id, each.entity_id, each.time_ns)
        reconciler.see(each)
    assert late or reconciler.heard_ns == ns(50)
    found = reconciler.complete()
    if late:
        reconciler.remember({}, Cause.STOPPED, ns(50))
    else:
        assert found == (Cause.STOPPED, ns(50), ns(60), 1)
    missed = [(each.cause, each.from_ns, each.to_ns, list(each.spans)) for each in reconciler.note().missed]
    assert missed == [(Cause.STOPPED, ns(50), ns(60), [Span("a.a", "a.a", ns(50) + 1, ns(60))])]
    assert reconciler.heard_ns == ns(60)


def test_what_was_heard_before_that_has_its_span() -> None:
    reconciler = Reconciler()
    reconciler.forget_nothing()
    reconciler.enter(1)
    reconciler.see(mark("a.a", 9))
    reconciler.remember({"a.a": mark("a.a", 5), "b.b": mark("b.b", 4)}, Cause.KILLED)
    [missed] = reconciler.note().missed
    assert (missed.cause, missed.spans) == (
        Cause.KILLED,
        (Span("a.a", "a.a", ns(5), ns(9)), Span("b.b", "b.b", ns(4), FOREVER)),
    )


def test_of_what_was_lost_only_the_newest_state_is_not_known() -> None:
    reconciler = Reconciler({"a.a": mark("a.a", 5)})
    reconciler.forget(ns(4), ns(6))
    reconciler.enter(1)
    assert not reconciler.knows("a.a", "a.a", ns(5))
    reconciler.see(mark("a.a", 5))
    reconciler.complete()
    assert [missed.spans for missed in reconciler.note().missed] == [()]


def test_an_entity_with_another_id_is_not_gone() -> None:
    reconciler = Reconciler({"old": Mark("old", "light.a", ns(5))})
    reconciler.enter(1)
    reconciler.see(mark("b.b", 8))
    reconciler.complete()
    reconciler.see(Mark("new", "light.a", ns(9)))
    assert spans_of(reconciler.note())[-1] == Span("light.a", "old", ns(5), ns(9))
    assert reconciler.told("new", ns(9))
    reconciler.enter(2)
    assert reconciler.knows("new", "light.a", ns(9))
    assert reconciler.knows("b.b", "b.b", ns(8))
    reconciler.complete()
    assert [missed.spans for missed in reconciler.note().missed] == [()]
    reconciler.enter(3)
    reconciler.complete()
    gone = [span for missed in reconciler.note().missed for span in missed.spans]
    assert Span("light.a", "new", ns(9), FOREVER) in gone
    assert "old" not in [span.registry_id for span in gone]


def test_what_was_stored_under_another_id_is_stored() -> None:
    before = Mark("light.a", "light.a", ns(5), ns(2))
    for first in ("snapshot", "live"):
        reconciler = Reconciler({"light.a": before})
        reconciler.enter(1)
        if first == "live":
            reconciler.see(Mark("r1", "light.a", ns(9)))
        assert reconciler.knows("r1", "light.a", ns(5))
        reconciler.complete()
        note = reconciler.note()
        newest = ns(9) if first == "live" else ns(5)
        assert note.marks[0] == Mark("r1", "light.a", newest, ns(2))
        spans = [span for missed in note.missed for span in missed.spans]
        assert spans == [Span("light.a", "light.a", ns(5), ns(9))] * (first == "live")


@pytest.mark.parametrize("late", [False, True])
def test_who_gets_an_old_id_back_misses_nothing_that_was_stored_under_the_other(*, late: bool) -> None:
    """The old id's mark stays on disk. What came in between is stored, richer than the history tells it."""
    marks = {"old": Mark("old", "light.a", ns(5)), "new": Mark("new", "light.a", ns(9), ns(5))}
    reconciler = Reconciler({} if late else marks)
    if late:
        reconciler.forget_nothing()
    reconciler.enter(1)
    assert late or reconciler.knows("old", "light.a", ns(9))
    reconciler.see(Mark("old", "light.a", ns(20)))
    if late:
        reconciler.remember(marks, Cause.KILLED)
    else:
        reconciler.complete()
    (span,) = spans_of(reconciler.note())
    assert (span.after_ns, span.before_ns) == (ns(9), ns(20))


def test_who_has_another_id_and_then_another_name_is_not_gone() -> None:
    """Whatever the next start reads from disk: the first id is nobody's any more, and its name is not missed."""
    stored = {"a.a": mark("a.a", 2), "r1": Mark("r1", "light.a", ns(5), ns(3))}
    for number, (key, name) in enumerate([("r2", "light.a"), ("r2", "light.b"), ("r2", "light.b")], start=1):
        reconciler = Reconciler(dict(stored))
        for session in (1, 2):
            reconciler.enter(session)
            for found in (Mark(key, name, ns(10 * number)), stored["a.a"]):
                if not reconciler.knows(found.registry_id, found.entity_id, found.time_ns):
                    reconciler.see(found)
            reconciler.complete()
            note = reconciler.note()
            assert all(span.before_ns < FOREVER for span in spans_of(note))
            stored.update((each.registry_id, each) for each in note.marks)
            stored = {key: each for key, each in stored.items() if each.entity_id}
        assert reconciler.marks == stored == {"a.a": mark("a.a", 2), key: Mark(key, name, ns(10 * number), ns(3))}


def test_a_name_that_goes_to_another_entity_takes_no_mark_along() -> None:
    reconciler = Reconciler({"r1": Mark("r1", "light.a", ns(5)), "r2": Mark("r2", "light.b", ns(6))})
    reconciler.enter(1)
    reconciler.see(Mark("r1", "light.b", ns(9)))
    reconciler.see(Mark("r2", "light.a", ns(10)))
    reconciler.complete()
    spans = [span for missed in reconciler.note().missed for span in missed.spans]
    # Until the mark of the other the history has the other's under that name.
    assert spans == [Span("light.b", "r1", ns(6 + 1), ns(9)), Span("light.a", "r2", ns(5 + 1), ns(10))]


def test_a_mark_goes_back_with_the_clock_of_the_home() -> None:
    """It was two hours ahead when Home Assistant started: what changes in these hours is no less new."""
    reconciler = Reconciler({"a.a": Mark("a.a", "a.a", ns(7200), ns(3)), "b.b": mark("b.b", 7200)})
    reconciler.enter(1)
    assert all(reconciler.knows(name, name, ns(7200)) for name in ("a.a", "b.b"))
    reconciler.complete()
    reconciler.note()
    assert not reconciler.follow("a.a", "a.a", ns(60))
    reconciler.see(mark("a.a", 60))
    assert reconciler.marks["a.a"] == Mark("a.a", "a.a", ns(60), ns(3))
    owed = Owed()
    owed.add(reconciler.note())
    assert owed.note.marks == (Mark("a.a", "a.a", ns(60), TURNED_BACK),)
    reconciler.see(mark("a.a", 70))
    owed.add(reconciler.note())
    assert owed.take().marks == (Mark("a.a", "a.a", ns(70), TURNED_BACK),), "as long as it is not on disk"
    reconciler.see(mark("a.a", 75))
    owed.add(reconciler.note())
    assert owed.note.marks == (Mark("a.a", "a.a", ns(75), ns(3)),)
    reconciler.enter(2)
    assert not reconciler.knows("a.a", "a.a", ns(130))
    reconciler.see(mark("a.a", 130))
    assert spans_of(reconciler.note()) == [Span("a.a", "a.a", ns(75), ns(130))]
    assert reconciler.knows("b.b", "b.b", ns(7200))


def test_a_clock_that_was_set_back_while_nobody_listened_hides_no_state() -> None:
    reconciler = Reconciler({"a.a": mark("a.a", 7200)})
    reconciler.enter(1)
    assert not reconciler.knows("a.a", "a.a", ns(130))
    reconciler.see(mark("a.a", 130))
    assert reconciler.knows("a.a", "a.a", ns(130)), "it came live as well"
    assert not reconciler.knows("a.a", "a.a", ns(100))
    reconciler.see(mark("a.a", 100))
    reconciler.complete()
    assert reconciler.marks["a.a"].time_ns == ns(130)
    assert spans_of(reconciler.note()) == []


def test_what_a_snapshot_tells_late_sets_no_clock_back() -> None:
    """It was read before a change that came live meanwhile."""
    reconciler = Reconciler({"a.a": mark("a.a", 5)})
    reconciler.enter(1)
    reconciler.see(mark("a.a", 10))
    assert not reconciler.knows("a.a", "a.a", ns(8))
    reconciler.see(mark("a.a", 8))
    reconciler.complete()
    assert reconciler.marks["a.a"].time_ns == ns(10)
    assert reconciler.knows("a.a", "a.a", ns(9)), "other rules have everything judged anew"
    assert all(each.first_ns != TURNED_BACK for each in reconciler.note().marks)


@pytest.mark.parametrize("order", [("r2", "r1"), ("r1", "r2")])
@pytest.mark.parametrize("snapshot", [True, False], ids=["in the snapshot", "live"])
def test_a_name_that_goes_to_a_new_entity_leaves_each_its_own_span(order: tuple[str, str], *, snapshot: bool) -> None:
    """A sensor was replaced: the old one has another name now, and the new one its name. Which is seen first is chance."""
    reconciler = Reconciler({"r1": Mark("r1", "sensor.k", ns(5)), "a.a": mark("a.a", 50)})
    now = {"r1": Mark("r1", "sensor.old", ns(80)), "r2": Mark("r2", "sensor.k", ns(90))}
    reconciler.enter(1)
    for each in (now[name] for name in order):
        assert not (snapshot and reconciler.knows(each.registry_id, each.entity_id, each.time_ns))
        reconciler.see(each)
    assert reconciler.knows("a.a", "a.a", ns(50))
    reconciler.complete()
    note = reconciler.note()
    spans = {span.registry_id: span for span in spans_of(note)}
    assert spans["r1"] == Span("sensor.old", "r1", ns(5), ns(80))
    assert spans["r2"] == Span("sensor.k", "r2", unknown_at(ns(50)), ns(90))
    assert {name: each.entity_id for name, each in reconciler.marks.items()} == {
        "r1": "sensor.old", "r2": "sensor.k", "a.a": "a.a"
    }  # fmt: skip


def test_who_kept_its_state_under_another_name_misses_nothing_when_its_name_went_to_a_new_entity() -> None:
    reconciler = Reconciler({"r1": Mark("r1", "sensor.k", ns(5)), "a.a": mark("a.a", 50)})
    reconciler.enter(1)
    reconciler.see(Mark("r2", "sensor.k", ns(90)))
    assert reconciler.knows("r1", "sensor.old", ns(5))
    reconciler.complete()
    spans = {span.registry_id: span for span in spans_of(reconciler.note())}
    assert spans["r2"] == Span("sensor.k", "r2", unknown_at(ns(50)), ns(90))
    assert spans["r1"].before_ns <= ns(5) + 1, "nothing lies in it"


def test_who_was_removed_is_missing_from_the_beginning_of_a_gap_on() -> None:
    """Its removal may be older than what the recorder keeps. Nobody listened since, where the gap begins before it."""
    reconciler = Reconciler({"a.a": mark("a.a", 5), "b.b": mark("b.b", 6)})
    for removal in (mark("a.a", 10), mark("b.b", 60)):
        reconciler.see(removal)
        reconciler.remove(mark(removal.entity_id, 4))
        reconciler.remove(removal)
    assert [(each.time_ns, each.oldest_ns) for each in reconciler.marks.values()] == [
        (ns(10) + REMOVED, ns(5)),
        (ns(60) + REMOVED, ns(6)),
    ]
    assert newest(reconciler.marks) == ns(60)
    assert missing_since(reconciler.marks["a.a"], ns(50)) == missing_since(None, ns(50)) == ns(50) + 1
    assert missing_since(reconciler.marks["b.b"], ns(50)) == ns(60) + 1


def test_who_has_the_name_of_one_that_was_removed_misses_what_came_after_the_removal_alone() -> None:
    """As if a state were there: the one before it is lacking then."""
    reconciler = Reconciler({"r1": Mark("r1", "sensor.k", ns(20) + REMOVED), "r2": Mark("r2", "sensor.l", ns(10))})
    reconciler.enter(1)
    reconciler.see(Mark("r2", "sensor.k", ns(90)))
    assert spans_of(reconciler.note()) == [Span("sensor.k", "r2", ns(21), ns(90))]


def test_what_can_be_read_only_now_may_be_of_an_entity_that_has_another_id() -> None:
    reconciler = Reconciler()
    reconciler.forget_nothing()
    reconciler.enter(1)
    reconciler.see(Mark("r1", "light.a", ns(9)))
    reconciler.remember({"light.a": Mark("light.a", "light.a", ns(5))}, Cause.KILLED)
    [missed] = reconciler.note().missed
    assert missed.spans == (Span("light.a", "r1", ns(5), ns(9)),)


def spans_of(note: Note) -> list[Span]:
    return [span for missed in note.missed for span in missed.spans]


@pytest.mark.parametrize("again", [False, True])
def test_who_was_absent_all_the_time_is_asked_for_from_the_beginning_of_the_gap(again: bool) -> None:
    reconciler = Reconciler({"a.a": mark("a.a", 5), "b.b": mark("b.b", 50)})
    marks = dict(reconciler.marks)

    def hold(session: int, seen: Mark) -> list[Span]:
        nonlocal reconciler
        if again:
            reconciler = Reconciler(dict(marks), Cause.STOPPED)
        reconciler.enter(session)
        reconciler.see(seen)
        reconciler.complete()
        note = reconciler.note()
        marks.update((each.registry_id, each) for each in note.marks)
        return [span for span in spans_of(note) if span.registry_id == "a.a"]

    assert hold(1, mark("b.b", 60)) == [Span("a.a", "a.a", ns(5), FOREVER)]
    assert hold(2, mark("b.b", 70)) == [Span("a.a", "a.a", ns(60) + 1, FOREVER)]
    assert hold(3, mark("b.b", 80)) == [Span("a.a", "a.a", ns(70) + 1, FOREVER)]
    assert hold(4, mark("a.a", 90)) == [Span("a.a", "a.a", ns(80) + 1, ns(90))]
    assert hold(5, mark("b.b", 95)) == [Span("a.a", "a.a", ns(90), FOREVER)]


def test_who_comes_back_ends_the_span_that_was_told_and_is_not_known_by_what_it_was() -> None:
    reconciler = Reconciler({"a.a": mark("a.a", 5), "b.b": mark("b.b", 50)})
    for session, tick in ((1, 60), (2, 70)):
        reconciler.enter(session)
        reconciler.see(mark("b.b", tick))
        reconciler.complete()
    reconciler.note()
    reconciler.see(mark("a.a", 80))
    assert spans_of(reconciler.note()) == [Span("a.a", "a.a", ns(60) + 1, ns(80))]


def test_a_session_in_which_nothing_comes_moves_no_beginning() -> None:
    reconciler = Reconciler({"a.a": mark("a.a", 5), "b.b": mark("b.b", 50)})
    for session in range(1, 5):
        reconciler.enter(session)
        reconciler.knows("b.b", "b.b", ns(50))
        assert reconciler.complete() == (Cause.STOPPED if session == 1 else Cause.CONNECTION, ns(50), ns(50), 1)
    reconciler.forget(ns(50), ns(60))
    assert reconciler.marks == {"a.a": Mark("a.a", "a.a", ns(50) + 1, ns(5)), "b.b": Mark("b.b", "b.b", ns(50) - 1)}


def test_what_is_given_back_ends_where_it_is_known_to_end_by_now() -> None:
    reconciler = Reconciler({"a.a": mark("a.a", 5), "b.b": mark("b.b", 6), "c.c": mark("c.c", 7)})
    reconciler.enter(1)
    reconciler.see(mark("b.b", 20))
    reconciler.complete()
    lost = reconciler.note()
    reconciler.see(mark("a.a", 30))
    reconciler.note()
    reconciler.give_back(lost.missed)
    shed = Missed(Cause.SHED, ns(20), ns(20), (Span("b.b", "b.b", ns(20) - 1, ns(20) + 1),))
    reconciler.give_back([shed])
    missed, other = reconciler.note().missed
    assert [(span.registry_id, span.before_ns) for span in missed.spans] == [
        ("b.b", ns(20)), ("a.a", ns(30)), ("c.c", FOREVER),
    ]  # fmt: skip
    assert other == shed


def test_a_state_that_only_the_snapshot_lacked_is_stored() -> None:
    reconciler = Reconciler({"a.a": mark("a.a", 5), "b.b": mark("b.b", 50)})
    reconciler.enter(1)
    reconciler.see(mark("b.b", 60))
    reconciler.complete()
    reconciler.enter(2, ns(60))
    assert reconciler.knows("a.a", "a.a", ns(5))


def test_who_was_absent_and_is_back_with_the_clock_set_back_is_not_taken_for_known() -> None:
    reconciler = Reconciler({"a.a": mark("a.a", 5), "b.b": mark("b.b", 50)})
    reconciler.enter(1)
    reconciler.see(mark("b.b", 60))
    reconciler.complete()
    reconciler.enter(2, ns(40))
    assert not reconciler.knows("a.a", "a.a", ns(39))
    reconciler.see(mark("a.a", 39), live=False)
    assert reconciler.marks["a.a"] == Mark("a.a", "a.a", ns(39), ns(5)), "it is followed from there on"
    reconciler.complete()
    reconciler.enter(3, ns(70))
    reconciler.see(mark("a.a", 70), live=False)
    assert spans_of(reconciler.note())[-1] == Span("a.a", "a.a", ns(39), ns(70))


FUTURE = 10**10
"""A tick: 10,000 s after the others, by which a clock was ahead for one state."""


@pytest.mark.parametrize("restarted", [False, True])
def test_one_state_from_the_future_does_not_date_what_is_missed_of_others(*, restarted: bool) -> None:
    reconciler = Reconciler({"a.a": mark("a.a", 5), "b.b": mark("b.b", 50)})
    reconciler.enter(1, ns(50))
    assert all(reconciler.knows(name, name, ns(tick)) for name, tick in (("a.a", 5), ("b.b", 50)))
    reconciler.complete()
    reconciler.see(mark("a.ghost", FUTURE))
    assert reconciler.heard_ns == ns(FUTURE)
    reconciler.see(mark("b.b", 60))
    assert reconciler.heard_ns == ns(60)
    if restarted:
        marks, heard_ns = reconciler.marks, reconciler.heard_ns
        reconciler = Reconciler()
        reconciler.remember(marks, Cause.STOPPED, heard_ns)
    reconciler.enter(2, ns(60))
    assert reconciler.knows("b.b", "b.b", ns(60))
    reconciler.complete()
    assert {each.registry_id: each.after_ns for each in spans_of(reconciler.note())} == {
        "a.a": ns(5),
        "a.ghost": ns(FUTURE),
    }
    reconciler.enter(3, ns(60))
    reconciler.knows("b.b", "b.b", ns(60))
    reconciler.see(mark("a.a", 80), live=False)
    assert spans_of(reconciler.note()) == [Span("a.a", "a.a", ns(60) + 1, ns(80))]


def test_of_a_removal_that_was_lost_everything_before_it_is_known() -> None:
    reconciler = Reconciler({"a.a": mark("a.a", 5), "b.b": mark("b.b", 5)})
    for name in ("a.a", "b.b"):
        reconciler.see(mark(name, 10))
        reconciler.remove(mark(name, 10))
    reconciler.lose("a.a")
    reconciler.forget(ns(10), ns(10))
    assert reconciler.marks["b.b"].time_ns == ns(10) - 1
    reconciler.enter(1, ns(20))
    reconciler.knows("c.c", "c.c", ns(20))
    reconciler.see(mark("c.c", 20), live=False)
    reconciler.complete()
    assert {each.registry_id: each.after_ns for each in spans_of(reconciler.note())} == {
        "a.a": ns(10) - 1,
        "b.b": ns(10) - 1,
        "c.c": ns(9) + 1,
    }


def test_what_is_lost_twice_is_as_lost_once() -> None:
    reconciler = Reconciler({"a.a": mark("a.a", 5)})
    for _ in range(2):
        reconciler.lose("a.a")
    reconciler.forget(ns(4), ns(6))
    assert reconciler.marks["a.a"].time_ns == ns(5) - 1


def test_a_removal_is_one_also_while_the_registries_cannot_be_read() -> None:
    reconciler = Reconciler({"r1": Mark("r1", "a.a", ns(5))})
    reconciler.enter(1)
    reconciler.see(mark("a.a", 9))
    reconciler.remove(mark("a.a", 9))
    assert reconciler.marks["r1"].time_ns == ns(9) + REMOVED


def test_states_a_few_milliseconds_out_of_order_move_no_beginning_back() -> None:
    reconciler = Reconciler({"b.b": mark("b.b", 50)})
    reconciler.enter(1, ns(50))
    reconciler.complete()
    reconciler.see(mark("b.b", 2_000))
    reconciler.see(mark("c.c", 1_000))
    assert reconciler.heard_ns == ns(2_000)


def test_who_comes_back_at_once_ends_the_span_that_was_told() -> None:
    reconciler = Reconciler({"a.a": mark("a.a", 5), "b.b": mark("b.b", 50)})
    reconciler.enter(1)
    reconciler.see(mark("b.b", 60))
    reconciler.complete()
    reconciler.note()
    reconciler.enter(2)
    reconciler.see(mark("a.a", 61))
    assert spans_of(reconciler.note()) == [Span("a.a", "a.a", ns(60) + 1, ns(61))]


@pytest.mark.parametrize("connection_lost", [False, True])
def test_who_comes_back_and_is_left_out_is_not_missing_any_more(*, connection_lost: bool) -> None:
    """What it does once it is stored again comes live: the span that had no end must not reach over it."""
    reconciler = Reconciler({"a.a": mark("a.a", 5), "b.b": mark("b.b", 50)})
    reconciler.enter(1)
    assert reconciler.knows("b.b", "b.b", ns(50))
    reconciler.complete()
    assert spans_of(reconciler.note()) == [Span("a.a", "a.a", ns(5), FOREVER)]
    begun = ns(5)
    if connection_lost:
        reconciler.enter(2)
        assert reconciler.knows("b.b", "b.b", ns(50))
        begun = unknown_at(ns(50))
    reconciler.exclude(mark("a.a", 60))
    reconciler.exclude(mark("a.a", 61))
    if connection_lost:
        reconciler.complete()
    (missed, left_out) = reconciler.note().missed
    assert missed.spans == (Span("a.a", "a.a", begun, ns(60)),)
    assert (left_out.cause, [each.before_ns for each in left_out.spans]) == (Cause.FILTERED, [FOREVER])
    reconciler.see(mark("a.a", 70))
    (ended,) = reconciler.note().missed
    assert (ended.cause, [each.before_ns for each in ended.spans]) == (Cause.FILTERED, [ns(70)])
