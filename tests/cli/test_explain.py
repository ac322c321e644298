"""What is said of an entity, with a simulated home: stored, left out, without a state, gone, and not known at all."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from click.testing import CliRunner, Result

from ingest.cli import explain_show
from ingest.cli.main import main
from ingest.core.coverage import FOREVER, Cause, Mark, Span
from ingest.core.explaining import Explanation, Stored
from ingest.core.ledger import SpanFate
from ingest.core.point import Attributes, Facts
from ingest.core.rules import Decision
from ingest.core.treatment import Treatment
from tests.cli.test_reload import serving
from tests.cli.test_run import configuration
from tests.support.homes import Running, running_home

FILTER = (
    "[filter]",
    'patterns = [{domain = "light"}, {entity_id = "light.*"}, {device_class = "battery"}]',
    'exceptions = [{entity_id = "light.kept"}]',
    'overrides = [{device_class = "power", heartbeat = "15m", attributes = "none"}, {unit = "W", ignore = ["a"]}]',
)


@pytest.fixture
def home() -> Iterator[Running]:
    with running_home(60, timedelta(minutes=10)) as running:
        yield running


@pytest.fixture
def config(home: Running, tmp_path: Path) -> Path:
    path = configuration(tmp_path, home.url)
    path.write_text("\n".join([path.read_text(), *FILTER]))
    return path


def explain(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["explain", *arguments, "--config", str(config), "--set", "api.enabled=false"])


def told(config: Path, *arguments: str) -> dict[str, Any]:
    result = explain(config, *arguments, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def lines(result: Result) -> dict[str, str]:
    assert result.exit_code == 0, result.output
    return {line[:18].strip(): line[18:] for line in result.stdout.splitlines()[1:]}


def test_of_what_is_stored_it_says_the_rule_the_line_and_the_last_write(config: Path) -> None:
    with serving(config):
        deadline = time.monotonic() + 20
        while "known since" not in (result := explain(config, "sensor.house_power")).stdout:
            assert time.monotonic() < deadline
    assert result.stdout.startswith("sensor.house_power: stored\n")
    shown = lines(result)
    assert shown["rule"] == "no pattern and no exception agrees, and then it is stored"
    assert shown["override"] == "override 2: unit=W"
    assert shown["written"] == "attributes none, ignore a"
    assert shown["heartbeat"] == "every 15m"
    assert "area_id hallway" in shown["registries"]
    assert "state_class measurement" in shown["registries"]
    assert json.loads(shown["row"])["tags"][0] == "sensor.house_power"
    assert " W, since 20" in shown["state"]
    assert shown["last write"].startswith("20")
    assert shown["known since"].startswith("20")
    assert shown["gaps"] == "none"


def test_of_what_is_left_out_it_says_which_rule_and_what_would_be_written(config: Path) -> None:
    into = ("--set", "store.kind=influxdb", "--set", "influxdb.url=http://127.0.0.1:9")
    found = told(config, "light.kitchen", *into)
    assert (found["stored"], found["certain"]) == (False, True)
    assert found["rule"] == "pattern 1: domain=light"
    assert found["agreeing"] == ["pattern 1: domain=light", "pattern 2: entity_id=light.*"]
    assert found["measurement"] == "home_assistant_events"
    assert found["tags"]["entity_id"] == "light.kitchen"
    assert found["line"].startswith("home_assistant_events,")
    assert (found["last_write"], found["known_since"], found["gaps"]) == (None, None, [])
    shown = lines(explain(config, "light.kitchen", *into))
    assert shown["also agrees"] == "pattern 2: entity_id=light.*"
    assert shown["line, if stored"] == found["line"]
    assert shown["last write"] == "nothing of it is stored"
    assert shown["tags"].startswith("area_id=")


def test_the_line_is_the_configured_schemas(config: Path) -> None:
    into = ("--set", "store.kind=influxdb", "--set", "influxdb.url=http://127.0.0.1:9")
    found = told(config, "sensor.house_power", *into, "--set", "influxdb.schema=homeassistant")
    assert found["measurement"] == "W"
    assert found["tags"] == {"domain": "sensor", "entity_id": "house_power"}
    assert found["line"].startswith("W,domain=sensor,entity_id=house_power ")


def test_before_anything_is_stored_it_says_so(config: Path) -> None:
    assert lines(explain(config, "sensor.house_power"))["last write"] == "nothing of it is stored"
    with serving(config):
        pass
    assert lines(explain(config, "light.kitchen"))["last write"] == "nothing of it is stored"


def test_a_schema_may_write_nothing_of_a_state(config: Path, home: Running) -> None:
    numbers = (
        "--set",
        "store.kind=influxdb",
        "--set",
        "influxdb.url=http://127.0.0.1:9",
        "--set",
        "influxdb.numeric_only=true",
    )
    shown = lines(explain(config, "weather.home", *numbers))
    assert shown["line"] == "none: the schema does not write such a state"


def test_an_entity_without_a_state_and_one_that_is_gone(config: Path, home: Running) -> None:
    registry = home.server.home.registry
    gone = "sensor.house_power"
    with serving(config):
        pass
    home.do(lambda: home.server.emit([change] if (change := home.server.home.remove("sensor.solar_power")) else []))
    found = told(config, "sensor.solar_power")
    assert (found["known_to_home_assistant"], found["state"], found["certain"]) == (True, None, False)
    assert found["last_write"]["state"]
    text = explain(config, "sensor.solar_power").stdout
    assert "stored, as far as can be told without a state" in text
    assert "Home Assistant knows the entity, and it has no state" in text
    home.do(lambda: home.server.home.remove("sensor.house_power"))
    home.do(
        lambda: registry.entities.pop(next(key for key, each in registry.entities.items() if each.entity_id == gone))
    )
    shown = lines(explain(config, gone))
    assert shown["state"] == "none: Home Assistant does not know the entity any more"
    assert shown["last write"].startswith("20")


def test_an_unknown_entity_is_named_with_what_may_have_been_meant(config: Path) -> None:
    result = explain(config, "sensor.house_powr")
    assert result.exit_code == 2
    assert "Did you mean sensor.house_power" in result.stderr
    part = explain(config, "fridge_power")
    assert "sensor.fridge_power" in part.stderr
    nothing = explain(config, "xq.zzzzzzzz")
    assert "`homeiq-ingest estimate` lists the busiest ones" in nothing.stderr


def test_every_kind_of_gap_is_told() -> None:
    spans = [
        (Cause.FILTERED, SpanFate(Span("a.b", "r", 10**9, FOREVER), 0, "")),
        (Cause.CONNECTION, SpanFate(Span("a.b", "r", 10**9, 2 * 10**9), 3, "")),
        (Cause.STOPPED, SpanFate(Span("a.b", "r", 10**9, 2 * 10**9), 0, "nobody knows")),
        (Cause.KILLED, SpanFate(Span("a.b", "r", 10**9, 2 * 10**9), None, "")),
    ]
    found = Explanation(
        "a.b", True, None, Facts("r", labels=("x", "y"), hidden=True), Attributes(), Decision(False, "exception 1: hidden=true", None, Treatment()),
        ("exception 1: hidden=true",), (), True, "influxdb", None, Stored(10**9), 10**9, Mark("r", "a.b", 10**9), spans, 1_200,
    )  # fmt: skip
    text = list(explain_show.screen(found))
    fates = [line.partition(": ")[2] for line in text if line.startswith("  gap ")]
    assert fates == [
        "left out by the filter; `homeiq-ingest backfill` brings it",
        "the connection was lost; 3 states filled",
        "the service was stopped; 0 states filled, nobody knows",
        "the service was killed; open",
    ]
    assert text[-1] == "  other gaps      1,200: whose states were missing is not known, or not kept any more"
    none = list(explain_show.screen(evolve(found, spans=[], unnamed=0)))[-1]
    assert none.split() == ["gaps", "none"]
    assert not any(line.startswith("  gaps") for line in explain_show.screen(evolve(found, spans=[])))
    assert any(line.startswith("  home since") for line in text)
    assert any("labels x, y" in line and "hidden yes" in line for line in text)
    assert explain_show.as_object(found)["other_gaps"] == 1_200
    gaps = explain_show.as_object(found)["gaps"]
    assert [each["filled"] for each in gaps] == [None, 3, 0, None]
    assert gaps[0]["before"] is None
