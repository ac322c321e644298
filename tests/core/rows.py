"""Rows of a history for tests, and the simulator's past as the truth about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import strategies as st
from msgspec import Raw

from ingest.core import history
from ingest.core.coverage import Span
from ingest.core.history import Row
from ingest.core.history_progress import Recorded
from ingest.core.history_query import Query
from ingest.core.history_witness import Answer
from ingest.core.recorder import Recorder
from ingest.core.state import Change, nanoseconds
from ingest.simulator.history import Past, Question, Rows, compressed, parse_time
from ingest.simulator.history import Row as Recording
from ingest.simulator.values import DAY, State

BEGIN = 1_795_422_102_064_559
"""Microseconds: a time whose floats have digits below."""

IDLE = Recorder(recording=True, thread_running=True, backlog=0)
KEYS = ("sensor.a", "sensor.b", "light.ö", "climate.c")


def ns(at: int) -> int:
    return at * 1000


@st.composite
def pasts(draw: st.DrawFn, keys: Sequence[str] = KEYS, most: int = 20) -> Past:
    """A past of some entities: states, attributes alone, forced updates and removals, close together and far apart."""
    past = Past(10 * DAY)
    for key in keys:
        at, before = BEGIN + draw(st.integers(0, 10_000_000)), None
        for _ in range(draw(st.integers(0, most))):
            at += draw(st.sampled_from([1, 2, 999, 1000, 1001, 500_000, 3_600_000_000]))
            value = draw(st.sampled_from(["on", "off", "", "21.5", None]))
            if value is None and before is None:
                continue
            before = _state(key, value, at, before, draw(st.booleans()))
            past.record(key, Recording(at, before))
    return past


def _state(key: str, value: str | None, at: int, before: State | None, forced: bool) -> State | None:
    if value is None:
        return None
    same = before is not None and before.state == value and not forced
    changed = before.changed if same and before is not None else at
    return State(key, value, b'{"at":%d}' % at, changed, at, "c")


@st.composite
def spans(draw: st.DrawFn, past: Past, keys: Sequence[str] = KEYS) -> list[Span]:
    """Spans between rows of the past, of which an entity may have several that do not overlap."""
    found: list[Span] = []
    for key in keys:
        times = [row.at for row in past.rows(key)]
        if len(times) < 2:
            continue
        ends = sorted(draw(st.sets(st.sampled_from(times), min_size=2, max_size=6)))
        for after, before in zip(ends[::2], ends[1::2], strict=False):
            found.append(Span(key, key, ns(after), ns(before), len(found) + 1))
    return found


@st.composite
def gaps(draw: st.DrawFn, past: Past, keys: Sequence[str] = KEYS) -> tuple[list[Span], int]:
    """What was missed in a gap, each entity's from its last state before, and since when: until then all is known."""
    times = sorted({row.at for key in keys for row in past.rows(key)})
    since, until = sorted(draw(st.tuples(*[st.sampled_from(times or [BEGIN])] * 2)))
    found: list[Span] = []
    for key in keys:
        before = [row.at for row in past.rows(key) if row.at <= since]
        after = [row.at for row in past.rows(key) if row.at > until]
        if before and after:
            found.append(Span(key, key, ns(before[-1]), ns(after[0]), len(found) + 1))
    return found, ns(since)


def truth(past: Rows, span: Span) -> list[tuple[Any, ...]]:
    """What lies inside a span: state, times, attributes, and the state before."""
    rows = list(past.rows(span.entity_id))
    pairs = zip(rows, [None, *rows], strict=False)
    return [
        _said(row) + (_old(before) if before is not None and ns(before.at) >= span.after_ns else (None,))
        for row, before in pairs
        if span.after_ns < ns(row.at) < span.before_ns
    ]


def _said(row: Recording) -> tuple[Any, ...]:
    if row.state is None:
        return (ns(row.at), None, None, None)
    return (ns(row.at), row.state.state, ns(row.state.changed), row.state.attributes)


def _old(row: Recording) -> tuple[Any, ...]:
    return (None,) if row.state is None else ((row.state.state, ns(row.state.changed), row.state.attributes),)


def told(change: Change) -> tuple[Any, ...]:
    """A change in the same shape."""
    old, new = change.data.old_state, change.data.new_state
    before = None if old is None else (old.state, nanoseconds(old.last_changed), bytes(old.attributes))
    if new is None:
        return (nanoseconds(change.time_fired), None, None, None, before)
    assert new.last_updated == change.time_fired
    return (
        nanoseconds(new.last_updated),
        new.state,
        nanoseconds(new.last_changed),
        bytes(new.attributes),
        before,
    )


def question(fields: Mapping[str, Any]) -> Question:
    """What a client asks with these fields."""
    start, end = parse_time(fields["start_time"]), parse_time(fields["end_time"])
    assert start is not None
    assert end is not None
    significant, start_state = fields["significant_changes_only"], fields["include_start_time_state"]
    keys = tuple(fields["entity_ids"])
    return Question(start, end, keys, significant, start_state, fields["minimal_response"], fields["no_attributes"])


def asked(past: Rows, query: Query, recorder: Recorder = IDLE, *, now_ns: int = 2**62) -> Answer:
    """What the history of this past says to a question."""
    raw = compressed(past, question(query.fields()))
    return Answer({key: Recorded(rows) for key, rows in decoded(raw).items()}, recorder, now_ns)


def decoded(raw: bytes) -> dict[str, list[Row]]:
    found = {}
    for key, raws in history.listed(Raw(raw)):
        assert isinstance(raws, list)
        found[key] = history.in_order(row for row in history.rows_of(raws) if isinstance(row, Row))
        assert len(found[key]) == len(raws)
    return found
