"""What the filter leaves out, against a home whose every change is known, through lost connections and restarts."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.core.coverage import FOREVER, MICROSECOND, Cause, Mark, Missed, Note, Span
from ingest.core.excluded import Excluded
from ingest.core.ledger import Remembered
from ingest.core.reconcile import Reconciler
from ingest.core.remembering import reconciler, remembered_late

ENTITIES = ("a.a", "b.b", "c.c")


@define
class House:
    """A home, a service that hears it or not, and what its ledger was told. An entity's name for life is its name."""

    made: Reconciler = field(factory=Reconciler)
    tick: int = 100
    session: int = 0
    hearing: bool = False
    excluded: set[str] = field(factory=set)
    present: dict[str, int] = field(factory=dict)
    events: list[tuple[str, int]] = field(factory=list)
    stored: set[tuple[str, int]] = field(factory=set)
    left_out: set[tuple[str, int]] = field(factory=set)
    marks: dict[str, Mark] = field(factory=dict)
    spans: dict[tuple[bool, str, int], Span] = field(factory=dict)

    def happen(self, entity: str) -> None:
        """The entity changes."""
        self.tick += 1
        self.present[entity] = self.tick * MICROSECOND
        self.events.append((entity, self.present[entity]))
        if self.hearing:
            self.judge(entity)
            self.hear(self.made.note())

    def judge(self, entity: str) -> None:
        mark = Mark(entity, entity, self.present[entity])
        if entity in self.excluded:
            self.made.exclude(mark)
            self.left_out.add((entity, mark.time_ns))
        else:
            self.made.see(mark)
            self.stored.add((entity, mark.time_ns))

    def look(self) -> None:
        """A snapshot: of a new session, or because there are other rules."""
        for entity, time_ns in self.present.items():
            if not self.made.knows(entity, entity, time_ns):
                self.judge(entity)
        self.made.complete()
        self.hear(self.made.note())

    def listen(self) -> None:
        self.session += 1
        self.hearing = True
        self.made.enter(self.session)
        self.look()

    def restart(self) -> None:
        """Another process begins with what is in the ledger."""
        since = {
            name: after
            for (filtered, name, after), span in self.spans.items()
            if filtered and span.before_ns == FOREVER
        }
        self.hearing = False
        self.made = reconciler(Remembered(tuple(self.marks.values()), None, since))

    def choose(self, entity: str, *, excluded: bool) -> None:
        (self.excluded.add if excluded else self.excluded.discard)(entity)
        if self.hearing:
            self.look()

    def hear(self, note: Note) -> None:
        self.marks.update((mark.registry_id, mark) for mark in note.marks)
        for missed in note.missed:
            for span in missed.spans:
                key = (missed.cause is Cause.FILTERED, span.registry_id, span.after_ns)
                known = self.spans.get(key, span)
                self.spans[key] = known if known.before_ns < span.before_ns else span

    def within(self, event: tuple[str, int], *, filtered: bool) -> bool:
        return any(
            key[0] is filtered and span.registry_id == event[0] and span.after_ns < event[1] < span.before_ns
            for key, span in self.spans.items()
        )


acts = st.lists(
    st.one_of(
        st.tuples(st.just("happen"), st.sampled_from(ENTITIES)),
        st.tuples(st.just("happen"), st.sampled_from(ENTITIES)),
        st.tuples(st.sampled_from(["exclude", "include"]), st.sampled_from(ENTITIES)),
        st.tuples(st.sampled_from(["lose", "listen", "restart"]), st.just("")),
    ),
    max_size=40,
)


def live(house: House, done: Sequence[tuple[str, str]]) -> None:
    for act, entity in done:
        match act:
            case "happen":
                house.happen(entity)
            case "exclude" | "include":
                house.choose(entity, excluded=act == "exclude")
            case "lose":
                house.hearing = False
            case "listen" if not house.hearing:
                house.listen()
            case "restart":
                house.restart()
            case _:
                pass


@settings(max_examples=400)
@given(acts)
def test_what_is_not_stored_is_known_not_to_be_and_what_was_left_out_is_told_apart(
    done: Sequence[tuple[str, str]],
) -> None:
    house = House()
    house.listen()
    for entity in ENTITIES:
        house.happen(entity)
    live(house, done)
    house.excluded.clear()
    house.restart()
    house.listen()
    for event in house.events:
        mark = house.marks[event[0]]
        if event in house.stored:
            assert not house.within(event, filtered=True)
            continue
        assert mark.oldest_ns < event[1] < mark.time_ns
        assert house.within(event, filtered=True) or house.within(event, filtered=False)
        if event in house.left_out:
            assert house.within(event, filtered=True)
            assert not house.within(event, filtered=False)
    assert not house.made.excluded.since
    assert all(span.before_ns < FOREVER for span in house.spans.values())


def test_what_came_back_and_was_told_in_a_frame_that_is_lost_is_told_again() -> None:
    excluded = Excluded()
    excluded.begin(Mark("a", "a.a", 20), 10)
    (begun,) = excluded.take()
    assert begun == Missed(Cause.FILTERED, 10, 10, (Span("a.a", "a", 10, FOREVER),))
    assert excluded.still(begun.spans) == list(begun.spans)
    excluded.end(Mark("a", "a.a", 40), 40, reading=False)
    (ended,) = excluded.take()
    assert ended == Missed(Cause.FILTERED, 10, 40, (Span("a.a", "a", 10, 40),))
    assert excluded.still(begun.spans) == []
    assert excluded.still(ended.spans) == list(ended.spans)
    assert excluded.take() == ()
    made = Reconciler(excluded=excluded)
    made.give_back([begun, ended])
    assert made.note().missed == (ended,)


def test_an_earlier_state_of_the_snapshot_ends_it_earlier() -> None:
    excluded = Excluded({"a": 10})
    excluded.end(Mark("a", "a.a", 40), 40, reading=True)
    assert "a" in excluded
    excluded.end(Mark("a", "a.a", 30), 30, reading=True)
    (told,) = excluded.take()
    assert told.spans == (Span("a.a", "a", 10, 30),)
    assert list(excluded.ended) == list(told.spans)
    excluded.handed_over([Span("a.a", "a", 10, 40)])
    assert list(excluded.ended) == list(told.spans)
    excluded.handed_over(told.spans)
    assert list(excluded.ended) == []
    excluded.over()
    assert not excluded
    excluded.end(Mark("a", "a.a", 50), 50, reading=False)
    assert excluded.take() == ()


def test_rows_of_the_history_that_are_left_out_are_one_span_a_frame() -> None:
    excluded = Excluded({"b": 100})
    for time_ns in (30, 20, 40):
        excluded.tell(Mark("a", "a.a", time_ns))
    excluded.tell(Mark("b", "b.b", 200))
    excluded.tell(Mark("b", "b.b", 50))
    (told,) = excluded.take()
    assert told.spans == (Span("a.a", "a", 19, 41), Span("b.b", "b", 49, 51))


def test_what_the_run_before_knew_may_come_late() -> None:
    made = Reconciler()
    made.forget_nothing()
    remembered_late(made, Remembered((Mark("a", "a.a", 10_000),), None, {"a": 10_000}))
    made.enter(1)
    made.see(Mark("a", "a.a", 50_000))
    (missed,) = made.note().missed
    assert (missed.cause, missed.spans) == (Cause.FILTERED, (Span("a.a", "a", 10_000, 50_000),))
