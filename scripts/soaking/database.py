"""Where the points go: VictoriaMetrics with its data in a folder, that comes and goes, or else a sink that keeps lines."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from subprocess import Popen
from sys import intern
from typing import Protocol, TypeAlias

import httpx
import pytest
import trio
from attrs import define, field

from tests.faults.campaign.database import key_of, state_of
from tests.faults.sink import Sink
from tests.live.lab import end, free_port, launch
from tests.live.servers import answers, victoria_command

Held: TypeAlias = Mapping[tuple[str, int], Mapping[str, int]]
"""By entity and time in milliseconds: how many points there are, in each series."""

STARTING = 60.0
PREFIX = b"home_assistant_events,"
SERIES = re.compile(rb"(?:[^\\ ]|\\.)*")
"""A line up to its first space that is not escaped: measurement and tags."""


class Database(Protocol):
    """A database on a loopback address that stays its own."""

    name: str

    @property
    def url(self) -> str:
        """The address for `influxdb.url`."""

    async def start(self) -> None:
        """Be there, on the same address and with the same data as before."""

    async def stop(self) -> None:
        """Be away. What was stored stays."""

    async def held(self) -> tuple[Held, dict[tuple[str, int], set[float]]]:
        """Every change that is stored, and the numbers that are."""


def series_of(line: bytes) -> str:
    """The series of a line: its measurement and tags, as they stand there."""
    found = SERIES.match(line)
    assert found is not None
    return intern(found[0].decode())


@define(eq=False)
class VictoriaMetrics:
    """Debian's. It keeps numbers and milliseconds; of a text only that it is there."""

    folder: Path
    port: int = field(factory=free_port)
    name: str = "VictoriaMetrics"
    _process: Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address for `influxdb.url`."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start it on the same data. Raises `trio.TooSlowError`."""
        self._process = launch(victoria_command(self.folder, self.port), self.folder / "victoria-metrics.log")
        with trio.fail_after(STARTING):
            while not await trio.to_thread.run_sync(answers, f"{self.url}/health"):  # noqa: ASYNC110  a process has no event
                await trio.sleep(0.1)

    async def stop(self) -> None:
        """End its process; its data stay in the folder."""
        if self._process is not None:
            await trio.to_thread.run_sync(end, self._process)
            self._process = None

    async def held(self) -> tuple[Held, dict[tuple[str, int], set[float]]]:
        """Read its export. Raises `httpx.HTTPError`."""
        held: dict[tuple[str, int], Counter[str]] = defaultdict(Counter)
        numbers: dict[tuple[str, int], set[float]] = defaultdict(set)
        async with httpx.AsyncClient(base_url=self.url, trust_env=False, timeout=120) as client:
            (await client.get("/internal/force_flush")).raise_for_status()
            for name in ("state_value", "value"):
                query = {"match[]": f"home_assistant_events_{name}", "start": "0", "end": "2100-01-01T00:00:00Z"}
                async with client.stream("GET", "/api/v1/export", params=query) as answer:
                    answer.raise_for_status()
                    async for text in answer.aiter_lines():
                        series = json.loads(text)
                        tags = json.dumps(series["metric"], sort_keys=True)
                        for at, value in zip(series["timestamps"], series["values"], strict=True):
                            key = series["metric"]["entity_id"], at
                            if name == "value":
                                numbers[key].add(value)
                            else:
                                held[key][tags] += 1
        return held, numbers


@define(eq=False)
class Counting:
    """A sink that takes everything and keeps the lines."""

    name: str = "a sink that keeps the lines"
    sink: Sink = field(factory=lambda: Sink(free_port()))

    @property
    def url(self) -> str:
        """The address for `influxdb.url`."""
        return self.sink.url

    async def start(self) -> None:
        """Take everything from now on."""
        self.sink.become("take")

    async def stop(self) -> None:
        """Be away, as a database that was stopped; the lines stay."""
        self.sink.become("away")

    async def held(self) -> tuple[Held, dict[tuple[str, int], set[float]]]:
        """Every change that its lines tell of, and the numbers in them."""
        held: dict[tuple[str, int], Counter[str]] = defaultdict(Counter)
        numbers: dict[tuple[str, int], set[float]] = defaultdict(set)
        points = set[tuple[str, int]]()
        for each in [each for each in self.sink.lines if each.startswith(PREFIX)]:
            entity_id, time_ns = key_of(each)
            series = series_of(each)
            if (series, time_ns) not in points:  # else it came twice: it is one point
                points.add((series, time_ns))
                held[entity_id, time_ns // 1_000_000][series] += 1
            try:
                numbers[entity_id, time_ns // 1_000_000].add(float(state_of(each)))
            except ValueError:
                continue
        return held, numbers


def database(folder: Path) -> Database:
    """The real one where it can be had."""
    try:
        found = VictoriaMetrics(folder)
        victoria_command(folder, found.port)
    except pytest.fail.Exception:
        return Counting()
    return found
