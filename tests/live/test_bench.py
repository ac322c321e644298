"""The bench's real Home Assistant: every change that it says it made is made, and its integration loses what is refused."""

from __future__ import annotations

import pytest

from scripts.benchmark.beside import integrated_outage
from scripts.benchmark.outage import Loss
from scripts.benchmark.real_home import RELEASE, changes
from tests.live.conftest import runnable

pytestmark = pytest.mark.live


async def test_its_own_integration_loses_what_a_database_refuses() -> None:
    runnable(RELEASE.version)
    assert await integrated_outage(changes(50, 400), 200, 1, patience=3) == Loss(400, 200)
