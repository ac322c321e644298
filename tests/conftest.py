from __future__ import annotations

import gc
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from ingest.runtime.garbage import look_seldom

pytest_plugins = ["tests.support.overheard"]

# How long an example takes says how busy the machine is, not whether the code is right.
settings.register_profile("busy machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy machine")


def pytest_addoption(parser: pytest.Parser) -> None:
    """The size of the fault campaign (`tests/faults`)."""
    parser.addoption("--examples", default="250", help="scenarios that the fault campaign plays")
    parser.addoption("--campaign-seed", default="0", help="another number, other scenarios")


@pytest.fixture(autouse=True)
def _no_home_of_whoever_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a test gives no $HOME, nobody's own configuration and data are used."""
    monkeypatch.setattr("ingest.config.files.passwd_home", lambda: None)


@pytest.fixture
def looking_seldom() -> Iterator[None]:
    """Python looks for garbage as seldom as in the service."""
    before = gc.get_threshold()
    look_seldom()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    """What systemd listens on."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.setblocking(False)
        yield listening
