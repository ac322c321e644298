"""An integration for the bench: a real Home Assistant sets prepared states, so many a second, from inside its own loop.

`homeiq_bench.play`: the first `count` changes of the file `changes.json` (each an entity, a state, attributes), `turn` in
each turn of the loop, `rate` a second. When all are set, the file `name` holds their times in nanoseconds: those that
whoever listens is told.
"""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

DOMAIN = "homeiq_bench"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


async def async_setup(hass: Any, _config: Any) -> bool:
    """Offer the service."""
    known = Path(hass.config.path("changes.json"))
    changes = json.loads(await hass.async_add_executor_job(known.read_text, "utf-8"))

    async def playing(name: str, count: int, rate: float, turn: int) -> None:
        begun, times = time.monotonic(), []
        for first in range(0, count, turn):
            for entity_id, state, attributes in changes[first : min(first + turn, count)]:
                # Forced: a state that is set again is a change, too.
                hass.states.async_set(entity_id, state, attributes, force_update=True)
                times.append(hass.states.get(entity_id).last_updated)
            await asyncio.sleep(max(0, begun + (first + turn) / rate - time.monotonic()))
        await hass.async_add_executor_job(_keep, Path(hass.config.path(name)), times)

    async def play(call: Any) -> None:
        hass.async_create_background_task(playing(**call.data), DOMAIN)

    hass.services.async_register(DOMAIN, "play", play)
    return True


def _keep(file: Path, times: list[datetime]) -> None:
    written = file.with_suffix(".part")
    written.write_text(json.dumps([(time - EPOCH) // timedelta(microseconds=1) * 1000 for time in times]), "utf-8")
    written.rename(file)
