from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from ingest.core import publishing, wire
from ingest.core.publishing import Kind

FRAMES = Path(__file__).parents[1] / "frames"
VERSIONS = ["2024.3.3", "2025.4.4", "2026.11.0"]
HUE = {"config1": "hue", "config2": "mqtt"}


def raws(*entries: object) -> list[Raw]:
    return [Raw(json.dumps(each).encode()) for each in entries]


def device(*, by: dict[str, str] = HUE, **fields: object) -> dict[str, Any]:
    (entry,) = publishing.devices(raws({"id": "d1", **fields}), by)
    assert entry.id == "d1"
    told: dict[str, Any] = json.loads(entry.json)
    return told


def recorded(version: str, place: int) -> list[Raw]:
    line = (FRAMES / version / "registries.jsonl").read_text("utf-8").splitlines()[place]
    return wire.raw_list(msgspec.json.decode(line, type=dict[str, Raw])["result"])


@pytest.mark.parametrize("version", VERSIONS)
def test_recorded_entries_are_told_as_they_came_with_two_keys_more(version: str) -> None:
    devices, entities = recorded(version, 1), recorded(version, 2)
    told_devices = [json.loads(each.json) for each in publishing.devices(devices, {})]
    told_entities = [json.loads(each.json) for each in publishing.entities(entities)]
    assert len(told_devices) == len(devices) > 50
    assert len(told_entities) == len(entities) > 90
    for told, raw in zip(told_devices, devices, strict=True):
        assert told == {**json.loads(bytes(raw)), "integration": told["identifiers"][0][0], "source": "home_assistant"}
    for told, raw in zip(told_entities, entities, strict=True):
        assert told == {**json.loads(bytes(raw)), "integration": told["platform"], "source": "home_assistant"}


@pytest.mark.parametrize("version", VERSIONS)
def test_the_bytes_of_what_came_are_not_touched(version: str) -> None:
    for raw, entry in zip(recorded(version, 2), publishing.entities(recorded(version, 2)), strict=True):
        for value in msgspec.json.decode(raw, type=dict[str, Raw]).values():
            assert bytes(value) in entry.json


def test_a_devices_integration_is_that_of_its_config_entry() -> None:
    other = [["zha", "00:11"]]
    assert device(config_entries=["config1"], identifiers=other)["integration"] == "hue"
    assert device(config_entry_id="config1", identifiers=other)["integration"] == "hue"
    both = device(config_entries=["config2", "config1"], primary_config_entry="config1")
    assert both["integration"] == "hue"


def test_without_a_known_config_entry_it_is_what_its_identifiers_begin_with() -> None:
    assert device(config_entries=["gone"], identifiers=[[], ["zha", "00:11", "x"]])["integration"] == "zha"
    assert device(by={}, config_entries=["config1"], identifiers=[["hue", "1"]])["integration"] == "hue"
    assert device(identifiers=["odd", [1, 2]])["integration"] == "1"
    assert device(config_entries=[])["integration"] is None


def test_what_zigbee2mqtt_announced_is_told_as_its_own() -> None:
    lamp = device(config_entries=["config2"], identifiers=[["mqtt", "zigbee2mqtt_0x00158d0001dc1ca8"]])
    assert (lamp["integration"], lamp["source"]) == ("zigbee2mqtt", "zigbee2mqtt")
    tasmota = device(config_entries=["config2"], identifiers=[["mqtt", "DC4F22"]])
    assert (tasmota["integration"], tasmota["source"]) == ("mqtt", "home_assistant")
    assert device(identifiers=[["hue", "zigbee2mqtt_0x1"]])["integration"] == "hue"


def test_domains_are_of_what_can_be_read() -> None:
    assert publishing.domains(raws({"entry_id": "e1", "domain": "hue", "title": "x"}, {"domain": "no id"}, 7)) == {
        "e1": "hue"
    }


def test_an_entry_that_cannot_be_read_costs_only_itself() -> None:
    entries = raws({"entity_id": "light.a", "platform": "hue"}, {"no": "id"}, None, {"entity_id": "light.b"})
    assert [each.id for each in publishing.entities(entries)] == ["light.a", "light.b"]
    assert [each.id for each in publishing.devices(raws({"id": 7}, {"id": "d"}), {})] == ["d"]


def test_the_hash_is_of_what_is_told() -> None:
    entry = {"id": "d1", "name": "Lamp", "config_entries": ["config1"]}
    (first,), (again,) = (list(publishing.devices(raws(entry), HUE)) for _ in range(2))
    (renamed,) = publishing.devices(raws({**entry, "name": "Lämp"}), HUE)
    (elsewhere,) = publishing.devices(raws(entry), {})
    assert first == again
    assert len({first.hash, renamed.hash, elsewhere.hash}) == 3
    assert json.loads(renamed.json)["name"] == "Lämp"


def test_services_are_told_with_four_keys_a_domain_at_a_time() -> None:
    turn_on = {"name": "Turn on", "description": "On.", "fields": {"b": {}}, "target": {"entity": []}, "response": {}}
    answer = Raw(
        json.dumps({"light": {"turn_on": turn_on}, "homeassistant": {"restart": {"name": "Restart"}}}).encode()
    )
    told = {each.id: json.loads(b"{%b}" % each.json) for each in publishing.services(answer)}
    on = {key: turn_on[key] for key in ("name", "description", "fields", "target")}
    assert told["light"] == {"light": {"turn_on": on}}
    restart: dict[str, Any] = {"name": "Restart", "description": None, "fields": {}, "target": None}
    assert told["homeassistant"] == {"homeassistant": {"restart": restart}}


def test_the_order_of_services_is_no_news() -> None:
    one, other = ({"light": {"a": {"fields": {"x": 1, "y": 2}}, "b": {}}}, {"light": {"b": {}, "a": {"fields": {"y": 2, "x": 1}}}})  # fmt: skip
    (first,), (second,) = (list(publishing.services(Raw(json.dumps(each).encode()))) for each in (one, other))
    assert first == second


def test_each_kind_has_its_path() -> None:
    assert [kind.path for kind in Kind] == [
        "/internal/devices/bulk_upsert",
        "/internal/entities/bulk_upsert",
        "/internal/services/bulk_upsert",
    ]
