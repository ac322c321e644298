"""The package on a real Home Assistant, watching a real service: it is checked, its sensors are fed, and it tells."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from ingest.cli.main import main
from tests.live import servers
from tests.live.conftest import USUAL, runnable
from tests.live.ha_install import also, checking
from tests.live.homeassistant import HomeAssistant
from tests.live.lab import free_port, wait_for
from tests.live.service import Service, installed, started

pytestmark = pytest.mark.live

STATUS = "sensor.homeiq_ingest_status"
REASON = "sensor.homeiq_ingest_reason"
PROBLEM = "binary_sensor.homeiq_ingest_problem"


@pytest.fixture(scope="module")
def port() -> int:
    """Where the service of these tests answers."""
    return free_port()


@pytest.fixture(scope="module", params=os.environ.get("HA_VERSIONS", USUAL).split())
def watching(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, port: int
) -> Iterator[HomeAssistant]:
    """A Home Assistant with the package, its minutes shortened; the service does not run yet."""
    release = runnable(request.param)
    also(release, "rest")
    server = HomeAssistant.fresh(release, tmp_path_factory.mktemp("watching") / "config")
    packages = server.config / "packages"
    packages.mkdir()
    (packages / "homeiq_ingest.yaml").write_text(shortened(printed(f"http://127.0.0.1:{port}")), "utf-8")
    configuration = server.config / "configuration.yaml"
    text = configuration.read_text("utf-8")
    assert "\nhomeassistant:\n" in text
    text = text.replace("\nhomeassistant:\n", "\nhomeassistant:\n  packages: !include_dir_named packages\n", 1)
    configuration.write_text(f"{text}\npersistent_notification:\nautomation:\n", "utf-8")
    try:
        server.start()
        yield server
    finally:
        server.stop()


def printed(url: str) -> str:
    result = CliRunner().invoke(main, ["home-assistant", "package", "--url", url])
    assert result.exit_code == 0, result.output
    return result.stdout


def shortened(package: str) -> str:
    """Five minutes are three seconds here, and the half minute between two looks is one."""
    for told, here in (("00:05:00", "00:00:03"), ("00:01:00", "00:00:02"), ("scan_interval: 30", "scan_interval: 1")):
        assert told in package
        package = package.replace(told, here)
    return package


@pytest.fixture
def service(watching: HomeAssistant, port: int, tmp_path: Path) -> Iterator[Service]:
    """A service that stores what the Home Assistant which watches it says."""
    folder = tmp_path / "service"
    installed(folder, watching, None, "", watching.admin.url)
    config = folder / "config.toml"
    text = config.read_text("utf-8")
    assert "[api]\nenabled = false" in text
    config.write_text(text.replace("[api]\nenabled = false", f"[api]\nport = {port}"), "utf-8")
    running = started(folder)
    try:
        yield running
    finally:
        running.stop()


def state(home: HomeAssistant, entity_id: str) -> dict[str, Any]:
    """A sensor is not there before the service answered once."""
    everything = home.admin.request("GET", "states")
    return next((each for each in everything if each["entity_id"] == entity_id), {"state": "", "attributes": {}})


def becomes(home: HomeAssistant, entity_id: str, wanted: str) -> dict[str, Any]:
    def there() -> dict[str, Any] | None:
        found = state(home, entity_id)
        return found if found["state"] == wanted else None

    try:
        return wait_for(there, f"{entity_id} is {wanted}")
    except TimeoutError as late:
        late.add_note(str(state(home, entity_id)))
        raise


def notification(home: HomeAssistant) -> dict[str, Any] | None:
    [found] = home.admin.commands({"type": "persistent_notification/get"})
    return next((each for each in found if each["notification_id"] == "homeiq_ingest"), None)


def told(home: HomeAssistant, title: str) -> str:
    """The message of the notification, once it has this title."""

    def there() -> str | None:
        found = notification(home)
        return str(found["message"]) if found and found["title"] == title else None

    return wait_for(there, f"a notification: {title}", 60)


def test_home_assistant_finds_nothing_wrong_with_it(watching: HomeAssistant) -> None:
    programs = checking(watching.release)
    command: list[str | Path] = [
        programs / "hass",
        "--script",
        "check_config",
        "--config",
        watching.config,
        "--info",
        "all",
    ]
    env = {"HOME_PORT": str(watching.port), "PATH": f"{programs}:/usr/bin:/bin"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "homeiq_ingest" in said
    for word in ("Failed config", "Incorrect config", "Invalid config"):
        assert word not in said


def test_it_is_watched_while_it_runs_and_told_of_when_it_stops_and_is_back(
    watching: HomeAssistant, service: Service, port: int
) -> None:
    service.wait_connected()
    look_again(watching, port)
    healthy = becomes(watching, STATUS, "healthy")
    becomes(watching, REASON, "all is well")
    assert healthy["attributes"]["remedies"] == []
    becomes(watching, PROBLEM, "off")
    sensors = ("changes_a_minute", "points_that_wait", "oldest_that_waits", "spool", "gaps_to_fill")
    for name in sensors:
        assert numeric(watching, f"sensor.homeiq_ingest_{name}")["attributes"]["unit_of_measurement"]
    asked = httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False).json()
    spool = state(watching, "sensor.homeiq_ingest_spool")["attributes"]
    assert spool["limit_bytes"] == asked["spool"]["limit_bytes"]
    assert spool["dead_letters"] == 0
    assert state(watching, "sensor.homeiq_ingest_gaps_to_fill")["attributes"]["unfillable"] == 0

    service.stop()
    becomes(watching, PROBLEM, "on")
    message = told(watching, "homeiq-ingest needs attention")
    assert f"does not answer at http://127.0.0.1:{port}" in message
    assert state(watching, "input_boolean.homeiq_ingest_told")["state"] == "on"

    again = service.again()
    try:
        becomes(watching, STATUS, "healthy")
        assert "homeiq-ingest gaps list" in told(watching, "homeiq-ingest is well again")
        becomes(watching, PROBLEM, "off")
        becomes(watching, "input_boolean.homeiq_ingest_told", "off")
    finally:
        again.stop()


def look_again(home: HomeAssistant, port: int) -> None:
    """Have Home Assistant ask now: where nobody answered when it started, it waits longer and longer."""
    wait_for(lambda: servers.answers(f"http://127.0.0.1:{port}/health"), "the service answers")
    home.admin.call("rest", "reload")


def numeric(home: HomeAssistant, entity_id: str) -> dict[str, Any]:
    def there() -> dict[str, Any] | None:
        found = state(home, entity_id)
        try:
            float(found["state"])
        except ValueError:
            return None
        return found

    return wait_for(there, f"{entity_id} has a number")


def test_what_it_says_when_it_is_unhealthy_and_what_to_do_is_in_the_notification(
    watching: HomeAssistant, service: Service, port: int
) -> None:
    service.stop()
    token = service.folder / "ha-token"
    token.write_text("a-token-of-nobody" * 11, "utf-8")
    refused = service.again()
    try:
        look_again(watching, port)
        unhealthy = becomes(watching, STATUS, "unhealthy")
        health = httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False).json()
        [remedy] = health["remedies"]
        assert "Make a long-lived access token" in remedy
        assert unhealthy["attributes"]["remedies"] == [remedy]
        becomes(watching, REASON, health["reason"])
        said = f"{health['reason']}. {remedy}"
        wait_for(lambda: said in " ".join(told(watching, "homeiq-ingest needs attention").split()), "what to do", 30)
    finally:
        refused.stop()
