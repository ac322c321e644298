from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.core.ws_messages import LARGEST, Conversation, Quota

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def conversation(most: int = 1000) -> Conversation:
    return Conversation(Quota(most, 60.0), lambda: "fresh")


def heard(text: str | None, now: float = 0.0, by: Conversation | None = None) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads((by or conversation()).hear(text, now, "now"))
    return answer


def told(by: Conversation, **message: object) -> dict[str, Any]:
    return heard(json.dumps(message), by=by)


def test_the_61st_message_of_a_window_has_to_wait_and_is_welcome_after_it() -> None:
    by = conversation(60)
    for second in range(60):
        assert heard('{"type": "ping"}', second * 0.5, by)["type"] == "pong"
    refused = heard('{"type": "ping", "correlation_id": "mine"}', 30.0, by)
    assert refused == {
        "type": "error",
        "message": "more than 60 messages in 60 s: wait 30 s",
        "correlation_id": "mine",
    }
    assert by.had_too_many
    assert heard("nonsense", 59.9, by)["message"].endswith("wait 1 s")
    assert heard('{"type": "ping"}', 60.0, by)["type"] == "pong"
    assert heard('{"type": "ping"}', 60.4, by)["type"] == "error"
    assert heard('{"type": "ping"}', 60.5, by)["type"] == "pong"


def test_subscriptions_add_up_and_are_taken_back() -> None:
    by = conversation()
    assert told(by, type="subscribe", channels=["events"]) == {
        "type": "subscription",
        "status": "subscribed",
        "channels": ["events"],
        "timestamp": "now",
        "correlation_id": "fresh",
    }
    assert told(by, type="subscribe", channels=["light", "light"])["channels"] == ["events", "light"]
    left = told(by, type="unsubscribe", channels=["events", "sensor"])
    assert (left["status"], left["channels"]) == ("unsubscribed", ["light"])
    assert told(by, type="subscribe")["channels"] == ["light", "*"]
    assert told(by, type="unsubscribe")["channels"] == []


def test_channels_of_several_messages_are_limited_together() -> None:
    by = conversation()
    told(by, type="subscribe", channels=[f"light.n{number}" for number in range(99)])
    refused = told(by, type="subscribe", channels=["light.a", "light.b"])
    assert refused["message"] == "101 channels are more than 100: a glob stands for many"
    assert len(by.channels) == 99
    assert len(told(by, type="subscribe", channels=["light.a"])["channels"]) == 100


def test_what_is_not_known_comes_back() -> None:
    text = '{"type": "hello", "n": 1e2, "b": [1,  2], "correlation_id": "q\\"1"}'
    answer = heard(text)
    assert (answer["type"], answer["correlation_id"]) == ("echo", 'q"1')
    assert answer["original"] == json.loads(text)


@pytest.mark.parametrize(
    ("text", "fault", "named"),
    [
        (None, "binary", "fresh"),
        ("", "not JSON", "fresh"),
        ('{"correlation_id": "a", "type": }', "not JSON", "a"),
        ("[" * 10_000, "nested too deeply", "fresh"),
        ('[{"correlation_id": "b"}]', "not a JSON object", "b"),
        ('{"correlation_id": "c", "x": "' + "x" * LARGEST, "more than 65,536 bytes", "c"),
        ("é" * (LARGEST // 2 + 1), "more than 65,536 bytes", "fresh"),
        ('{"type": "ping", "correlation_id": 7}', '"correlation_id" must be', "fresh"),
        ('{"type": 1, "correlation_id": "q\\"1"}', '"type" must be', 'q"1'),
        ('{"type": "subscribe", "channels": "light", "correlation_id": "d"}', "list of texts", "d"),
    ],
)
def test_the_first_fault_is_named_with_the_clients_own_id(text: str | None, fault: str, named: str) -> None:
    answer = heard(text)
    assert answer.keys() == {"type", "message", "correlation_id"}
    assert answer["type"] == "error"
    assert fault in answer["message"]
    assert answer["correlation_id"] == named


@given(st.text() | JSON.map(json.dumps))
def test_whatever_is_said_is_answered(text: str) -> None:
    by = conversation()
    answer = heard(text, by=by)
    assert answer["correlation_id"]
    assert answer["type"] in {"error", "echo", "pong", "subscription"}
    assert heard('{"type": "ping"}', by=by)["type"] == "pong"


def test_the_greeting_says_what_is_allowed() -> None:
    greeting = json.loads(conversation(60).greeting("now", "1.2"))
    assert (greeting["type"], greeting["status"], greeting["version"]) == ("connection", "connected", "1.2")
    assert greeting["limits"]["messages"] == 60
