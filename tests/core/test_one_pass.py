"""What is decoded in one pass is what is decoded message by message: the same values, or the same complaints."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.core import wire
from ingest.core.conversation import Received
from ingest.core.state import Frame
from ingest.core.wire import Malformed
from tests.core.test_conversation import event, recorded, subscribed
from tests.core.test_wire import json_values

# What a change is made of, and what is next to it: every place that a decoder looks at, and some that none does.
ODD: Final = (
    b"null", b"7", b'"7"', b"7.0", b"7.5", b"-0", b"1e3", b"1e999", b"18446744073709551617", b"9" * 4301, b"true",
    b"[]", b"{}", b'{"a":1}', b'""', b'"event"', b'"EVENT"', b'"result"', b'"\\u0065vent"', b'"\\ud800"', b'"\\ud83d\\ude00"',
    b'"2026-11-02T12:00:00"', b'"2026-11-02T12:00:00Z"', b'"2026-11-02T12:00:00.1234567890+00:00"',
    b'"2026-11-02T12:00:00.9999999+14:00"', b'"2026-11-02 12:00:00+00:00"', b'"2026-02-30T12:00:00+00:00"',
    b'"0001-01-01T00:00:00+23:59"', b'"9999-12-31T23:59:59.999999-23:59"', b'"2026-11-02T23:59:60+00:00"',
    b"[" * 2000, b'{"a":' * 2000, b"NaN", b"Infinity", b"'a'", b"",
)  # fmt: skip
NAMES: Final = (
    b"type", b"id", b"event", b"data", b"entity_id", b"old_state", b"new_state", b"state", b"attributes", b"context",
    b"time_fired", b"last_changed", b"last_updated", b"event_type", b"origin", b"result", b"error",
)  # fmt: skip


RECORDED: Final = [re.sub(r'"id":\d+}$', '"id":1}', text).encode() for text in recorded("state_changed ")]
MADE: Final = json.dumps(event("light.b\U0001f600", "\u00b0"), ensure_ascii=False).encode()
messages = st.sampled_from([*RECORDED, MADE])


def _value(message: bytes, name: bytes, value: bytes) -> bytes:
    """Another value in the first place of that name."""
    begun = re.compile(b'"' + name + rb'":\s*("(?:[^"\\]|\\.)*"|[\w.+-]+|(?=[\[{]))')
    return begun.sub(lambda found: b'"' + name + b'":' + value, message, count=1)


def _twice(message: bytes, name: bytes, value: bytes) -> bytes:
    """The name once more, at the beginning of the message or of what stands under it."""
    return message.replace(b"{", b'{"' + name + b'":' + value + b",", 1)


def _last(message: bytes, name: bytes, value: bytes) -> bytes:
    return message[:-1] + b',"' + name + b'":' + value + b"}"


def _deeper(message: bytes, name: bytes, value: bytes) -> bytes:
    """At the beginning of every object."""
    return message.replace(b"{", b'{"' + name + b'":' + value + b",").replace(b",}", b"}")


def _renamed(message: bytes, name: bytes, value: bytes) -> bytes:
    return message.replace(b'"' + name + b'"', b'"x' + value.strip(b'"')[:3] + b'"', 1)


changed: tuple[Callable[[bytes, bytes, bytes], bytes], ...] = (_value, _twice, _last, _deeper, _renamed)
values = st.sampled_from(ODD) | json_values.map(lambda value: json.dumps(value).encode())
altered = st.builds(
    lambda message, change, name, value: change(message, name, value),
    messages,
    st.sampled_from(changed),
    st.sampled_from(NAMES),
    values,
)


@st.composite
def garbled(draw: st.DrawFn) -> bytes:
    """Nonsense in it, but UTF-8: a library hands out nothing else."""
    message = draw(messages).decode()
    start = draw(st.integers(0, len(message)))
    return (message[:start] + draw(st.text(max_size=3)) + message[start + draw(st.integers(0, 3)) :]).encode()


one = st.one_of(messages, messages, altered, garbled())
texts = one | st.lists(one, max_size=4).map(lambda each: b"[" + b",".join(each) + b"]")


def told(received: list[Received]) -> tuple[list[object], int]:
    """The values, those of frames by themselves, and how much they weigh."""
    found: list[object] = []
    for each in received:
        match each:
            case Frame():
                found += each.changes
            case Malformed():
                found.append((each.kind, str(each), each.excerpt))
            case _:
                found.append(each)
    return found, sum(each.size for each in received if isinstance(each, Frame))


@pytest.mark.parametrize("message", [*RECORDED, MADE])
def test_what_was_recorded_is_read_once(message: bytes) -> None:
    """Else all of this would prove nothing."""
    assert wire.changes(message, {1}) is not None
    assert wire.changes(b"[" + message + b"]", {1}) is not None


@given(st.lists(texts, min_size=1, max_size=3))
def test_a_frame_is_the_same_read_once_or_message_by_message(said: list[bytes]) -> None:
    now = told(subscribed().receive(*said))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wire, "changes", lambda *_: None)
        assert now == told(subscribed().receive(*said))
