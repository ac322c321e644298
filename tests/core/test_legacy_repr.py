from __future__ import annotations

import ast
import json
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ingest.core.homeiq import homeiq
from ingest.core.point import Attributes, Facts, Kind, Point
from ingest.core.sealing import line_of
from ingest.core.state import Context
from tests.support.integration_lines import read

POINT = Point(
    "climate.hall",
    1795435205250001000,
    "heat",
    Facts("0a1b"),
    Attributes('{"temperature":21.5,"humidity":null,"hvac_modes":["heat","off"],"friendly_name":"Anna\'s"}'),
    previous_state="off",
    context=Context("01M8", None, "anna"),
)


def states(point: Point) -> dict[str, Any]:
    """Both states as HomeIQ's activity-writer reads them."""
    line = line_of(homeiq(legacy=True), point)
    assert line is not None
    written = read(line.decode()).fields
    return {name: ast.literal_eval(str(written[name])) for name in ("state_value", "previous_state") if name in written}


def test_a_state_is_pythons_text_of_what_home_assistant_sent() -> None:
    assert states(POINT) == {
        "state_value": {
            "entity_id": "climate.hall",
            "state": "heat",
            "attributes": {
                "temperature": 21.5,
                "humidity": None,
                "hvac_modes": ["heat", "off"],
                "friendly_name": "Anna's",
            },
            "last_updated": "2026-11-23T12:00:05.250001+00:00",
            "context": {"id": "01M8", "parent_id": None, "user_id": "anna"},
        },
        "previous_state": {"entity_id": "climate.hall", "state": "off"},
    }


def test_nothing_else_of_the_line_changes() -> None:
    codecs = homeiq(legacy=True), homeiq()
    lines = [line_of(codec, POINT) for codec in codecs]
    legacy, usual = (read(line.decode()) for line in lines if line is not None)
    for written in (legacy, usual):
        del written.fields["state_value"], written.fields["previous_state"]
    assert legacy == usual


def test_what_is_not_known_is_left_out() -> None:
    removed = replace(POINT, state="removed", attributes=Attributes(""), kind=Kind.REMOVED, context=None)
    assert states(replace(removed, previous_state=None)) == {
        "state_value": {
            "entity_id": "climate.hall",
            "state": "removed",
            "last_updated": "2026-11-23T12:00:05.250001+00:00",
        }
    }


@given(st.text(max_size=255), st.dictionaries(st.text(max_size=5), st.text(max_size=5)))
def test_any_state_can_be_read_back(state: str, attributes: dict[str, str]) -> None:
    found = states(replace(POINT, state=state, attributes=Attributes(json.dumps(attributes))))
    assert found["state_value"]["state"] == state
    assert found["state_value"]["attributes"] == attributes


def test_long_attributes_give_way_so_that_the_text_can_be_read() -> None:
    long = {"temperature": 20, **{f"a{n}": "\U000e0001" * 4_000 for n in range(4)}}
    found = states(replace(POINT, attributes=Attributes(json.dumps(long, ensure_ascii=False))))
    assert found["state_value"]["attributes"]["temperature"] == 20


@pytest.mark.parametrize("legacy", [False, True])
def test_the_change_that_the_page_proposes_for_activity_writer_reads_either_form(legacy: bool) -> None:
    page = (Path(__file__).parents[2] / "docs/how-to/from-homeiq.md").read_text("utf-8")
    found = re.search(r"```python\n# src/helpers.py\n(.*?)```", page, re.DOTALL)
    assert found is not None
    there: dict[str, Any] = {
        "ast": ast,
        "suppress": suppress,
        "extract_attrs": lambda attributes: (attributes.get("temperature"), attributes.get("humidity"), None),
    }
    exec(found[1], there)
    line = line_of(homeiq(legacy=legacy), POINT)
    assert line is not None
    written = read(line.decode()).fields
    assert there["parse_state_value"](written["state_value"], written["attributes"]) == ("heat", 21.5, None, None)
    assert there["parse_state_value"]("22.5") == ("22.5", None, None, None)
    assert there["parse_state_value"]("") == (None, None, None, None)
