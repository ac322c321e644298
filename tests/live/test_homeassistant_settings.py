"""Every setting of the schema `homeassistant` against the code it stands for, run in the installed Home Assistant."""

from __future__ import annotations

import json
import random
import subprocess
from collections import Counter
from typing import Any

import pytest

from ingest.core.homeassistant import Encoder, MeasurementAttr, Profile
from ingest.core.number import number
from ingest.core.point import Attributes, Facts, Point
from ingest.core.treatment import Treatment
from tests.live.ha_install import Release, also
from tests.support import integration_lines as lines
from tests.support.integration_lines import Written

pytestmark = pytest.mark.live

CONFIGS: tuple[tuple[dict[str, Any], dict[str, Any], Treatment], ...] = (
    ({}, {}, Treatment()),
    ({"default_measurement": "state"}, {"default_measurement": "state"}, Treatment()),
    ({"override_measurement": "all"}, {"override_measurement": "all"}, Treatment()),
    ({"measurement_attr": "entity_id"}, {"measurement_attr": MeasurementAttr.ENTITY}, Treatment()),
    ({"measurement_attr": "domain__device_class"}, {"measurement_attr": MeasurementAttr.DOMAIN_AND_CLASS}, Treatment()),
    ({"tags": {"source": "HA", "domain": "mine"}}, {"tags": {"source": "HA", "domain": "mine"}}, Treatment()),
    ({"tags_attributes": ["a", "unit_of_measurement"]}, {"tags_attributes": {"a", "unit_of_measurement"}}, Treatment()),
    ({"ignore_attributes": ["a", "value"]}, {"ignore_attributes": {"a", "value"}}, Treatment()),
    (
        {"component_config_glob": {"*": {"override_measurement": "mine", "ignore_attributes": ["a"]}}},
        {},
        Treatment(measurement="mine", ignore=("a",)),
    ),
)

ASK = """
import json, sys
from homeassistant.components import influxdb
from homeassistant.core import Event, State

for line in sys.stdin:
    config, states = json.loads(line)
    conf = influxdb.CONFIG_SCHEMA({"influxdb": config})["influxdb"]
    made = influxdb._generate_event_to_json(conf)
    found = [made(Event("state_changed", {"new_state": State(*state)})) for state in states]
    print(json.dumps([each and [each["measurement"], each["tags"], each["fields"]] for each in found]))
"""

NAMES = ("a", "a_str", "b c", "value", "state", "unit_of_measurement", "device_class", "friendly_name", "time", "x_")
VALUES = (
    None,
    True,
    False,
    5,
    2.5,
    0,
    "5",
    "W",
    "",
    "text",
    "nan",
    "20.5 °C",
    "-20.5 °C",
    "2026-11-23",
    [1, 2],
    [12],
    {"a": 12},
)
STATES = ("on", "off", "1", "2.5", "heat", "unknown", "unavailable", "1_000", "home", "-5", "below_horizon")


def random_states() -> list[tuple[str, str, dict[str, Any]]]:
    """States that a home may say, always the same ones."""
    dice = random.Random(7)
    entities = ("sensor.a", "light.b", "climate.c", "binary_sensor.d")
    return [
        (
            dice.choice(entities),
            dice.choice(STATES),
            {dice.choice(NAMES): dice.choice(VALUES) for _ in range(dice.randrange(6))},
        )
        for _ in range(500)
    ]


def asked(release: Release, states: list[tuple[str, str, dict[str, Any]]]) -> list[list[Any]]:
    """What the installed integration makes of the states, in each of the configurations."""
    python = also(release, "influxdb") / "python"
    said = "\n".join(json.dumps([config, states]) for config, _, _ in CONFIGS)
    answer = subprocess.run([python, "-c", ASK], input=said, capture_output=True, text=True, check=True, timeout=120)
    return [json.loads(line) for line in answer.stdout.splitlines()]


def test_every_setting_of_the_integration_does_here_what_it_does_there(release_with_influxdb: Release) -> None:
    states = random_states()
    reasons: Counter[str] = Counter()
    for (_, profile, treatment), answers in zip(CONFIGS, asked(release_with_influxdb, states), strict=True):
        encoder = Encoder(Profile(**profile))
        for (entity_id, state, attributes), answer in zip(states, answers, strict=True):
            made = Attributes(json.dumps(attributes))
            line = encoder.line(Point(entity_id, 1, state, Facts("r"), made, number(state), treatment=treatment))
            assert (line is None) == (answer is None)
            if line is not None:
                measurement, tags, fields = answer
                known = {key: str(value) for key, value in tags.items() if value not in (None, "")}
                theirs = Written(str(measurement), known, fields, 1)
                found = lines.differences(lines.read(line.decode()), theirs, ())
                reasons.update(f"{line!r}: {name}" if why == lines.UNEXPLAINED else why for name, why in found)
    assert set(reasons) == {lines.GLUED, lines.SIGN, lines.NOT_FINITE, lines.TAKEN}
