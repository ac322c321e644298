"""`doctor` before real servers: silent where all is well, and the cause first where one thing is broken."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from attrs import frozen
from click.testing import CliRunner

from ingest.cli import doctor_home
from ingest.cli.main import main
from ingest.core.homeiq import MEASUREMENT
from tests.live.homeassistant import HomeAssistant
from tests.live.lab import wait_for
from tests.live.recorded import EXCLUDED
from tests.live.servers import MAX_BODY, Database, influxdb_engine
from tests.live.service import installed, service

pytestmark = pytest.mark.live

RECORDED = f'filter.patterns=[{{"entity_id": "{EXCLUDED}*"}}]'
"""Leaves out what the live home keeps out of its recorder."""


@frozen
class Told:
    code: int
    findings: list[dict[str, Any]]
    checks: dict[str, dict[str, Any]]
    screen: str

    @property
    def first(self) -> str:
        found = self.findings[0]
        return f"{found['severity']} of {found['check']}: {found['what']}. {found['remedy']}"


def doctor(folder: Path, *arguments: str, recorded: str = RECORDED) -> Told:
    asked = ["doctor", "--config", str(folder / "config.toml"), "--set", recorded, *arguments]
    result = CliRunner().invoke(main, [*asked, "--json"])
    secrets = [(folder / name).read_text("utf-8") for name in ("ha-token", "db-token")]
    assert not any(secret and secret in result.output for secret in secrets)
    told = json.loads(result.stdout)
    shown = CliRunner().invoke(main, asked).output
    return Told(result.exit_code, told["findings"], {each["name"]: each for each in told["checks"]}, shown)


@pytest.fixture
def bucket() -> str:
    return f"doctor-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def without_service(home_assistant: HomeAssistant, influxdb: Database, bucket: str, tmp_path: Path) -> Path:
    """An installation with a bucket; no service runs, which is a warning by itself."""
    influxdb.create_bucket(bucket)
    installed(tmp_path / "here", home_assistant, influxdb, bucket, home_assistant.admin.url)
    return tmp_path / "here"


def written(database: Database, bucket: str, line: str) -> None:
    query = {"org": database.org, "bucket": bucket, "precision": "ns"}
    headers = {"Authorization": f"Token {database.token}"}
    with httpx.Client(base_url=database.url, headers=headers, trust_env=False) as client:
        client.post("/api/v2/write", params=query, content=line).raise_for_status()


# ---- good ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["influxdb", "victoria_metrics"])
def test_a_good_set_up_is_silent(
    home_assistant: HomeAssistant, name: str, bucket: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    database: Database = request.getfixturevalue(name)
    with service(tmp_path / "here", home_assistant, database, bucket) as running:
        running.wait_connected()
        wait_for(lambda: database.read(bucket, MEASUREMENT), "a state in the database", 30)
        told = doctor(running.folder)
    assert (told.code, told.findings) == (0, []), told.screen
    assert told.screen.startswith("All is well: ")
    assert told.screen.count("\n") == 1
    said = {check: each["said"] for check, each in told.checks.items()}
    assert f"version {home_assistant.release.version}: " in said["home assistant (primary)"]
    assert "all of them recorded" in said["recorder's entities"]
    assert "Home Assistant" in said["clocks"]
    assert "the database" in said["clocks"]
    assert said["write"] == "a point came in, and was removed again"
    if name == "victoria_metrics":
        assert said["database"] == "VictoriaMetrics"
    else:
        assert "none of another type there" in said["types"]


def test_a_good_set_up_with_the_embedded_store(home_assistant: HomeAssistant, tmp_path: Path) -> None:
    with service(tmp_path / "here", home_assistant) as running:
        running.wait_connected()
        running.wait_for("Snapshot", 1)
        told = doctor(running.folder)
    assert (told.code, told.findings) == (0, []), told.screen
    assert told.checks["embedded store"]["said"].startswith("sound, ")


def test_it_leaves_the_running_service_alone(
    home_assistant: HomeAssistant, influxdb: Database, bucket: str, tmp_path: Path
) -> None:
    """As a process of its own, as people run it: the service has one session and no gap afterwards."""
    with service(tmp_path / "here", home_assistant, influxdb, bucket) as running:
        running.wait_connected()
        wait_for(lambda: influxdb.read(bucket, MEASUREMENT), "a state in the database", 30)
        command = [sys.executable, "-m", "ingest", "doctor", "--config", str(running.folder / "config.toml")]
        done = subprocess.run([*command, "--set", RECORDED], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stdout
        home_assistant.admin.set_states([("sensor.after_the_doctor", uuid.uuid4().hex, {})])
        wait_for(lambda: came(influxdb, bucket, "sensor.after_the_doctor"), "what came after it", 20)
        assert len(running.reported("Connected")) == 1
        assert not any(gap["cause"] == "connection" for gap in running.gaps())


# ---- broken -------------------------------------------------------------------------------------------------------


def came(database: Database, bucket: str, entity: str) -> bool:
    return any(row.tags.get("entity_id") == entity for row in database.read(bucket, MEASUREMENT))


def say(home: HomeAssistant, *messages: dict[str, Any]) -> Sequence[Any]:
    return home.admin.commands(*messages)


def test_a_revoked_token(home_assistant: HomeAssistant, without_service: Path) -> None:
    name = f"doctor {uuid.uuid4().hex[:8]}"
    (token,) = say(home_assistant, {"type": "auth/long_lived_access_token", "client_name": name, "lifespan": 365})
    (without_service / "ha-token").write_text(token, "utf-8")
    assert doctor(without_service).checks["token"]["said"] == "an administrator's"
    (grants,) = say(home_assistant, {"type": "auth/refresh_tokens"})
    revoked = next(each["id"] for each in grants if each["client_name"] == name)
    say(home_assistant, {"type": "auth/delete_refresh_token", "refresh_token_id": revoked})
    told = doctor(without_service)
    assert told.code == 2
    assert told.first.startswith("error of home assistant (primary): Home Assistant does not accept the token")
    assert "Make a long-lived access token" in told.first
    assert told.checks["recorder"]["skipped"]


@pytest.mark.parametrize("user", ["user", "readonly"])
def test_a_token_of_no_administrator(home_assistant: HomeAssistant, without_service: Path, user: str) -> None:
    (without_service / "ha-token").write_text(home_assistant.tokens[user], "utf-8")
    told = doctor(without_service)
    assert [each["what"] for each in told.findings] == [
        "no service runs: nothing is stored", "the token is not an administrator's"
    ]  # fmt: skip
    assert "all of them recorded" in told.checks["recorder's entities"]["said"]


def test_what_is_stored_and_not_recorded(
    home_assistant: HomeAssistant, without_service: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor_home, "SETTLED_NS", 3 * 10**9)
    entity = f"{EXCLUDED}by_the_doctor"
    home_assistant.admin.set_states([(entity, uuid.uuid4().hex, {})])

    def named() -> Told | None:
        home_assistant.admin.set_states([("sensor.time_passes", uuid.uuid4().hex, {})])
        told = doctor(without_service, recorded="filter.mode=exclude")
        return told if "recorder's entities" in {each["check"] for each in told.findings} else None

    try:
        told = wait_for(named, "an entity that is not recorded", 30)
        left_out = doctor(without_service)
    finally:  # others count what this home lacks
        home_assistant.admin.request("DELETE", f"states/{entity}")
    assert told.first.startswith("warning of recorder's entities: of ")
    assert "not in Home Assistant's recorder: " in told.first
    assert EXCLUDED in told.first
    assert "`recorder: exclude`" in told.first
    assert "all of them recorded" in left_out.checks["recorder's entities"]["said"]


def test_a_field_of_another_type(influxdb: Database, bucket: str, without_service: Path) -> None:
    written(influxdb, bucket, 'home_assistant_events,entity_id=sun.sun state_value=1,normalized_value="text"')
    told = doctor(without_service)
    assert told.code == 2
    assert told.first.startswith("error of types: the bucket holds other types under the same names: ")
    assert '"state_value" of "home_assistant_events" is float there, string here' in told.first
    assert told.checks["write"]["said"] == "a point came in, and was removed again"


def test_a_bucket_that_is_not_there(without_service: Path) -> None:
    told = doctor(without_service, "--set", "influxdb.bucket=never-made", "--set", "influxdb.create_bucket=false")
    assert told.code == 2
    assert told.first.startswith('error of bucket: there is no bucket "never-made". Create the bucket')


def test_a_token_that_the_database_refuses(influxdb: Database, without_service: Path) -> None:
    (without_service / "db-token").write_text("not-the-token", "utf-8")
    told = doctor(without_service)
    assert told.first.startswith("error of database: the database answers 401")
    assert "Check influxdb.token_file" in told.first


def test_home_assistant_instead_of_the_database(home_assistant: HomeAssistant, without_service: Path) -> None:
    told = doctor(without_service, "--set", f"influxdb.url={home_assistant.admin.url}")
    assert told.first.startswith("error of database: ")
    assert "Check influxdb.url" in told.first


def test_the_bare_engine_of_influxdb_1(without_service: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    with influxdb_engine(tmp_path_factory.mktemp("bare"), MAX_BODY) as url:
        told = doctor(without_service, "--set", f"influxdb.url={url}")
    assert told.first.startswith("error of database: that is InfluxDB 1")
    assert "from 1.8 on" in told.first


def test_a_database_instead_of_home_assistant(
    influxdb: Database, victoria_metrics: Database, without_service: Path
) -> None:
    for database in (influxdb, victoria_metrics):
        told = doctor(without_service, "--set", f"home_assistant.url={database.url}")
        assert told.first.startswith("error of home assistant (primary): ")
        assert "no Home Assistant" in told.first


def test_a_home_that_is_off(home_assistant: HomeAssistant, without_service: Path) -> None:
    told = doctor(without_service, "--set", "home_assistant.url=http://127.0.0.1:9")
    assert told.first.startswith("error of home assistant (primary): the address cannot be reached")
    assert told.checks["database"]["severity"] is None
