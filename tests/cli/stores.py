"""Embedded stores for tests of the commands, written by the store itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import trio
from click import Command
from click.testing import CliRunner, Result

from ingest.core.point import Attributes, Facts, Kind, Point
from ingest.core.rows import row_of
from ingest.core.state import Context, Source
from ingest.core.store import Batch, Delivered
from ingest.edge.embedded import EmbeddedSettings, open_embedded
from ingest.runtime.lane import InlineLane

S = 10**9
HOUR = 3_600 * S
DAY = 24 * HOUR
NOON = 1_767_268_800 * S
"""2026-01-01T12:00:00Z."""

ROOM = Attributes('{"unit_of_measurement":"°C"}', "temperature", "°C", "Room")


def temperature(at_ns: int, value: float | str, entity_id: str = "sensor.room", registry_id: str = "r1") -> Point:
    known = value if isinstance(value, float) else None
    return Point(entity_id, at_ns, str(value), Facts(registry_id, area_id="office"), ROOM, known, kind=Kind.CHANGED)


def light(at_ns: int, state: str) -> Point:
    value = {"on": 1.0, "off": 0.0}.get(state)
    context = Context("c1", "c0", "anna")
    return Point("light.lamp", at_ns, state, Facts("l1"), Attributes(), value, "off", 5.5, Kind.CHANGED, context)


def write(path: Path, points: Sequence[Point], now_ns: int | None = None) -> Path:
    """Store the points; with `now_ns`, roll up the hours before."""

    async def store() -> None:
        async with open_embedded(EmbeddedSettings(path, None), InlineLane(), lambda: now_ns or 0) as embedded:
            rows = tuple(row_of(point) for point in points)
            assert await embedded.deliver(Batch(rows, len(rows), 0, 0, 0)) == Delivered()
            if now_ns is not None:
                await embedded.maintain()

    trio.run(store)
    return path


def a_day(path: Path, now_ns: int | None = None) -> Path:
    """A temperature that rises a degree each hour of the day before noon, and a lamp."""
    curve = [temperature(NOON - DAY + hour * HOUR, float(hour)) for hour in range(24)]
    lamp = [light(NOON - 6 * HOUR, "on"), light(NOON - 5 * HOUR, "off"), light(NOON - 4 * HOUR, "unavailable")]
    seen = Point("sensor.zähler", NOON - 400 * DAY, "7", Facts("z"), Attributes(), 7.0, origin=Source.SNAPSHOT)
    return write(path, [*curve, *lamp, seen], now_ns)


def run(command: Command, *arguments: object) -> Result:
    environ = {"TZ": "UTC", "HOME": "/nonexistent", "COLUMNS": "80"}
    return CliRunner(env=environ).invoke(command, [str(argument) for argument in arguments])
