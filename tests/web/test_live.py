"""`/ws` on a real port: what is streamed, what is refused, and what no client can do to the others."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import trio
from wsproto.extensions import PerMessageDeflate

from ingest.config.service import Api
from ingest.core import reports
from ingest.core.filter_settings import FilterSettings, Pattern
from ingest.core.reports import Report
from ingest.core.secret import Secret
from ingest.pipeline import Pipeline
from ingest.simulator.server import Server
from tests.web.talking import Talker, talking
from tests.web.test_site import CALM, beside, listening, until


@asynccontextmanager
async def served(api: Api = Api(port=0)) -> AsyncGenerator[tuple[int, Pipeline, Server, list[Report]]]:  # noqa: B008  frozen
    async with beside(api) as (pipeline, emitted, memory, server):
        await until(lambda: listening(emitted) and memory.points)
        yield int(listening(emitted).rpartition(":")[2]), pipeline, server, emitted


async def test_smoke() -> None:
    async with served() as (port, pipeline, server, _), talking(port) as talker:
        assert not pipeline.filter.tap
        print(await talker.ask({"type": "subscribe", "channels": ["sensor.burst_*"], "correlation_id": "x"}))
        assert pipeline.filter.tap
        await server.burst(20, entities=5)
        events = await talker.events(20)
        print(events[0])
        print(await talker.ask("nonsense"))
        print(await talker.ask("x" * 70000))
        print(await talker.ask("x" * 5_000_000))
        print(await talker.ask(b"\xff" * 70000))
        print(await talker.ask({"type": "x", "a": ["é"]}))
        await talker.stream.send_all(b"\x81\x82\x00\x00\x00\x00\xff\xff")
        await talker.end()
        print(talker.closed)
