"""`estimate`: what a simulated home comes to in a day, by its own account."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from click.testing import CliRunner, Result
from msgspec import Raw

from ingest.actors.connection import Connection
from ingest.cli import forecast, forecast_show, sampling
from ingest.cli.forecast import Forecast
from ingest.cli.main import main
from ingest.core.forecast import Entity
from ingest.core.wire import Malformed
from ingest.errors import Transient
from tests.cli.stores import NOON, S, temperature, write
from tests.cli.test_reload import serving
from tests.cli.test_run import configuration
from tests.faults.remembering import remember
from tests.support.homes import Running, running_home

ENTITIES, STATES = 3, 400
INFLUXDB = ("--set", "store.kind=influxdb", "--set", "influxdb.url=http://127.0.0.1:9")


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """Its windows are all of the day, so that nothing is estimated."""
    monkeypatch.setattr(sampling, "LONGEST_NS", 2 * 3600 * 10**9)
    with running_home(5, timedelta(0)) as running:
        running.do(lambda: remember(running.server.home, ENTITIES, STATES, datetime.now(UTC)))
        yield running


def estimate(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["estimate", *arguments, "--config", str(config), "--set", "api.enabled=false"])


def told(config: Path, *arguments: str) -> dict[str, Any]:
    result = estimate(config, *arguments, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_the_points_of_a_day_are_those_of_the_history(home: Running, tmp_path: Path) -> None:
    config = configuration(tmp_path, home.url)
    found = told(config, *INFLUXDB)
    talkers = {each["entity_id"]: each["points_per_day"] for each in found["most_talkative"]}
    imported = [count for name, count in talkers.items() if name.startswith("sensor.import_")]
    assert imported == [pytest.approx(STATES / 10, abs=1.1)] * ENTITIES
    assert found["line_bytes_per_day"] > found["sent_bytes_per_day"] > 0
    assert found["disk_bytes_per_day"] > 0
    assert found["series"] == found["entities"]
    assert sum(each["points_per_day"] for each in found["domains"]) == pytest.approx(found["points_per_day"])
    assert [each["near"] for each in found["limits"]] == [False] * 7
    assert found["most_talkative"][0]["leave_out"].startswith('{entity_id = "')


@pytest.mark.parametrize(("minutes", "windows"), [(10, 0), (360, 6)])
def test_of_a_young_home_only_the_windows_that_it_has_lived_are_counted(
    tmp_path: Path, minutes: int, windows: int
) -> None:
    only = ("--set", "filter.mode=include", "--set", 'filter.patterns=[{"entity_id": "sensor.import_*"}]')
    with running_home(5, timedelta(0)) as running:
        past = timedelta(minutes=minutes)
        running.do(lambda: remember(running.server.home, 1, 2 * minutes, datetime.now(UTC), past))
        found = told(configuration(tmp_path, running.url), *INFLUXDB, *only)
    assert found["seconds_counted"] == windows * 600
    assert found["points_per_day"] == pytest.approx(24 * 60 * 2 * bool(windows), rel=0.05)


def test_the_other_schema_has_other_series(home: Running, tmp_path: Path) -> None:
    found = told(configuration(tmp_path, home.url), *INFLUXDB, "--set", "influxdb.schema=homeassistant")
    (tables,) = [each for each in found["limits"] if each["what"] == "tables"]
    assert tables["taken"] > 1
    assert found["series"] + found["unwritten"] == found["entities"]


def test_what_is_unavailable_at_this_moment_had_a_day(home: Running, tmp_path: Path) -> None:
    config = configuration(tmp_path, home.url)
    schema = ("--set", "influxdb.schema=homeassistant")
    before = told(config, *INFLUXDB, *schema)
    home.change(["sensor.import_0000"], "unavailable")
    after = told(config, *INFLUXDB, *schema)
    assert (after["series"], after["unwritten"]) == (before["series"], before["unwritten"])
    (talker,) = [each for each in after["most_talkative"] if each["entity_id"] == "sensor.import_0000"]
    assert talker["points_per_day"] == pytest.approx(STATES / 10, abs=2.1)
    assert after["limits"][0]["taken"] == before["series"]


def test_what_is_left_out_is_not_counted_and_what_is_kept_says_by_what(home: Running, tmp_path: Path) -> None:
    config = configuration(tmp_path, home.url)
    config.write_text(
        config.read_text()
        + '\n[filter]\npatterns = [{entity_id = "sensor.import_*"}]\nexceptions = [{entity_id = "sensor.import_0000", heartbeat = "1m"}]'
    )
    all_of_it, some = told(config, *INFLUXDB, "--set", "filter.patterns=[]"), told(config, *INFLUXDB)
    assert some["left_out"] == ENTITIES - 1
    assert some["entities"] == all_of_it["entities"] - (ENTITIES - 1)
    (kept,) = [each for each in some["most_talkative"] if each["entity_id"] == "sensor.import_0000"]
    assert kept["leave_out"] == "(kept by exception 1)"
    assert kept["points_per_day"] > 1440
    nothing = estimate(
        config, "--set", "filter.mode=include", "--set", "filter.patterns=[]", "--set", "filter.exceptions=[]"
    )
    assert nothing.exit_code == 2
    assert "the filter leaves every entity out" in nothing.stderr


def test_a_person_reads_tables(home: Running, tmp_path: Path) -> None:
    config = configuration(tmp_path, home.url)
    text = estimate(config, *INFLUXDB).stdout
    assert "entities are stored." in text
    assert "MB of lines" in text
    assert "ok       InfluxDB 3 Core: 1 of 2,000 tables" in text
    with serving(config):
        pass
    embedded = estimate(config).stdout
    assert "MB in the embedded store" in embedded
    assert "InfluxDB" not in embedded


def test_a_store_of_ones_own_says_what_a_change_weighs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "home.db", [temperature(NOON + number * S, float(number)) for number in range(50)])
    assert forecast._own_rows(path) is None
    assert forecast._own_rows(tmp_path / "none.db") is None
    monkeypatch.setattr(forecast, "ENOUGH", 50)
    size = forecast._own_rows(path)
    assert size is not None
    assert size > 50


def test_without_a_history_nothing_is_promised(home: Running, tmp_path: Path) -> None:
    text = "\n".join(forecast_show.screen(Forecast((Entity("a.b", 0, 0, "no pattern"),), 1, 1, 0.0, 1, 0.0, 0.0, 0.0)))
    assert (
        "2 entities are stored, 1 entity left out by the filter, and the schema writes nothing of 1 of them now."
        in text
    )
    assert "nothing can be said" in text
    assert "–" in text


def test_an_answer_that_cannot_be_read_is_said_and_rows_that_cannot_are_left_out() -> None:
    class Socket:
        where = "ws://home"

    class Bulk:
        socket = Socket()

    with pytest.raises(Transient, match="the answer of the history cannot be read"):
        sampling._listed(cast("Connection", Bulk()), Raw(b"[]"))
    assert sampling._inside(Malformed("history", "odd", Raw(b"1")), 0, 1) == []
