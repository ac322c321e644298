from __future__ import annotations

from typing import Any

import pytest
from msgspec import Raw

from ingest.core.attributes import Drops, was_restored
from ingest.core.catalog import NO_CATALOG
from ingest.core.coverage import FOREVER, Cause, Mark
from ingest.core.enrich import Enricher
from ingest.core.point import Kind, Point
from ingest.core.reconcile import Reconciler
from ingest.core.restart import repeats
from ingest.core.state import Change, Source, nanoseconds
from tests.core.changes import change, state

SECOND = 1_000_000_000


def at(second: int) -> str:
    return f"2026-11-23T12:00:{second:02}.000000+00:00"


def said(value: str, second: int, *, since: int | None = None, **attributes: Any) -> dict[str, Any]:
    """A state that was updated at a second, and stands since another."""
    return state("light.a", value, changed=at(second if since is None else since), updated=at(second), **attributes)


def step(old: dict[str, Any] | None, new: dict[str, Any] | None) -> Change:
    return change(new, old)


class Home:
    """One light, and what is made of what it says."""

    def __init__(self, *, under_way: bool = False, entities: int = 10) -> None:
        self.enricher = Enricher(Drops(), entities)
        self.enricher.restarts.under_way = under_way

    def point(self, made: Change, source: Source = Source.LIVE) -> Point:
        return self.enricher.point(made, source, NO_CATALOG)

    def kinds(self, *states: dict[str, Any] | None, source: Source = Source.LIVE) -> list[Kind | None]:
        """Of each after the one before it; the first, or what follows None, has no predecessor."""
        pairs = zip([None, *states], states, strict=False)
        return [self.point(step(old, new), source).kind for old, new in pairs if new is not None]

    def after_on(self) -> Home:
        self.point(step(said("off", 0), said("on", 1)))
        return self


STARTUP, CHANGED, RESTORED, ATTRIBUTES = Kind.STARTUP, Kind.CHANGED, Kind.RESTORED, Kind.ATTRIBUTES


@pytest.mark.parametrize(
    ("states", "kinds"),
    [
        ((said("unknown", 9), said("on", 10)), [STARTUP, STARTUP]),
        ((said("unavailable", 9), said("unknown", 10), said("on", 11)), [STARTUP, STARTUP, STARTUP]),
        ((said("unknown", 9), said("unknown", 10, since=9, n=1), said("on", 11)), [STARTUP, ATTRIBUTES, STARTUP]),
        ((said("unavailable", 9, restored=True), said("on", 10)), [RESTORED, STARTUP]),
        ((said("unknown", 9), said("on", 10), said("off", 11), said("on", 12)), [STARTUP, STARTUP, CHANGED, CHANGED]),
    ],
)
def test_the_steps_of_a_start_are_no_changes(states: tuple[dict[str, Any], ...], kinds: list[Kind]) -> None:
    for under_way in (True, False):
        assert Home(under_way=under_way).after_on().kinds(*states) == kinds


def test_another_value_than_before_is_one_of_the_start_while_that_is_under_way() -> None:
    states = said("unknown", 9), said("off", 10)
    assert Home(under_way=True).after_on().kinds(*states) == [STARTUP, STARTUP]
    assert Home().after_on().kinds(*states) == [STARTUP, CHANGED]


def test_a_value_that_goes_back_to_the_one_before_is_one_of_the_start_only_while_that_is_under_way() -> None:
    states = said("off", 9), said("on", 10)
    assert Home(under_way=True).after_on().kinds(*states) == [STARTUP, STARTUP]
    assert Home().after_on().kinds(*states) == [STARTUP, CHANGED], "hours later somebody switched it on"
    assert Home(under_way=True).after_on().kinds(*states, said("off", 11), said("on", 12))[2:] == [CHANGED, CHANGED]


def test_what_was_not_known_before_a_start_is_a_change_when_it_is_known_later() -> None:
    home = Home()
    home.point(step(None, said("unknown", 1)))
    assert home.kinds(said("unknown", 9), said("pressed", 10)) == [STARTUP, CHANGED]
    assert Home().kinds(said("unknown", 9), said("pressed", 10)) == [STARTUP, STARTUP], "nobody knows what it was"


def test_an_entity_that_was_put_back_before_we_came_is_known_by_its_attributes() -> None:
    assert Home().point(step(said("unavailable", 9, restored=True), said("on", 10))).kind is STARTUP
    assert Home().point(step(said("unavailable", 9), said("on", 10))).kind is CHANGED
    assert was_restored(Raw(b'{"restored": true}'))
    assert not was_restored(Raw(b"[]")), "what cannot be read was not restored"
    assert Home().after_on().point(step(said("on", 1), said("unavailable", 9))).kind is CHANGED


def test_a_removed_entity_begins_anew() -> None:
    home = Home().after_on()
    home.point(step(said("on", 1), None))
    assert home.enricher.last("light.a") is None
    assert home.kinds(said("unknown", 9), said("off", 10)) == [STARTUP, STARTUP]


def test_the_history_is_told_where_the_present_run_begins() -> None:
    home = Home()
    rows = said("on", 1), said("off", 2), said("unavailable", 10), said("off", 12), said("on", 13)
    unaware = [None, CHANGED, CHANGED, CHANGED, CHANGED]
    assert home.kinds(*rows, source=Source.BACKFILL) == unaware
    home.enricher.restarts.over(nanoseconds_of(10))
    assert home.kinds(*rows, source=Source.BACKFILL) == [None, CHANGED, STARTUP, STARTUP, CHANGED]
    first = home.point(step(said("on", 1), said("off", 10)), Source.BACKFILL)
    assert (first.kind, first.previous_state, first.duration) == (STARTUP, None, None)


def nanoseconds_of(second: int) -> int:
    new = step(None, said("x", second)).data.new_state
    assert new is not None
    return nanoseconds(new.last_updated)


def test_nothing_is_said_of_a_row_that_may_be_a_start_that_nobody_knows_of() -> None:
    assert Home().kinds(said("on", 1), said("on", 9), source=Source.BACKFILL) == [None, None]
    assert Home().kinds(said("on", 1), said("on", 9, since=1, n=1), source=Source.BACKFILL) == [None, ATTRIBUTES]
    assert Home().kinds(said("on", 1), said("on", 9)) == [STARTUP, CHANGED], "live it is a forced update"


def test_starts_do_not_fill_the_memory() -> None:
    enricher = Enricher(Drops(), 2)
    for name in "abc":
        enricher.point(change(state(f"light.{name}", "unknown")), Source.LIVE, NO_CATALOG)
    assert len(enricher.restarts._steps) == 2


@pytest.mark.parametrize(
    ("new", "repeated"),
    [
        (said("on", 9), True),
        (said("off", 9), False),
        (said("on", 9, brightness=1), False),
        (said("unavailable", 9, restored=True), False),
    ],
)
def test_a_replay_repeats_state_and_attributes(new: dict[str, Any], repeated: bool) -> None:
    home = Home().after_on()
    last = home.enricher.last("light.a")
    live, seen = step(None, new), home.point(step(None, new))
    assert repeats(seen, live, last, restarted=False) is repeated
    assert repeats(seen, live, None, restarted=False) is False
    read = home.point(live, Source.SNAPSHOT)
    assert repeats(read, live, last, restarted=True) is repeated
    assert repeats(read, live, last, restarted=False) is False


def test_a_change_is_no_replay() -> None:
    home = Home().after_on()
    forced = step(said("on", 1), said("on", 9))
    last = home.enricher.last("light.a")
    assert not repeats(home.point(forced), forced, last, restarted=True)


def test_a_row_of_the_history_is_compared_with_the_row_before() -> None:
    home = Home()
    home.enricher.restarts.over(nanoseconds_of(9))
    for old, repeated in ((said("on", 1), True), (said("off", 1), False), (said("on", 1, n=1), False), (None, False)):
        told = step(old, said("on", 9))
        point = home.point(told, Source.BACKFILL)
        assert repeats(point, told, None, restarted=False) is repeated


def mark(name: str, second: int) -> Mark:
    return Mark(name, name, second * SECOND)


def restarted(*seen: int, reconciler: Reconciler | None = None) -> Reconciler:
    known = reconciler or Reconciler({"a": mark("a", 1), "b": mark("b", 5)}, Cause.CONNECTION)
    known.enter(1)
    for number, second in enumerate(seen):
        known.knows(f"e{number}", f"e{number}", second * SECOND)
    return known


def test_home_assistant_restarted_when_nothing_is_left_of_before() -> None:
    assert restarted().restarted_ns is None
    assert restarted(9, 7, 8).restarted_ns == 7 * SECOND
    assert restarted(9, 4, 8).restarted_ns is None
    live = restarted(9)
    live.see(mark("a", 6))
    assert live.restarted_ns == 6 * SECOND


def test_a_state_that_is_left_out_is_part_of_what_may_be_missing() -> None:
    reconciler = restarted()
    reconciler.see(mark("a", 9), left_out=True)
    (missed,) = reconciler.note().missed
    assert [(each.after_ns, each.before_ns) for each in missed.spans] == [(1 * SECOND, 9 * SECOND + 1)]
    assert reconciler.marks["a"].time_ns == 9 * SECOND
    assert reconciler.knows("a", "a", 9 * SECOND), "the snapshot says nothing new of it"


def test_the_history_may_tell_of_what_was_left_out_of_an_entity_that_came_back() -> None:
    reconciler = restarted(6)
    reconciler.complete()
    assert [each.before_ns for missed in reconciler.note().missed for each in missed.spans] == [FOREVER, FOREVER]
    reconciler.see(mark("a", 9), left_out=True)
    reconciler.see(mark("b", 9))
    assert not reconciler.told("a", 9 * SECOND)
    assert reconciler.told("b", 9 * SECOND)
