from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
import trio

from ingest.simulator.home import Home
from ingest.simulator.serve import Peer
from tests.simulator.caller import server_of

START = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.fixture
def home() -> Home:
    return Home(1, 60, START, remember=True)


@pytest.fixture
async def peer(autojump_clock: trio.testing.MockClock, home: Home, nursery: trio.Nursery) -> AsyncIterator[Peer]:
    """A server in memory, its time running."""
    server = server_of(home)
    nursery.start_soon(server.run)
    yield Peer(server, nursery)
    nursery.cancel_scope.cancel()
