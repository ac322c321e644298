"""The conversation without a socket, on frames as real servers sent them and on everything else a socket may say."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from ingest.core.conversation import (
    NAMELESS,
    STATE_CHANGED,
    Answer,
    AuthInvalid,
    AuthOk,
    AuthRequired,
    Conversation,
    Nameless,
    Received,
    Unexpected,
    auth,
)
from ingest.core.state import Change, Frame
from ingest.core.wire import CommandError, Malformed, RegistryUpdated
from tests.core.changes import LATER, NOON, state
from tests.core.test_wire import nearly

FRAMES = Path(__file__).parents[1] / "frames" / "canonical-2025.4.4.jsonl"


def event(entity_id: str, value: str = "on", number: int = 1) -> dict[str, Any]:
    """A `state_changed` message as Home Assistant writes it: the id comes last."""
    data = {"entity_id": entity_id, "old_state": None, "new_state": state(entity_id, value)}
    body = {"event_type": STATE_CHANGED, "data": data, "origin": "LOCAL", "time_fired": LATER, "context": {}}
    return {"type": "event", "event": body, "id": number}


def subscribed() -> Conversation:
    conversation = Conversation()
    assert conversation.subscribe(STATE_CHANGED)[0] == 1
    return conversation


def entities(received: object) -> list[str]:
    assert isinstance(received, Frame)
    return [change.data.entity_id for change in received.changes]


def recorded(start: str) -> list[str]:
    rows = [json.loads(line) for line in FRAMES.read_text(encoding="utf-8").splitlines()]
    return [row["raw"] for row in rows if row["kind"].startswith(start)]


def test_ids_strictly_increase_over_commands_and_subscriptions() -> None:
    conversation = Conversation()
    made = [conversation.command("ping"), conversation.subscribe(STATE_CHANGED), conversation.command("get_config")]
    assert [number for number, _ in made] == [1, 2, 3]
    assert [json.loads(text) for _, text in made] == [
        {"id": 1, "type": "ping"},
        {"id": 2, "type": "subscribe_events", "event_type": "state_changed"},
        {"id": 3, "type": "get_config"},
    ]


def test_the_auth_message_has_no_id_and_no_other_key() -> None:
    assert json.loads(auth('to"ken')) == {"type": "auth", "access_token": 'to"ken'}


def test_the_words_of_authentication_as_recorded() -> None:
    (required,), (ok,), *invalid = (Conversation().receive(text) for text in recorded("auth_"))
    assert (required, ok) == (AuthRequired("2025.4.4"), AuthOk("2025.4.4"))
    assert all(isinstance(each, AuthInvalid) and each.message for (each,) in invalid)


@pytest.mark.parametrize("text", recorded("error_"))
def test_every_recorded_error_is_an_answer_with_its_code(text: str) -> None:
    (answer,) = Conversation().receive(text)
    said = json.loads(text)
    assert isinstance(answer, Answer)
    assert answer.error == CommandError(said["error"]["code"], said["error"]["message"])
    assert answer.id == said["id"]


@pytest.mark.parametrize("text", recorded("result"))
def test_every_recorded_result_is_an_answer_with_its_text(text: str) -> None:
    (answer,) = Conversation().receive(text)
    assert isinstance(answer, Answer)
    assert (answer.id, answer.error) == (json.loads(text)["id"], None)
    assert json.loads(bytes(answer.result)) == json.loads(text)["result"]


def test_a_pong_is_an_answer() -> None:
    assert Conversation().receive(recorded("pong")[0]) == [Answer(1)]


@pytest.mark.parametrize("text", recorded("state_changed"))
def test_every_recorded_change_is_a_frame_of_one(text: str) -> None:
    conversation, said = Conversation(), json.loads(text)
    while conversation.subscribe(STATE_CHANGED)[0] < said["id"]:
        pass
    (frame,) = conversation.receive(text)
    assert entities(frame) == [said["event"]["data"]["entity_id"]]
    assert isinstance(frame, Frame)
    assert frame.size == len(text.encode())


@pytest.mark.parametrize("text", recorded("event "))
def test_every_recorded_registry_event_is_one(text: str) -> None:
    conversation, said = Conversation(), json.loads(text)
    while conversation.subscribe("entity_registry_updated")[0] < said["id"]:
        pass
    (updated,) = conversation.receive(text)
    assert isinstance(updated, RegistryUpdated)
    assert updated.event_type == said["event"]["event_type"]
    assert updated.data.action == said["event"]["data"]["action"]


def test_a_coalesced_frame_mixes_results_and_changes_and_keeps_their_order() -> None:
    parts = [event("a.1"), {"id": 1, "type": "result", "success": True, "result": None}, event("a.2"), event("a.1")]
    answer, frame = subscribed().receive(json.dumps(parts))
    assert answer == Answer(1, Raw(b"null"))
    assert entities(frame) == ["a.1", "a.2", "a.1"]


@pytest.mark.parametrize(
    "bad",
    [
        {"type": "event", "event": {"event_type": "state_changed"}, "id": 1},
        {"type": "event", "event": None, "id": 1},
        {"type": "event", "id": 1},
        {"id": 1},
        [],
        7,
    ],
)
def test_one_malformed_element_costs_its_neighbours_nothing(bad: object) -> None:
    *others, frame = subscribed().receive(json.dumps([event("a.1"), bad, event("a.2")]))
    assert [type(each) for each in others] == [Malformed]
    assert entities(frame) == ["a.1", "a.2"]


def test_events_may_come_before_the_answer_to_their_subscription() -> None:
    conversation = Conversation()
    number, _ = conversation.subscribe(STATE_CHANGED)
    (frame,) = conversation.receive(json.dumps(event("a.1", number=number)))
    assert entities(frame) == ["a.1"]


def test_an_event_of_no_subscription_is_unexpected() -> None:
    assert subscribed().receive(json.dumps(event("a.1", number=9))) == [Unexpected("event")]


@pytest.mark.parametrize("message", [{}, {"id": None}], ids=["no id", "null"])
@pytest.mark.parametrize(
    ("said", "error"),
    [
        ({"type": "result", "error": {"code": "x", "message": "y"}}, CommandError("x", "y")),
        ({"type": "result"}, CommandError(NAMELESS, "")),
        ({"type": "error", "message": "no such thing"}, CommandError(NAMELESS, "no such thing")),
        ({"type": "error", "error": "no such thing"}, CommandError(NAMELESS, "no such thing")),
        ({"type": "error", "error": ["odd"]}, CommandError(NAMELESS, "")),
    ],
)
def test_an_error_without_an_id_is_one_without_a_name(
    message: dict[str, object], said: dict[str, object], error: CommandError
) -> None:
    assert Conversation().receive(json.dumps({**said, **message})) == [Nameless(error)]


def test_a_success_without_an_id_belongs_to_nobody() -> None:
    assert Conversation().receive('{"type":"result","success":true}') == [Unexpected("result")]


def test_a_failure_that_does_not_say_why_is_still_one() -> None:
    (answer,) = Conversation().receive('{"id":3,"type":"result","success":false}')
    assert answer == Answer(3, error=CommandError("unknown", ""))


def test_an_unknown_kind_is_bounded() -> None:
    assert Conversation().receive(json.dumps({"type": "x" * 5000})) == [Unexpected("x" * 40)]


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, '{"type":"event","event":' + "[" * 50_000, "\x00\x01"])
def test_what_cannot_be_read_is_a_value(text: str) -> None:
    assert [type(each) for each in subscribed().receive(text)] == [Malformed]


@pytest.mark.parametrize(("depth", "read"), [(254, True), (100_000, False)], ids=["orjson's limit", "absurd"])
def test_deep_attributes_are_read_as_deep_as_home_assistant_can_write_them(depth: int, *, read: bool) -> None:
    deep = json.dumps(event("a.2")).replace('"attributes": {}', '"attributes": ' + "[" * depth + "]" * depth)
    received = subscribed().receive(f"[{json.dumps(event('a.1'))},{deep}]")
    assert [type(each) for each in received] == [Frame if read else Malformed]


def test_a_removal_has_no_new_state() -> None:
    removed = event("a.1")
    removed["event"]["data"] |= {"new_state": None, "old_state": state("a.1", "on", changed=NOON, updated=NOON)}
    (frame,) = subscribed().receive(json.dumps(removed))
    assert isinstance(frame, Frame)
    assert frame.changes[0].data.new_state is None


values = st.sampled_from([event("a.1"), event("b.2", number=2), {"id": 1, "type": "result", "success": True}])
broken = st.tuples(st.lists(values | nearly, max_size=4).map(json.dumps), st.integers(0, 400), st.text(max_size=3)).map(
    lambda parts: parts[0][: parts[1]] + parts[2] + parts[0][parts[1] + 1 :]
)


@given(st.lists(st.text() | st.lists(values | nearly, max_size=4).map(json.dumps) | broken, max_size=4))
def test_no_text_raises_and_a_frame_is_never_empty(texts: list[str]) -> None:
    conversation = subscribed()
    conversation.subscribe("area_registry_updated")
    for text in texts:
        for value in conversation.receive(text):
            assert not isinstance(value, Frame) or value.changes


def flat(values: Iterable[Received]) -> list[object]:
    """The values, each change by itself."""
    return [one for value in values for one in (value.changes if isinstance(value, Frame) else [_told(value)])]


def _told(value: Received) -> object:
    return (value.kind, value.problem, value.excerpt) if isinstance(value, Malformed) else value


@given(st.lists(st.text() | st.lists(values | nearly, max_size=4).map(json.dumps) | broken, max_size=8), st.data())
def test_messages_that_arrive_together_say_what_they_say_one_by_one(texts: list[str], data: st.DataObject) -> None:
    given_as = [text.encode() if data.draw(st.booleans()) else text for text in texts]
    together, alone = subscribed().receive(*given_as), [subscribed().receive(text) for text in texts]
    assert flat(together) == [one for each in alone for one in flat(each)]
    assert not any(isinstance(one, Frame) and isinstance(other, Frame) for one, other in pairwise(together))
    weights = [value.size for value in together if isinstance(value, Frame)]
    assert sum(weights) == sum(
        len(text.encode()) for text, each in zip(texts, alone, strict=True) if flat_changes(each)
    )


def flat_changes(values: Iterable[Received]) -> list[Change]:
    return [change for value in values if isinstance(value, Frame) for change in value.changes]


def test_the_changes_of_neighbouring_messages_come_in_one_frame() -> None:
    texts = [json.dumps(event(entity_id)) for entity_id in ("a.1", "a.2", "a.3")]
    (frame,) = subscribed().receive(*texts)
    assert entities(frame) == ["a.1", "a.2", "a.3"]
    assert isinstance(frame, Frame)
    assert frame.size == sum(map(len, texts))


def test_what_comes_between_changes_stays_between_them() -> None:
    said = [event("a.1"), {"id": 1, "type": "result", "success": True}, event("a.2"), event("a.3")]
    before, answer, after = subscribed().receive(*map(json.dumps, said))
    assert (entities(before), entities(after)) == (["a.1"], ["a.2", "a.3"])
    assert answer == Answer(1)
