"""Real servers, one of each a session. `HA_VERSIONS="2024.3.3 2025.4.4"` chooses the Home Assistants."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.live import servers
from tests.live.ha_install import RELEASES, Release, also
from tests.live.homeassistant import HomeAssistant
from tests.live.servers import Database

USUAL = "2024.3.3 2025.4.4"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Beside each other run the versions; what concerns none, or all, runs with the first, which has less to do."""
    versions = os.environ.get("HA_VERSIONS", USUAL).split()
    for item in items:
        chosen = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
        fixtures = ("home_assistant", "release_with_influxdb", "watching")
        version = next((chosen[name] for name in fixtures if name in chosen), versions[0])
        item.add_marker(pytest.mark.xdist_group(version))


def runnable(version: str) -> Release:
    """The release, or a skip when this machine has no Python for it and another usual version has one."""
    if version not in RELEASES:
        pytest.fail(
            f"Home Assistant {version}: add its release day and Pythons to RELEASES in tests/live/ha_install.py"
        )
    release = RELEASES[version]
    if release.python() or "HA_VERSIONS" in os.environ or not any(RELEASES[v].python() for v in USUAL.split()):
        return release
    pytest.skip(f"no Python here for Home Assistant {version}")


@pytest.fixture(scope="session", params=os.environ.get("HA_VERSIONS", USUAL).split())
def home_assistant(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HomeAssistant]:
    """A furnished home, RUNNING. Who stops it starts it again."""
    release = runnable(request.param)
    server = HomeAssistant.fresh(release, tmp_path_factory.mktemp("home") / "config")
    try:
        server.start()
        server.furnish()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def newest_home_assistant(home_assistant: HomeAssistant) -> HomeAssistant:
    """One of those that are asked for, where one is enough."""
    newest = os.environ.get("HA_VERSIONS", USUAL).split()[-1]
    if home_assistant.release.version != newest:
        pytest.skip(f"the newest is enough: {newest}")
    return home_assistant


@pytest.fixture(scope="session")
def victoria_metrics(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with servers.victoria_metrics(tmp_path_factory.mktemp("victoria")) as database:
        yield database


@pytest.fixture(scope="session")
def influxdb(request: pytest.FixtureRequest) -> Database:
    """The database of `HOMEIQ_TEST_INFLUXDB_URL`, else the real 1.x engine behind a v2 envelope."""
    own = servers.own_influxdb()
    engine: Database = own or request.getfixturevalue("influxdb_engine")
    return engine


@pytest.fixture(scope="session")
def influxdb_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with servers.influxdb(tmp_path_factory.mktemp("influxdb")) as database:
        yield database


@pytest.fixture(scope="session", params=os.environ.get("HA_VERSIONS", USUAL).split())
def release_with_influxdb(request: pytest.FixtureRequest) -> Release:
    """An installed Home Assistant with what its own `influxdb` integration requires; not started."""
    found = runnable(request.param)
    also(found, "influxdb")
    return found
