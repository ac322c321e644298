"""The JSON of dashboards as Grafana needs it: what a machine can check without Grafana."""

from __future__ import annotations

import json
import re
from itertools import combinations
from typing import Any

import pytest

from ingest.core.grafana import COLUMNS, SCHEMA_VERSION, Dashboard, Language, Panel, Query, as_json
from ingest.core.grafana_influxql import influxql_homeassistant, influxql_homeiq
from ingest.core.grafana_look import words
from ingest.core.grafana_metricsql import metricsql_homeassistant
from ingest.core.grafana_service import service_dashboard
from tests.support.dashboards import HOMES, expanded, picked, queries

SERVICE = service_dashboard()
MADE = {**HOMES, "service": SERVICE}
dashboards = pytest.mark.parametrize("name", MADE)


def read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(as_json(MADE[name], "source-uid"))
    return found


def cells(panel: dict[str, Any]) -> set[tuple[int, int]]:
    place = panel["gridPos"]
    return {
        (x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])
    }


@dashboards
def test_panels_have_numbers_and_places_of_their_own(name: str) -> None:
    panels = read(name)["panels"]
    assert [each["id"] for each in panels] == list(range(1, len(panels) + 1))
    assert all(each["gridPos"]["x"] + each["gridPos"]["w"] <= COLUMNS for each in panels)
    assert [pair for pair in combinations(map(cells, panels), 2) if pair[0] & pair[1]] == []
    assert len({each["title"] for each in panels}) == len(panels)


@dashboards
def test_every_panel_asks_the_data_source_that_is_chosen_at_the_head(name: str) -> None:
    made = read(name)
    plugin = {"type": MADE[name].language.plugin, "uid": "${datasource}"}
    source, *others = made["templating"]["list"]
    assert source["current"]["value"] == "source-uid"
    assert source["query"] == plugin["type"]
    targets = [target for panel in made["panels"] for target in panel["targets"]]
    assert all(each["datasource"] == plugin for each in [*made["panels"], *targets, *others])
    assert all(each["datasource"] == plugin for each in made["annotations"]["list"])
    for panel in made["panels"]:
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"]) > 0


@dashboards
def test_every_variable_that_is_used_is_there_and_has_all(name: str) -> None:
    made = read(name)
    there = {each["name"] for each in made["templating"]["list"]}
    usual = {"timeFilter", "__interval", "__range", "__rate_interval"}
    used = {found for each in queries(made) for found in re.findall(r"\$(\w+)", each.text)}
    assert used <= there | usual
    for each in made["templating"]["list"][1:]:
        assert (each["multi"], each["includeAll"], each["allValue"]) == (True, True, ".*")


def test_uids_are_short_enough_for_grafana_and_are_not_each_others() -> None:
    uids = [each.uid for each in MADE.values()]
    assert len(set(uids)) == len(uids) == 5
    assert all(re.fullmatch(r"[a-z0-9-]{1,40}", each) for each in uids)
    assert {read(name)["schemaVersion"] for name in MADE} == {SCHEMA_VERSION}


def test_the_homes_have_what_somebody_at_home_wants_first() -> None:
    wanted = {"Temperatures", "Power", "Who is at home", "Batteries", "States", "What changed most"}
    for name in HOMES:
        assert wanted <= {each["title"] for each in read(name)["panels"]}
        [shading] = read(name)["annotations"]["list"]
        assert shading["enable"]


def test_a_panel_without_queries_is_left_out() -> None:
    assert "Stored changes by domain" not in {each["title"] for each in read("homeassistant-influxql")["panels"]}


def test_what_has_no_unit_is_looked_for_where_it_was_put() -> None:
    [states] = influxql_homeassistant("home", "state/of.things").states
    assert r"|^state\/of\.things$/ WHERE" in states.text


@pytest.mark.parametrize(
    ("classed", "battery", "noted"),
    [
        ("device_class_str", "\"device_class_str\" = 'battery' AND ", False),
        ("device_class", "\"device_class\" = 'battery' AND ", False),
        (None, '"entity_id" =~ /batter/ AND ', True),
    ],
)
def test_the_class_is_asked_where_it_is(classed: str | None, battery: str, *, noted: bool) -> None:
    made = influxql_homeassistant("home", classed=classed)
    assert battery in made.batteries[0].text
    assert battery.replace("battery", "humidity").replace("/batter/", "/humidity/") in made.humidities[0].text
    assert ("batteries" in made.notes, "humidities" in made.notes) == (noted, noted)


def test_where_texts_are_python_of_a_whole_state_numbers_are_asked() -> None:
    usual, legacy = influxql_homeiq("home"), influxql_homeiq("home", legacy=True)
    for asked, noted, field in ((usual, False, "state_value"), (legacy, True, "value")):
        for name in ("presence", "states"):
            [query] = getattr(asked, name)
            assert query.text.startswith(f'SELECT last("{field}") FROM')
            assert ("legacy_state_repr" in asked.notes.get(name, "")) is noted


def test_an_entity_can_be_chosen_by_the_name_that_its_states_have_alone() -> None:
    for name, regex in (("homeassistant-influxql", "/^[^.]+$/"), ("homeiq-influxql", "")):
        [entity] = (each for each in read(name)["templating"]["list"] if each["name"] == "entity")
        assert entity["regex"] == regex
    listed = ("kitchen", "light.kitchen", "door_battery")
    fits = re.compile(r"^[^.]+$")
    assert list(filter(fits.search, listed)) == ["kitchen", "door_battery"]


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("homeiq-influxql", "Stored changes by domain"),
        ("homeassistant-influxql", "What changed most"),
        ("homeassistant-metricsql", "What changed most"),
        ("homeassistant-metricsql", "Stored changes by domain"),
    ],
)
def test_where_heartbeats_are_counted_the_panel_says_so(name: str, title: str) -> None:
    [panel] = (each for each in read(name)["panels"] if each["title"] == title)
    assert "eartbeats are counted, too" in panel["description"]


def test_an_attribute_that_is_called_a_value_does_not_count_as_a_change() -> None:
    asked = metricsql_homeassistant("home")
    for [query] in (asked.busiest, asked.changes):
        [counted] = re.findall(r"(\w+ by \([^)]*\)) \(count_over_time\(", query.text)
        assert counted == "max by (domain, entity_id)"
    assert asked.changes[0].text.startswith("sum by (domain) (max by")
    assert "`_value`" in asked.notes["states"]


def test_a_row_is_as_high_as_its_highest_panel() -> None:
    asked = [Query("1")]
    panels = [Panel(name, "stat", 12, height, asked) for name, height in (("a", 3), ("b", 5), ("c", 2))]
    made = json.loads(as_json(Dashboard("uid", "title", Language.PROMETHEUS, panels), "source"))
    assert [(each["gridPos"]["x"], each["gridPos"]["y"]) for each in made["panels"]] == [(0, 0), (12, 0), (0, 5)]
    assert made["annotations"]["list"] == []


def test_words_are_mapped_by_value() -> None:
    assert words(_1=("on", "green"), open=("open", "red")) == [
        {
            "type": "value",
            "options": {
                "1": {"index": 0, "text": "on", "color": "green"},
                "open": {"index": 1, "text": "open", "color": "red"},
            },
        }
    ]


def test_what_is_chosen_becomes_an_expression_as_in_grafana() -> None:
    assert picked("sensor.a") == r"sensor\.a"
    assert picked("a", "b/c") == r"(a|b\/c)"
    assert expanded("$entity $__interval $__range $timeFilter", {"entity": "x"}, 1000, 61_000) == (
        "x 1m 60s time >= 1000ms and time <= 61000ms"
    )
