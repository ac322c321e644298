"""What the simulator says has the shape of what real servers said: keys, their order, and the types behind them."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ingest.simulator.home import Home
from ingest.simulator.instance import HomeAssistant
from ingest.simulator.protocol import Conversation
from ingest.simulator.values import moment
from tests.simulator.caller import TOKEN

FRAMES = Path(__file__).parents[1] / "frames" / "canonical-2025.4.4.jsonl"
OPEN = {
    "attributes",
    "a",
    "capabilities",
    "options",
    "config_entries_subentries",
    "supported_subentry_types",
    "changes",
}
"""Objects whose keys depend on the entity, not on the protocol."""


def recorded() -> dict[str, list[Any]]:
    frames: dict[str, list[Any]] = defaultdict(list)
    for line in FRAMES.read_text(encoding="utf-8").splitlines():
        frame = json.loads(line)
        frames[frame["kind"]].append(json.loads(frame["raw"]))
    return frames


RECORDED = recorded()


def differ(ours: Any, theirs: Any, path: str = "") -> list[str]:
    """Name every place where the shapes differ. None fits everything: a value may be absent."""
    if ours is None or theirs is None:
        return []
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return _differ_objects(ours, theirs, path)
    if isinstance(ours, list) and isinstance(theirs, list):
        return differ(ours[0], theirs[0], f"{path}[]") if ours and theirs else []
    number = (int, float)
    both_numbers = isinstance(ours, number) and isinstance(theirs, number) and type(ours) is not bool
    return [] if type(ours) is type(theirs) or both_numbers else [f"{path}: {ours!r} is not like {theirs!r}"]


def _differ_objects(ours: dict[str, Any], theirs: dict[str, Any], path: str) -> list[str]:
    if path.rpartition(".")[2] in OPEN:
        return []
    if list(ours) != list(theirs):
        return [f"{path}: {list(ours)} is not {list(theirs)}"]
    return [difference for key in ours for difference in differ(ours[key], theirs[key], f"{path}.{key}")]


@pytest.fixture(scope="module")
def instance() -> HomeAssistant:
    home = Home(1, 100, moment(1_795_392_000_000_000), remember=True)
    return HomeAssistant(home, TOKEN)


class Talk:
    """A conversation past its authentication."""

    def __init__(self, instance: HomeAssistant) -> None:
        self.said: list[Any] = []
        self._number = 0
        self.conversation = Conversation(instance, lambda message: self.said.append(json.loads(message)))
        self.conversation.open()
        self.conversation.receive(json.dumps({"type": "auth", "access_token": TOKEN}))

    def ask(self, kind: str, **fields: object) -> Any:
        self._number += 1
        self.conversation.receive(json.dumps({"id": self._number, "type": kind, **fields}))
        return self.said[-1]


@pytest.fixture
def talk(instance: HomeAssistant) -> Talk:
    return Talk(instance)


def test_a_difference_is_found() -> None:
    assert differ({"a": 1, "b": 2}, {"b": 2, "a": 1})
    assert differ({"a": [{"b": 1}]}, {"a": [{"b": "1"}]})
    assert differ(True, 1)


def test_auth(talk: Talk) -> None:
    assert not differ(talk.said[0], RECORDED["auth_required"][0])
    assert not differ(talk.said[1], RECORDED["auth_ok"][0])


def test_pong(talk: Talk) -> None:
    assert talk.ask("ping") == RECORDED["pong"][0]


COMMANDS: list[tuple[str, str, dict[str, object]]] = [
    ("result_ok", "supported_features", {"features": {"coalesce_messages": 1}}),
    ("result_ok", "subscribe_events", {"event_type": "state_changed"}),
    ("result get_config", "get_config", {}),
    ("result config/area_registry/list", "config/area_registry/list", {}),
    ("result config/device_registry/list", "config/device_registry/list", {}),
    ("result config/entity_registry/list", "config/entity_registry/list", {}),
    ("result config/label_registry/list", "config/label_registry/list", {}),
    ("result config/floor_registry/list", "config/floor_registry/list", {}),
    ("result config_entries/get", "config_entries/get", {}),
    ("result config/entity_registry/get", "config/entity_registry/get", {"entity_id": "light.kitchen"}),
    ("result recorder/info", "recorder/info", {}),
    ("result auth/current_user", "auth/current_user", {}),
    ("result call_service", "call_service", {"domain": "light", "service": "toggle", "target": {"entity_id": []}}),
]


@pytest.mark.parametrize(("kind", "command", "fields"), COMMANDS)
def test_answers(talk: Talk, kind: str, command: str, fields: dict[str, object]) -> None:
    answer = talk.ask(command, **fields)
    assert answer["success"]
    assert not differ(answer, RECORDED[kind][0])


def test_sources(talk: Talk) -> None:
    answer = talk.ask("entity/source")
    one = {"id": 0, "type": "result", "success": True, "result": next(iter(answer["result"].values()))}
    theirs = RECORDED["result entity/source"][0]
    assert not differ(one, {**theirs, "result": next(iter(theirs["result"].values()))})


def test_services(talk: Talk) -> None:
    ours, theirs = talk.ask("get_services")["result"]["switch"], RECORDED["result get_services"][0]["result"]["switch"]
    assert set(ours) == set(theirs)
    assert not differ(ours["turn_on"], theirs["turn_on"])


def test_states(talk: Talk) -> None:
    states = {state["entity_id"]: state for state in talk.ask("get_states")["result"]}
    for theirs in RECORDED["state"]:
        assert not differ(states["sensor.house_power"], theirs)
    assert list(states["sensor.house_power"]["attributes"]) == list(RECORDED["state"][0]["attributes"])


@pytest.fixture(scope="module")
def day() -> list[bytes]:
    """The messages of a day, as they are sent."""
    home = Home(1, 100, moment(1_795_392_000_000_000))
    instance = HomeAssistant(home, TOKEN)
    sent: list[bytes] = []
    instance.listen("state_changed", (1, 1), sent.append)
    instance.emit(home.advance(moment(home.start) + timedelta(hours=22)))
    return sent


@pytest.mark.parametrize("kind", [kind for kind in RECORDED if kind.startswith("state_changed")])
def test_state_changes(day: list[bytes], kind: str) -> None:
    (theirs,) = RECORDED[kind]
    data = theirs["event"]["data"]
    domain = f'"{data["entity_id"].partition(".")[0]}.'.encode()
    about = [json.loads(message) for message in day if domain in message]
    ours = [one for one in about if _alike(one["event"]["data"], data)]
    assert ours
    assert not [difference for one in ours[:500] for difference in differ(one, theirs)]


def _alike(ours: dict[str, Any], theirs: dict[str, Any]) -> bool:
    """True when both are the same sort of change of the same sort of entity."""
    same_domain = ours["entity_id"].partition(".")[0] == theirs["entity_id"].partition(".")[0]
    return same_domain and all((ours[key] is None) == (theirs[key] is None) for key in ("old_state", "new_state"))


def test_registry_events(instance: HomeAssistant, talk: Talk) -> None:
    talk.ask("subscribe_events", event_type="entity_registry_updated")
    instance.move("light.bedroom", area_id="kitchen", name="Lämpchen")
    assert not differ(talk.said[-1], RECORDED["event entity_registry_updated update"][0])
    assert talk.said[-1]["event"]["data"]["changes"] == {"area_id": None, "name": None}
    moved = talk.ask("config/entity_registry/get", entity_id="light.bedroom")["result"]
    assert (moved["area_id"], moved["name"]) == ("kitchen", "Lämpchen")


def test_history(instance: HomeAssistant, talk: Talk) -> None:
    for _ in instance.home.advance(moment(instance.home.start) + timedelta(hours=2)):
        pass
    asked = {"start_time": moment(instance.home.start).isoformat(), "entity_ids": ["climate.kitchen"]}
    ours = talk.ask("history/history_during_period", **asked, significant_changes_only=False)
    theirs = RECORDED["result history all"][0]
    assert not differ({**ours, "result": None}, theirs)
    for row in ours["result"]["climate.kitchen"]:
        assert list(row) in [list(one) for one in theirs["result"]["climate.hvac"]]


FAILURES: list[tuple[str, int, str, dict[str, object]]] = [
    ("error_unknown_command", 0, "no_such_command", {}),
    ("error_invalid_format", 0, "subscribe_events", {"event_type": 5}),
    ("error_not_found", 0, "unsubscribe_events", {"subscription": 999}),
    ("error_not_found", 1, "call_service", {"domain": "light", "service": "nope"}),
    (
        "error_invalid_format",
        1,
        "call_service",
        {"domain": "light", "service": "turn_on", "service_data": {"brightness": "x"}},
    ),
    ("error_home_assistant_error", 0, "subscribe_events", {"event_type": "state_reported"}),
    (
        "error_invalid_start_time",
        0,
        "history/history_during_period",
        {"start_time": "nonsense", "entity_ids": ["sun.sun"]},
    ),
]


@pytest.mark.parametrize(("kind", "number", "command", "fields"), FAILURES)
def test_errors(talk: Talk, kind: str, number: int, command: str, fields: dict[str, object]) -> None:
    answer = talk.ask(command, **fields)
    theirs = RECORDED[kind][number]
    assert {**answer, "id": 0} == {**theirs, "id": 0}
    assert not differ(answer, theirs)
