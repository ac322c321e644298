"""What an event costs is counted here, not timed: how often its bytes are looked at, and what is remembered of it."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from ingest.core import wire
from ingest.core.attributes import AttributesCache, Drops
from ingest.core.conversation import STATE_CHANGED, Conversation
from ingest.core.lineprotocol import measurement, tag
from ingest.core.sealing import cut, seal, seal_grouped, seal_pieces, uncut, unsealed, weight
from ingest.core.state import Frame

MOMENT = "2026-11-02T12:00:00.000000+00:00"


def told(name: str, *, number: int = 1, time: str = MOMENT) -> dict[str, Any]:
    new = {"entity_id": name, "state": "on", "attributes": {}, "last_changed": time, "last_updated": time}
    event = {"event_type": STATE_CHANGED, "data": {"entity_id": name, "new_state": new}, "time_fired": time}
    return {"type": "event", "event": event, "id": number}


def listening() -> Conversation:
    conversation = Conversation()
    conversation.subscribe(STATE_CHANGED)
    return conversation


def names(received: list[Any]) -> list[str]:
    return [change.data.entity_id for each in received if isinstance(each, Frame) for change in each.changes]


@pytest.fixture
def read_twice(monkeypatch: pytest.MonkeyPatch) -> list[str | bytes]:
    """The frames that did not come through in one pass."""
    frames: list[str | bytes] = []
    envelopes = wire.envelopes

    def counted(text: str | bytes) -> Any:
        frames.append(text)
        return envelopes(text)

    monkeypatch.setattr(wire, "envelopes", counted)
    return frames


@pytest.mark.parametrize("as_bytes", [True, False])
def test_a_frame_of_changes_is_read_once(read_twice: list[str | bytes], *, as_bytes: bool) -> None:
    text = json.dumps([told("light.a"), told("light.b\U0001f600")], ensure_ascii=False)
    found = listening().receive(text.encode() if as_bytes else text)
    assert names(found) == ["light.a", "light.b\U0001f600"]
    assert names(listening().receive(json.dumps(told("light.c")))) == ["light.c"]
    assert not read_twice


@pytest.mark.parametrize(
    "other",
    [
        {"type": "result", "id": 1, "success": True, "result": None},
        told("light.other", number=2),
        told("light.broken", time="yesterday"),
        {"type": "event", "id": 1, "event": {"a": 1}},
        7,
    ],
)
def test_whatever_else_is_in_a_frame_costs_its_changes_nothing(read_twice: list[str | bytes], other: object) -> None:
    found = listening().receive(json.dumps([told("light.a"), other, told("light.b")]))
    assert names(found) == ["light.a", "light.b"]
    assert len(found) == 2
    assert len(read_twice) == 1


def test_an_event_of_another_subscription_is_no_change(read_twice: list[str | bytes]) -> None:
    """The registry's events have an entity_id where a removal has one."""
    assert not names(listening().receive(json.dumps(told("light.a", number=2))))
    assert len(read_twice) == 1


def test_who_asked_for_no_changes_does_not_look_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "changes", None)
    (answer,) = Conversation().receive('{"type": "result", "id": 1, "success": true, "result": []}')
    assert bytes(answer.result) == b"[]"  # type: ignore[union-attr]


def test_attributes_that_repeat_are_the_same_object_and_pin_no_frame() -> None:
    cache = AttributesCache(Drops())
    frame = b'{"friendly_name":"\xf0\x9f\x98\x80"}'
    first, again = cache.of("light.a", Raw(bytes(frame))), cache.of("light.a", Raw(bytes(bytearray(frame))))
    assert first is again
    assert {type(kept) for kept, _ in cache._last.values()} == {Raw}
    assert all(bytes(kept) is not frame and len(bytes(kept)) == len(frame) for kept, _ in cache._last.values())


def test_lines_of_a_series_are_sealed_together_in_their_order() -> None:
    lines = [b"m,e=%d v=%d %d" % (number % 50, number, number) for number in range(1000)]
    grouped = unsealed(seal_grouped(lines))
    assert sorted(grouped) == sorted(lines)
    assert [line for line in grouped if line.startswith(b"m,e=7 ")] == lines[7::50]
    series = [line.partition(b" ")[0] for line in grouped]
    assert sum(one != other for one, other in pairwise(series)) == 49
    assert len(seal_grouped(lines)) < len(seal(lines))


parts = st.text(st.sampled_from(' ,=\\\u00e4x\n"'), min_size=1, max_size=5)
told_lines = st.lists(st.tuples(parts, st.dictionaries(parts, parts, max_size=3), st.integers(0, 3)), max_size=30)


@given(told_lines)
def test_of_one_series_the_last_word_stays_the_last(told: list[tuple[str, dict[str, str], int]]) -> None:
    """A database keeps the later of two lines of one series and time, and a space of a name is no end of it."""
    lines = []
    for number, (name, tags, time_ns) in enumerate(told):
        known = "".join(f",{tag(key)}={tag(value)}" for key, value in sorted(tags.items()))
        lines.append(f"{measurement(name)}{known} v={number} {time_ns}".encode())
    grouped = unsealed(seal_grouped(lines)) if lines else ()
    assert sorted(grouped) == sorted(lines)
    for each in {_series(line) for line in lines}:
        assert [line for line in grouped if _series(line) == each] == [line for line in lines if _series(line) == each]


@given(st.lists(st.binary(max_size=6).map(lambda line: line.replace(b"\n", b" ")), max_size=12))
def test_lines_in_pieces_are_sealed_as_whole_lines_are(lines: list[bytes]) -> None:
    assert [uncut(cut(line)) for line in lines] == lines
    assert weight([cut(line) for line in lines]) == sum(map(len, lines))
    by_series = sorted(lines, key=lambda line: line.partition(b" ")[0])
    assert seal_pieces([cut(line) for line in lines]) == seal_grouped(lines) == seal(by_series)


def _series(line: bytes) -> bytes:
    return line[: line.rindex(b" v=")]
