"""The way from Home Assistant's own `influxdb` integration to this service: `convert`, a while side by side, `compare`.

A real Home Assistant whose own integration writes into a real engine; a service beside it whose configuration `convert`
made of the same YAML. Then each side loses something, and `compare` says what, and why.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen
from click.testing import CliRunner

from ingest.cli.main import main
from tests.faults.proxy import Proxy, proxy
from tests.live.driven import CALLS, ODD
from tests.live.ha_install import Release
from tests.live.homeassistant import HomeAssistant
from tests.live.lab import wait_for
from tests.live.servers import Database
from tests.live.service import Service, started

pytestmark = pytest.mark.live

FIRST = "  database: {bucket}\n"
SECOND = "  api_version: 2\n  token: !secret influxdb_token\n  organization: {org}\n  bucket: {bucket}\n"
APIS = {"2024.3.3": FIRST}
"""One version writes as to InfluxDB 1, whose client reckons its times with floats; the other as to InfluxDB 2."""

BUSY = 150
"""States of one sensor that nobody may lose."""

BLOCK = "\ninfluxdb:\n  host: 127.0.0.1\n  port: {port}\n  ssl: false\n  exclude:\n    domains: camera\n"


@frozen
class Beside:
    """A home, the line between its own integration and the database, and the service beside it."""

    home: HomeAssistant
    line: Proxy
    service: Service
    database: Database
    bucket: str
    since: str

    def compared(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """The exit code and what is said, of all that is stored until now."""
        code, said = self.command("compare", "--json", *arguments)
        return code, json.loads(said.splitlines()[-1])

    def command(self, name: str, *arguments: str) -> tuple[int, str]:
        now = datetime.now(UTC).isoformat()
        asked = [name, "--since", self.since, "--until", now, "--config", str(self.service.folder / "config.toml")]
        done = subprocess.run(
            [sys.executable, "-m", "ingest", *asked, *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode in {0, 3}, done.stderr
        return done.returncode, done.stdout

    def stored(self, bucket: str, entity: str, state: float) -> bool:
        """Whether an entity's number has come into a bucket."""
        return any(row.fields.get("value") == state for row in self.database.read(bucket, entity))

    def marked(self, number: float, *, here_only: bool = False) -> None:
        """Say a number, and wait until it has come to both sides."""
        self.home.admin.set_states([("sensor.marker", f"{number}", {})])
        for bucket in (f"{self.bucket}-beside", *(() if here_only else (self.bucket,))):
            wait_for(partial(self.stored, bucket, "sensor.marker", number), f"{number} in {bucket}", 60)


@pytest.fixture(scope="module")
def beside(
    release_with_influxdb: Release, influxdb: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Beside]:
    folder, bucket = tmp_path_factory.mktemp("beside"), f"theirs-{uuid.uuid4().hex[:8]}"
    for name in (bucket, f"{bucket}-beside"):
        influxdb.create_bucket(name)
    home = HomeAssistant.fresh(release_with_influxdb, folder / "config")
    with proxy(int(influxdb.url.rpartition(":")[2])) as line:
        (home.config / "secrets.yaml").write_text(f"influxdb_token: {influxdb.token}\n")
        api = APIS.get(release_with_influxdb.version, SECOND)
        told = BLOCK.format(port=line.port) + api.format(org=influxdb.org, bucket=bucket)
        (home.config / "influxdb.yaml").write_text(told)
        with (home.config / "configuration.yaml").open("a", encoding="utf-8") as file:
            file.write(told)
        service = folder / "service"
        service.mkdir()
        (service / "ha-token").touch(mode=0o600)
        (service / "ha-token").write_text(home.tokens["admin"])
        _convert(home, service, line, influxdb, bucket)
        since = datetime.now(UTC).isoformat()
        home.start()
        running = started(service)
        try:
            running.wait_connected()
            yield Beside(home, line, running, influxdb, bucket, since)
        finally:
            running.stop()
            home.stop()


def _convert(home: HomeAssistant, folder: Path, line: Proxy, database: Database, bucket: str) -> None:
    """The service's configuration, from the home's own; it has its own line to the database, and a rule of its own."""
    config = folder / "config.toml"
    arguments = ["--bucket", f"{bucket}-beside", "--url", home.admin.url, "--token-file", str(folder / "ha-token")]
    made = CliRunner().invoke(
        main, ["convert", str(home.config / "influxdb.yaml"), "-o", str(config), *arguments], catch_exceptions=False
    )
    assert made.exit_code == 0, made.output
    text = config.read_text("utf-8")
    assert database.token not in text
    token = folder / "influxdb-token"
    if not token.exists():  # where the original needs none
        token.touch(mode=0o600)
        token.write_text(database.token)
        text = text.replace("[influxdb]", '[influxdb]\ntoken_file = "influxdb-token"')
    text = text.replace(line.url, database.url)
    text += '\n[spool]\npath = "state.db"\n[api]\nenabled = false\n'
    config.write_text(text.replace('{domain = ["camera"]}', '{domain = ["camera", "lock"]}'), "utf-8")


def reasons(found: dict[str, Any], side: str) -> dict[str, int]:
    counts: dict[str, int] = {}
    for each in found[side]:
        counts[each["reason"]] = counts.get(each["reason"], 0) + each["points"]
    return counts


def test_a_while_side_by_side_and_every_difference_has_a_reason(beside: Beside) -> None:
    home = beside.home.admin
    beside.marked(1)
    for domain, name, data in CALLS:
        if domain not in {"automation", "script"}:
            home.call(domain, name, **data)
    home.set_states([(f"sensor.odd_{at}", *state) for at, state in enumerate(ODD)])
    home.call("lock", "unlock", entity_id="all")
    for number in range(BUSY):  # however long the rest takes: so much at least is to be found on both sides
        home.set_states([("sensor.busy", f"{number}", {})])
    beside.marked(2)

    beside.line.become("refuse")  # its own integration cannot write for a while, and says nothing of it
    for number in range(20):
        home.set_states([("sensor.lost", f"{number}", {})])
        time.sleep(0.5)
    beside.marked(3, here_only=True)
    time.sleep(3)  # it gathers for as long as a state comes within a second, and writes only then
    beside.line.become("fair")
    time.sleep(3)
    beside.marked(4)

    code, found = beside.compared()
    sys.stdout.write(beside.command("compare")[1])  # with -s: what a person reads
    assert code == 0, found
    assert found["unexplained"] == 0
    assert found["same"] > BUSY
    assert found["verdict"].startswith("Whatever of the original is not here has a known reason.")
    assert {"rule"} <= set(reasons(found, "only_theirs")) <= {"rule", "before"}
    lost = reasons(found, "only_ours")
    assert lost["silent"] >= 20
    assert all(each["recorded"] == each["asked"] > 0 for each in found["only_ours"] if each["reason"] == "silent")
    assert found["silences"]


def test_what_is_missing_here_without_a_reason_is_named(beside: Beside) -> None:
    before, _ = beside.compared()
    for number in (5.1, 5.2, 5.3):
        beside.marked(number)
    beside.database.forget(f"{beside.bucket}-beside", "sensor.marker", time.time_ns() - 10**12)
    beside.marked(6)
    code, found = beside.compared()
    assert (before, code) == (0, 3)
    missing = [each for each in found["only_theirs"] if each["reason"] == "missing"]
    assert [each["entities"] for each in missing] == [1]
    assert missing[0]["examples"][0]["entity_id"] == "sensor.marker"
    assert missing[0]["recorded"] == missing[0]["asked"] == missing[0]["points"] >= 3
    assert "missing here, and nothing says why" in found["verdict"]
    _, everything = beside.command("compare", "--all", "--json")
    points = [json.loads(line) for line in everything.splitlines()[:-1]]
    assert sum(point["reasons"][0]["reason"] == "missing" for point in points) == missing[0]["points"]


def test_a_gap_of_ours_that_the_history_filled_costs_attributes_at_most(beside: Beside) -> None:
    """It is the last test: the service that it leaves is another one."""
    since = datetime.now(UTC).isoformat()
    beside.marked(7)
    beside.service.stop()
    for number in range(20):
        beside.home.admin.set_states(
            [("sensor.meanwhile", f"{number}", {"unit_of_measurement": "W", "number": number})]
        )
        time.sleep(0.1)
    time.sleep(3)  # the recorder commits every second
    again = beside.service.again()
    try:
        wait_for(lambda: any(gap["state"] == "filled" for gap in again.gaps()), "a filled gap", 60)
        beside.marked(8)
        code, found = beside.compared("--since", since)
    finally:
        again.stop()
    assert code == 0, found
    assert found["only_theirs"] == []
    assert found["same"] >= 20
