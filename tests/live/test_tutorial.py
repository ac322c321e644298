"""The tutorial's second part, typed word by word against a real Home Assistant."""

from __future__ import annotations

import faulthandler
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.conftest import USUAL, runnable
from tests.live.homeassistant import HomeAssistant
from tests.live.lab import CHECKOUT

pytestmark = pytest.mark.live

PORT = 8123
"""Where the page has its Home Assistant."""


@pytest.fixture
def at_the_usual_port(tmp_path: Path) -> Iterator[HomeAssistant]:
    server = HomeAssistant.fresh(runnable(USUAL.split()[-1]), tmp_path / "config")
    server.port = PORT
    try:
        server.start()
        yield server
    finally:
        server.stop()


def test_the_real_home_is_stored_as_the_tutorial_says(at_the_usual_port: HomeAssistant, tmp_path: Path) -> None:
    faulthandler.cancel_dump_traceback_later()  # the script has deadlines of its own, and so has this
    token = tmp_path / "ha-token"
    token.touch(mode=0o600)
    token.write_text(at_the_usual_port.tokens["admin"], "utf-8")
    command: list[str | Path] = [CHECKOUT / "scripts/tutorial", "docs/tutorial/your-home.md", "--token-file", token]
    done = subprocess.run(
        [*command, "--entity", "sensor.outside_temperature"], capture_output=True, text=True, check=False, timeout=500
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert at_the_usual_port.tokens["admin"] not in done.stdout + done.stderr
