"""The house status of a real home is what Home Assistant itself says: its states over REST, its areas by a template."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from attrs import frozen
from trio_websocket import open_websocket_url

from tests.core.test_house import expected
from tests.live.homeassistant import HomeAssistant
from tests.live.lab import free_port
from tests.live.service import installed, started

pytestmark = pytest.mark.live

AREAS = (
    "{% set found = namespace(areas=[]) %}{% for light in states.light %}"
    "{% set found.areas = found.areas + [[light.entity_id, area_name(light.entity_id), area_id(light.entity_id)]] %}"
    "{% endfor %}"
    "{{ found.areas | to_json }}"
)
DOOR, SOMEBODY = "binary_sensor.live_door", "person.live"
SOON = 10.0


@frozen
class Told:
    """What the service answers, and what Home Assistant does."""

    home: HomeAssistant
    url: str

    def house(self) -> dict[str, Any]:
        answer = httpx.get(f"{self.url}/api/status/house", trust_env=False)
        found: dict[str, Any] = answer.json() if answer.status_code == 200 else {"connected": False}
        return found

    def truth(self) -> dict[str, Any]:
        states = {each["entity_id"]: each for each in self.home.admin.request("GET", "states")}
        areas = self.home.admin.request("POST", "template", {"template": AREAS})
        return expected(states, {entity_id: (area, area_id) for entity_id, area, area_id in areas if area})

    def agreed(self) -> dict[str, Any]:
        """Wait until both say the same; what they say."""
        until = time.monotonic() + SOON
        while True:
            truth, house = self.truth(), self.house()
            sections = {key: house.get(key) for key in truth}
            if (house["connected"] and sections == truth) or time.monotonic() > until:
                assert sections == truth
                assert house["connected"]
                assert house["complete"]
                return house
            time.sleep(0.1)

    async def followed(self) -> dict[str, Any]:
        """What a client of `/ws/status` knows after lights went on and off, and whoever it is about."""
        url = self.url.replace("http", "ws") + "/ws/status"
        with trio.fail_after(30):
            async with open_websocket_url(url) as socket:
                knows: dict[str, Any] = json.loads(await socket.get_message())["data"]
                for service in ("turn_off", "turn_on"):
                    await trio.to_thread.run_sync(partial(self.home.admin.call, "light", service, entity_id="all"))
                with trio.move_on_after(2):
                    while True:
                        delta = json.loads(await socket.get_message())
                        assert delta["type"] == "delta"
                        knows[delta["section"]] = delta["data"]
                return knows


@contextmanager
def told(folder: Path, home: HomeAssistant) -> Iterator[Told]:
    installed(folder, home, None, "", home.admin.url)
    config, port = folder / "config.toml", free_port()
    text = config.read_text("utf-8").replace("enabled = false", f"port = {port}")
    config.write_text(text + "\n[filter]\npatterns = [{domain = 'light'}]\n", "utf-8")
    running = started(folder)
    try:
        running.wait_connected()
        running.wait_for("Listening", 1)
        yield Told(home, f"http://127.0.0.1:{port}")
    finally:
        running.stop()


def test_the_house_is_what_home_assistant_says_it_is(tmp_path: Path, home_assistant: HomeAssistant) -> None:
    """Lights are left out of what is stored: the house has them all the same."""
    home, admin = home_assistant, home_assistant.admin
    with told(tmp_path / "service", home) as each:
        house = each.agreed()
        assert {one["unit"] for one in house["climate"]} == {"C"}
        assert house["lights_by_area"]
        admin.call("climate", "set_temperature", entity_id="climate.heatpump", temperature=19.5)
        admin.call("switch", "toggle", entity_id="all")
        admin.set_states(
            [
                (SOMEBODY, "home", {"friendly_name": "Ána"}),
                (DOOR, "on", {"device_class": "door", "friendly_name": "Tür"}),
            ]
        )
        house = each.agreed()
        assert {"name": "Ána", "state": "home"} in house["presence"]
        assert {"name": "Tür", "state": "open", "device_class": "door"} in house["sensors"]["door"]
        admin.request("DELETE", f"states/{SOMEBODY}")
        assert each.agreed()["presence"] == house["presence"][:-1]
        knows = trio.run(each.followed)
        house = each.agreed()
        assert {key: knows[key] for key in each.truth()} == {key: house[key] for key in each.truth()}


def test_a_light_follows_its_area_and_its_name(tmp_path: Path, home_assistant: HomeAssistant) -> None:
    home, admin = home_assistant, home_assistant.admin
    update, lamp, other = "config/entity_registry/update", "light.kitchen_lights", "light.kitchen_live"
    with told(tmp_path / "service", home) as each:
        each.agreed()
        [area] = admin.commands({"type": "config/area_registry/create", "name": "Live"})
        admin.commands({"type": update, "entity_id": lamp, "area_id": area["area_id"]})
        assert "Live" in [one["area"] for one in each.agreed()["lights_by_area"]]
        admin.commands({"type": "config/area_registry/update", "area_id": area["area_id"], "name": "Live 東"})
        assert "Live 東" in [one["area"] for one in each.agreed()["lights_by_area"]]
        admin.commands({"type": update, "entity_id": lamp, "new_entity_id": other})
        assert "Live 東" in [one["area"] for one in each.agreed()["lights_by_area"]]
        admin.commands(
            {"type": update, "entity_id": other, "new_entity_id": lamp, "area_id": None},
            {"type": "config/area_registry/delete", "area_id": area["area_id"]},
        )
        assert "Live 東" not in [one["area"] for one in each.agreed()["lights_by_area"]]


def test_what_went_with_a_restart_is_not_in_the_house(tmp_path: Path, home_assistant: HomeAssistant) -> None:
    home = home_assistant
    with told(tmp_path / "service", home) as each:
        home.admin.set_states([(DOOR, "on", {"device_class": "door", "friendly_name": "Tür"})])
        assert "Tür" in [one["name"] for one in each.agreed()["sensors"]["door"]]
        home.restart()
        assert "Tür" not in [one["name"] for one in each.agreed()["sensors"].get("door", [])]
