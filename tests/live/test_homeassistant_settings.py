"""Every setting of the schema `homeassistant` against the code it stands for, run in the installed Home Assistant."""

from __future__ import annotations

import json
import random
import subprocess
from collections import Counter
from typing import Any, TypeAlias

import pytest

from ingest.core.homeassistant import Encoder, MeasurementAttr, Profile
from ingest.core.number import number
from ingest.core.point import Attributes, Facts, Point
from ingest.core.treatment import USUAL, Treatment
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
    found = []
    for state in states:
        try:
            found.append(made(Event("state_changed", {"new_state": State(*state)})))
        except OverflowError as error:
            found.append({"measurement": str(error), "tags": {}, "fields": {}})
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


Said: TypeAlias = tuple[str, str, dict[str, Any]]
"""An entity, its state and its attributes."""

HUGE: Said = ("sensor.a", "1", {"a": 10**400})
COMMENT: Said = ("sensor.a", "1", {"unit_of_measurement": "# of doors"})


def random_states() -> list[Said]:
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


@pytest.fixture(scope="module")
def answers(release_with_influxdb: Release) -> list[list[Any]]:
    """What the installed integration makes of the states in each of the configurations; of what it breaks at, why."""
    python = also(release_with_influxdb, "influxdb") / "python"
    said = "\n".join(json.dumps([config, [HUGE, COMMENT, *random_states()]]) for config, _, _ in CONFIGS)
    answer = subprocess.run([python, "-c", ASK], input=said, capture_output=True, text=True, check=True, timeout=120)
    return [json.loads(line) for line in answer.stdout.splitlines()]


def line(encoder: Encoder, said: Said, treatment: Treatment = USUAL) -> str | None:
    entity_id, state, attributes = said
    made = Attributes(json.dumps(attributes))
    found = encoder.line(Point(entity_id, 1, state, Facts("r"), made, number(state), treatment=treatment))
    return None if found is None else found.decode()


def test_every_setting_of_the_integration_does_here_what_it_does_there(answers: list[list[Any]]) -> None:
    reasons: Counter[str] = Counter()
    for (_, profile, treatment), (_, _, *theirs) in zip(CONFIGS, answers, strict=True):
        encoder = Encoder(Profile(**profile))
        for said, answer in zip(random_states(), theirs, strict=True):
            ours = line(encoder, said, treatment)
            assert (ours is None) == (answer is None)
            if ours is not None:
                measurement, tags, fields = answer
                known = {key: str(value) for key, value in tags.items() if value not in (None, "")}
                found = lines.differences(lines.read(ours), Written(str(measurement), known, fields, 1), ())
                reasons.update(f"{ours}: {name}" if why == lines.UNEXPLAINED else why for name, why in found)
    assert set(reasons) == {lines.GLUED, lines.SIGN, lines.NOT_FINITE, lines.TAKEN}


def test_what_it_breaks_at_and_what_no_database_keeps_is_written_here(answers: list[list[Any]]) -> None:
    broken, lost, *_ = answers[0]
    assert "too large" in broken[0]
    assert lost[0] == "# of doors"
    huge, comment = (lines.read(line(Encoder(), said) or "") for said in (HUGE, COMMENT))
    assert (huge.measurement, huge.fields) == ("sensor.a", {"value": 1.0, "a_str": str(10**400)})
    assert (comment.measurement, comment.fields) == (
        "sensor.a",
        {"value": 1.0, "unit_of_measurement_str": "# of doors"},
    )
