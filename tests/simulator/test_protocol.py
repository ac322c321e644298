from __future__ import annotations

import json
from typing import Any

import pytest

from ingest.simulator.commands import COMMANDS
from ingest.simulator.home import Home
from ingest.simulator.instance import HomeAssistant
from ingest.simulator.protocol import Conversation, Hangup
from ingest.simulator.values import moment
from tests.simulator.caller import TOKEN


@pytest.fixture
def instance(home: Home) -> HomeAssistant:
    return HomeAssistant(home, TOKEN)


@pytest.fixture
def said() -> list[Any]:
    return []


@pytest.fixture
def fresh(instance: HomeAssistant, said: list[Any]) -> Conversation:
    conversation = Conversation(instance, lambda message: said.append(json.loads(message)))
    conversation.open()
    return conversation


@pytest.fixture
def talk(fresh: Conversation, said: list[Any]) -> Conversation:
    fresh.receive(json.dumps({"type": "auth", "access_token": TOKEN}))
    said.clear()
    return fresh


def code(said: list[Any]) -> str | None:
    code: str | None = said[-1].get("error", {}).get("code")
    return code


RECORDED_AUTH = [
    ({"type": "auth", "access_token": "nonsense"}, "Invalid access token or password"),
    (
        {"type": "auth", "token": "x"},
        "Auth message incorrectly formatted: extra keys not allowed @ data['token']. Got 'x'",
    ),
    ({"type": "ping"}, "Auth message incorrectly formatted: not a valid value for dictionary value @ data['type']. Got 'ping'"),
    ({"type": "auth"}, "Auth message incorrectly formatted: must contain at least one of access_token, api_password."),
    ([], "Auth message incorrectly formatted: expected a dictionary"),
    ({"type": "auth", "access_token": 5}, "Invalid access token or password"),
]  # fmt: skip


@pytest.mark.parametrize(("message", "text"), RECORDED_AUTH)
def test_what_is_not_authentication_is_invalid(
    fresh: Conversation, said: list[Any], message: object, text: str
) -> None:
    with pytest.raises(Hangup):
        fresh.receive(json.dumps(message))
    assert said[-1] == {"type": "auth_invalid", "message": text}


def test_what_is_not_json_ends_it_without_a_word(fresh: Conversation, said: list[Any]) -> None:
    before = list(said)
    with pytest.raises(Hangup):
        fresh.receive("hello")
    assert said == before


BAD_FORMS = [
    ({"id": 0, "type": "ping"}, 0),
    ({"type": "ping"}, None),
    ({"id": "7", "type": "ping"}, "7"),
    ({"id": -1, "type": "ping"}, -1),
    ({"id": True, "type": "ping"}, True),
    ({"id": 100_000}, 100_000),
    ("x", 0),
]


@pytest.mark.parametrize(("message", "known"), BAD_FORMS)
def test_messages_of_the_wrong_form(talk: Conversation, said: list[Any], message: object, known: object) -> None:
    talk.receive(json.dumps(message))
    assert said == [
        {
            "id": known,
            "type": "result",
            "success": False,
            "error": {"code": "invalid_format", "message": "Message incorrectly formatted."},
        }
    ]


def test_ids_strictly_increase(talk: Conversation, said: list[Any]) -> None:
    for number, expected in ((5, None), (5, "id_reuse"), (4, "id_reuse"), (6, None)):
        talk.receive(json.dumps({"id": number, "type": "ping"}))
        assert code(said) == expected


def test_an_id_is_used_by_a_wrong_schema_but_not_by_an_unknown_command(talk: Conversation, said: list[Any]) -> None:
    for kind, expected in (("nope", "unknown_command"), ("nope", "unknown_command"), ("get_states", "invalid_format")):
        talk.receive(json.dumps({"id": 5, "type": kind, "extra": 1}))
        assert code(said) == expected
    talk.receive(json.dumps({"id": 5, "type": "ping"}))
    assert code(said) == "id_reuse"


def test_an_array_of_commands_is_answered_in_order(talk: Conversation, said: list[Any]) -> None:
    talk.receive("[]")
    talk.receive(json.dumps([{"id": 1, "type": "ping"}, {"id": 2, "type": "ping"}]))
    assert said == [{"id": 1, "type": "pong"}, {"id": 2, "type": "pong"}]


@pytest.mark.parametrize("kind", COMMANDS)
def test_every_command_refuses_unknown_keys(talk: Conversation, said: list[Any], kind: str) -> None:
    talk.receive(json.dumps({"id": 1, "type": kind, "unheard_of": 1}))
    assert code(said) == "invalid_format"


@pytest.mark.parametrize(("kind", "command"), [(kind, one) for kind, one in COMMANDS.items() if one.required])
def test_every_command_wants_its_keys(talk: Conversation, said: list[Any], kind: str, command: Any) -> None:
    talk.receive(json.dumps({"id": 1, "type": kind}))
    assert code(said) == "invalid_format"
    assert command.required[0] in said[-1]["error"]["message"]


def test_a_boolean_is_no_number(talk: Conversation, said: list[Any]) -> None:
    talk.receive(json.dumps({"id": 1, "type": "unsubscribe_events", "subscription": True}))
    assert code(said) == "invalid_format"
    talk.receive(json.dumps({"id": 2, "type": "config_entries/get", "type_filter": 5}))
    assert code(said) == "invalid_format"


def test_events_until_unsubscribed(talk: Conversation, instance: HomeAssistant, said: list[Any]) -> None:
    talk.receive(json.dumps({"id": 1, "type": "subscribe_events", "event_type": "state_changed"}))
    talk.receive(json.dumps({"id": 2, "type": "subscribe_events"}))
    said.clear()
    change = instance.home.set("sensor.x", "1", {})
    assert change
    assert instance.emit([change]) == 1
    assert [message["id"] for message in said] == [1, 2]
    assert all(list(message)[-1] == "id" for message in said)
    talk.receive(json.dumps({"id": 3, "type": "unsubscribe_events", "subscription": 2}))
    said.clear()
    instance.fire("area_registry_updated", {"action": "update", "area_id": "kitchen"})
    instance.emit([change])
    assert [message["id"] for message in said] == [1]
    talk.close()
    instance.emit([change])
    assert len(said) == 1
    assert instance.emitted.value == 3


def test_renaming_says_so_to_the_registrys_and_the_states_listeners(
    talk: Conversation, instance: HomeAssistant, said: list[Any]
) -> None:
    talk.receive(json.dumps({"id": 1, "type": "subscribe_events"}))
    said.clear()
    instance.rename("light.living_room", "light.salon")
    registry, gone, made = (message["event"]["data"] for message in said)
    assert registry["old_entity_id"] == "light.living_room"
    assert gone["new_state"] is None
    assert made["new_state"]["entity_id"] == "light.salon"


def test_services(talk: Conversation, instance: HomeAssistant) -> None:
    def switch(number: int, domain: str, service: str, key: object, **data: object) -> None:
        call = {"domain": domain, "service": service, "service_data": data, "target": {"entity_id": key}}
        talk.receive(json.dumps({"id": number, "type": "call_service", **call}))

    states = instance.home.states
    switch(1, "light", "turn_on", ["light.living_room", "light.nowhere"], brightness=77)
    assert (states["light.living_room"].state, b'"brightness":77' in states["light.living_room"].attributes) == (
        "on",
        True,
    )
    switch(2, "light", "turn_on", "light.living_room", brightness=78)
    assert b'"brightness":78' in states["light.living_room"].attributes
    switch(3, "light", "toggle", "light.living_room")
    assert (states["light.living_room"].state, b'"brightness":null' in states["light.living_room"].attributes) == (
        "off",
        True,
    )
    switch(4, "switch", "toggle", "switch.fridge")
    assert states["switch.fridge"].state == "off"
    switch(5, "switch", "turn_off", "light.living_room")
    assert states["light.living_room"].state == "off"
    assert instance.restarts.value == 0
    talk.receive(json.dumps({"id": 6, "type": "call_service", "domain": "homeassistant", "service": "restart"}))
    assert instance.restarts.value == 1


def test_history_bounds(talk: Conversation, instance: HomeAssistant, said: list[Any]) -> None:
    start = moment(instance.home.start).isoformat()
    asked = {"type": "history/history_during_period", "entity_ids": ["sun.sun"]}
    talk.receive(json.dumps({"id": 1, **asked, "start_time": start, "end_time": "nonsense"}))
    assert code(said) == "invalid_end_time"
    talk.receive(json.dumps({"id": 2, **asked, "start_time": start, "end_time": start}))
    assert [round(row["lu"]) for row in said[-1]["result"]["sun.sun"]] == [instance.home.start // 1_000_000]
    talk.receive(json.dumps({"id": 3, **asked, "start_time": "2090-01-01T00:00:00Z"}))
    assert said[-1]["result"] == {}


def test_what_is_not_in_the_registry_is_not_found(talk: Conversation, said: list[Any]) -> None:
    for number, key in enumerate(("sun.sun", "light.nowhere"), 1):
        talk.receive(json.dumps({"id": number, "type": "config/entity_registry/get", "entity_id": key}))
        assert code(said) == "not_found"
    talk.receive(json.dumps({"id": 3, "type": "config/entity_registry/list"}))
    assert "sun.sun" not in {entry["entity_id"] for entry in said[-1]["result"]}
    talk.receive(json.dumps({"id": 4, "type": "config_entries/get", "domain": "hue"}))
    assert [entry["domain"] for entry in said[-1]["result"]] == ["hue"]
    talk.receive(json.dumps({"id": 5, "type": "config/category_registry/list", "scope": "automation"}))
    assert said[-1]["result"] == []


def test_moods(fresh: Conversation, instance: HomeAssistant, said: list[Any]) -> None:
    instance.mood.silent_auth = True
    fresh.receive(json.dumps({"type": "auth", "access_token": TOKEN}))
    assert len(said) == 1
    instance.mood.silent_auth = False
    fresh.receive(json.dumps({"type": "auth", "access_token": TOKEN}))
    instance.mood.errors["config/floor_registry/list"] = ("unknown_command", "Unknown command.")
    fresh.receive(json.dumps({"id": 1, "type": "config/floor_registry/list"}))
    assert code(said) == "unknown_command"
    assert not instance.accepts("wrong")
    instance.mood.refuse_auth = True
    assert not instance.accepts(TOKEN)
