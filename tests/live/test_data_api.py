"""What HomeIQ's data-api is told of a real home, by the service as its users run it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.live.homeassistant import HomeAssistant
from tests.live.lab import wait_for
from tests.live.service import Service, installed, started
from tests.support.data_api import KEY, DataApi

pytestmark = pytest.mark.live

LISTS = ("config/device_registry/list", "config/entity_registry/list", "config_entries/get", "get_services")


@contextmanager
def telling(folder: Path, home: HomeAssistant, url: str) -> Iterator[Service]:
    installed(folder, home, None, "", home.admin.url)
    (folder / "data-api-key").write_text(KEY, "utf-8")
    with (folder / "config.toml").open("a", encoding="utf-8") as file:
        file.write(f"\n[data_api]\nurl = '{url}'\napi_key_file = 'data-api-key'\n")
    running = started(folder)
    try:
        yield running
    finally:
        running.stop()


def check_told(data_api: DataApi, home: HomeAssistant) -> None:
    """It holds what Home Assistant itself says, with what the contract adds."""
    devices, entities, config_entries, services = home.admin.commands(*({"type": each} for each in LISTS))
    domains = {each["entry_id"]: each["domain"] for each in config_entries}
    assert data_api.wrong == []
    assert data_api.entities == {
        each["entity_id"]: {**each, "integration": each["platform"], "source": "home_assistant"} for each in entities
    }
    assert data_api.devices.keys() == {each["id"] for each in devices}
    for each in devices:
        told = data_api.devices[each["id"]]
        integration = domains[each.get("primary_config_entry") or each["config_entries"][0]]
        assert told == {**each, "integration": integration, "source": "home_assistant"}
    assert data_api.services == {
        (domain, name): _service(service) for domain, named in services.items() for name, service in named.items()
    }


def _service(described: dict[str, Any]) -> dict[str, Any]:
    bare: dict[str, Any] = {"name": None, "description": None, "fields": {}, "target": None}
    return {key: described.get(key, absent) for key, absent in bare.items()}


def test_a_real_home_is_told_whole_and_then_what_changes(tmp_path: Path, newest_home_assistant: HomeAssistant) -> None:
    home, data_api = newest_home_assistant, DataApi()
    with data_api.serving() as peer, telling(tmp_path / "service", home, peer.url) as service:
        service.wait_for("Published", 1)
        check_told(data_api, home)
        assert len(data_api.devices) > 20
        assert len(data_api.entities) > 50
        before = len(data_api.sizes)
        moved = next(key for key in sorted(data_api.entities) if data_api.entities[key]["device_id"])
        areas = home.admin.commands({"type": "config/area_registry/list"})[0]
        change = {"type": "config/entity_registry/update", "entity_id": moved, "area_id": areas[0]["area_id"]}
        home.admin.commands(change)
        wait_for(lambda: data_api.entities[moved]["area_id"] == areas[0]["area_id"], "the area is told", 10)
        assert data_api.sizes[before:] == [("entities", 1)]
        check_told(data_api, home)
        home.admin.commands({**change, "area_id": None})
    assert KEY not in service.log.read_text("utf-8")
