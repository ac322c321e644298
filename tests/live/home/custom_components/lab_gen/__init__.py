"""An integration for tests: makes a real Home Assistant emit states at a chosen rate, or stall, from inside its own loop.

`lab_gen.burst`: `count` states over `entities` sensors (`sensor.gen_N`), `batch` states per turn of the loop, `rate` states
per second (0: flat out), `tag` before each number; afterwards the event `lab_gen_done` with `count` and `seconds`.
`lab_gen.flow`: from now on `rate` states per second over `entities` sensors, after a restart too, until the service is called
with a rate of 0. The first `hidden` ones are called `sensor.unrecorded_N`, the others `sensor.gen_N`.
`lab_gen.swap`: the entity `entity_id` belongs to a new device from now on, as when a broken one was replaced.
`lab_gen.block`: stops the event loop for `seconds`, as a badly written integration does.
"""

from __future__ import annotations

import asyncio
import json
import time
from importlib import import_module
from itertools import count as counted
from pathlib import Path
from typing import Any

DOMAIN = "lab_gen"
DEFAULTS = {"count": 1000, "entities": 100, "batch": 10, "rate": 0, "tag": ""}
UNITS = {"unit_of_measurement": "°C", "device_class": "temperature", "state_class": "measurement"}


class Flow:
    """States that keep coming. What was asked for last is kept in a file: Home Assistant may restart meanwhile."""

    def __init__(self, hass: Any) -> None:
        self.hass = hass
        self.kept = Path(hass.config.path("lab_gen.json"))
        self.task: asyncio.Task[None] | None = None

    async def resume(self) -> None:
        if await self.hass.async_add_executor_job(self.kept.exists):
            self.set(json.loads(await self.hass.async_add_executor_job(self.kept.read_text, "utf-8")))

    async def change(self, call: Any) -> None:
        asked = {"rate": 0, "entities": 100, "hidden": 0, **call.data}
        await self.hass.async_add_executor_job(self.kept.write_text, json.dumps(asked), "utf-8")
        self.set(asked)

    def set(self, asked: Any) -> None:
        if self.task:
            self.task.cancel()
        self.task = self.hass.async_create_background_task(self.run(**asked), "lab_gen flow") if asked["rate"] else None

    async def run(self, rate: float, entities: int, hidden: int) -> None:
        begun, unlike = time.monotonic(), int(time.time()) % 100_000  # values of one run are not those of the last
        for number in counted(1):
            sensor = number % entities
            put(self.hass, f"{'unrecorded' if sensor < hidden else 'gen'}_{sensor}", f"{unlike + number / 8}")
            await asyncio.sleep(max(0, begun + number / rate - time.monotonic()))


def put(hass: Any, name: str, state: str) -> None:
    hass.states.async_set(f"sensor.{name}", state, {**UNITS, "friendly_name": name.replace("_", " ").title()})


async def async_setup(hass: Any, _config: Any) -> bool:
    async def burst(call: Any) -> None:
        count, entities, batch, rate, tag = (call.data.get(k, d) for k, d in DEFAULTS.items())
        started = time.monotonic()
        for first in range(0, count, batch):
            for number in range(first, min(first + batch, count)):
                put(hass, f"gen_{number % entities}", f"{tag}{number}")
            due = started + (first + batch) / rate if rate else 0
            await asyncio.sleep(max(0, due - time.monotonic()))
        hass.bus.async_fire("lab_gen_done", {"count": count, "seconds": time.monotonic() - started})

    async def block(call: Any) -> None:
        time.sleep(call.data.get("seconds", 1))  # noqa: ASYNC251  stalling the loop is its purpose

    async def swap(call: Any) -> None:
        entities, devices = (
            import_module(f"homeassistant.helpers.{kind}_registry").async_get(hass) for kind in ("entity", "device")
        )
        entry = entities.async_get(call.data["entity_id"])
        new = devices.async_get_or_create(
            config_entry_id=entry.config_entry_id,
            identifiers={(DOMAIN, entry.entity_id)},
            name="Second",
            manufacturer="Second",
        )
        entities.async_update_entity(entry.entity_id, device_id=new.id)

    flow = Flow(hass)
    await flow.resume()
    hass.services.async_register(DOMAIN, "burst", burst)
    hass.services.async_register(DOMAIN, "flow", flow.change)
    hass.services.async_register(DOMAIN, "block", block)
    hass.services.async_register(DOMAIN, "swap", swap)
    return True
