"""An integration for tests: makes a real Home Assistant emit states at a chosen rate, or stall, from inside its own loop.

`lab_gen.burst`: `count` states over `entities` sensors (`sensor.gen_N`), `batch` states per turn of the loop, `rate` states
per second (0: flat out), `tag` before each number; afterwards the event `lab_gen_done` with `count` and `seconds`.
`lab_gen.block`: stops the event loop for `seconds`, as a badly written integration does.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

DOMAIN = "lab_gen"
DEFAULTS = {"count": 1000, "entities": 100, "batch": 10, "rate": 0, "tag": ""}
UNITS = {"unit_of_measurement": "°C", "device_class": "temperature", "state_class": "measurement"}


async def async_setup(hass: Any, _config: Any) -> bool:
    async def burst(call: Any) -> None:
        count, entities, batch, rate, tag = (call.data.get(k, d) for k, d in DEFAULTS.items())
        started = time.monotonic()
        for first in range(0, count, batch):
            for number in range(first, min(first + batch, count)):
                sensor = number % entities
                attributes = {**UNITS, "friendly_name": f"Gen {sensor}"}
                hass.states.async_set(f"sensor.gen_{sensor}", f"{tag}{number}", attributes)
            due = started + (first + batch) / rate if rate else 0
            await asyncio.sleep(max(0, due - time.monotonic()))
        hass.bus.async_fire("lab_gen_done", {"count": count, "seconds": time.monotonic() - started})

    async def block(call: Any) -> None:
        time.sleep(call.data.get("seconds", 1))  # noqa: ASYNC251  stalling the loop is its purpose

    hass.services.async_register(DOMAIN, "burst", burst)
    hass.services.async_register(DOMAIN, "block", block)
    return True
