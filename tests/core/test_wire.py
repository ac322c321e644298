from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from ingest.core import wire
from ingest.core.wire import Envelope, Malformed

DEEP = "[" * 100_000

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
keys = st.sampled_from(["type", "id", "success", "result", "error", "event", "ha_version", "message", "code"])
nearly = st.dictionaries(keys, json_values | st.sampled_from(["event", "result", "auth_ok"]), max_size=6)


def test_an_object_is_one_message_and_an_array_many() -> None:
    one = '{"id":7,"type":"result","success":true,"result":[1]}'
    (alone,) = wire.envelopes(one)
    assert alone == Envelope("result", 7, success=True, result=Raw(b"[1]"))
    assert [each == alone for each in wire.envelopes(f"[{one},{one}]")] == [True, True]
    assert list(wire.envelopes(f" [{one}] ")) == [alone]
    assert list(wire.envelopes("[]")) == []


def test_one_malformed_message_costs_its_neighbours_nothing() -> None:
    first, bad, _, last = wire.envelopes('[{"type":"pong","id":1},{"id":2},3,{"type":"pong","id":4}]')
    assert (first, last) == (Envelope("pong", 1), Envelope("pong", 4))
    assert isinstance(bad, Malformed)
    assert (bad.kind, bad.excerpt) == ("message", '{"id":2}')


@pytest.mark.parametrize(
    "text", ["", "{", "not JSON", "null", "3", '"text"', '{"type":7}', DEEP, '{"type":"a","id":1e999}']
)
def test_what_is_no_message_is_malformed(text: str) -> None:
    (found,) = wire.envelopes(text)
    assert isinstance(found, Malformed)
    assert found.problem
    assert len(found.excerpt) <= 400


@given(st.text() | json_values.map(json.dumps) | nearly.map(json.dumps) | st.lists(nearly).map(json.dumps))
def test_no_text_raises(text: str) -> None:
    for each in wire.envelopes(text):
        assert isinstance(each, Envelope | Malformed)


@pytest.mark.parametrize("decode", [wire.change, wire.registry_updated, wire.core_config, wire.raw_list, wire.state])
@pytest.mark.parametrize("raw", [b"", b"null", b"7", b'"x"', b"{", b"\xff\xfe", b"[" * 100_000, b'{"data":' * 9999])
def test_what_is_raw_is_decoded_or_malformed(decode: object, raw: bytes) -> None:
    assert callable(decode)
    with pytest.raises(Malformed):
        decode(Raw(raw))


def test_an_excerpt_is_short_and_readable_whatever_it_is_of() -> None:
    assert Malformed("frame", "why", "x" * 1000).excerpt == "x" * 400
    assert Malformed("frame", "why", b"\xff ok").excerpt == "\ufffd ok"


def test_a_time_without_an_offset_is_malformed() -> None:
    event = {
        "data": {"entity_id": "a.b", "old_state": None, "new_state": None},
        "time_fired": "2026-11-23T12:00:00.000000",
    }
    with pytest.raises(Malformed, match="timezone"):
        wire.change(Raw(json.dumps(event).encode()))


def test_a_config_without_a_state_is_that_of_a_server_that_has_none() -> None:
    assert wire.core_config(Raw(b'{"version":"2026.1"}')) == wire.CoreConfig("")
