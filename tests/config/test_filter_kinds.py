from __future__ import annotations

import pytest

from ingest.config import filter_kinds
from ingest.config.kinds import Kind, Wrong
from ingest.core.filter_settings import Override, Pattern


def test_patterns() -> None:
    kind = filter_kinds.patterns()
    rows = [{"entity_id": "sensor.*"}, {"domain": "light", "area_id": "garage", "match": "ANY"}]
    assert kind.parse(rows) == (
        Pattern(entity_id="sensor.*"),
        Pattern(domain="light", area_id="garage", match="any"),
    )
    assert kind.show(kind.parse(rows)) == [rows[0], {**rows[1], "match": "any"}]


@pytest.mark.parametrize("raw", ["15m", 900, "900s"])
def test_a_pattern_may_have_a_heartbeat(raw: object) -> None:
    kind = filter_kinds.patterns()
    assert kind.parse([{"domain": "light", "heartbeat": raw}]) == (Pattern(domain="light", heartbeat=900.0),)
    assert kind.show(kind.parse([{"domain": "light", "heartbeat": raw}])) == [{"domain": "light", "heartbeat": "15m"}]


def test_a_pattern_may_ask_for_one_of_several_texts_and_for_flags() -> None:
    kind = filter_kinds.patterns()
    rows = [{"domain": ["light", "switch"], "label": "export", "hidden": False}]
    assert kind.parse(rows) == (Pattern(domain=("light", "switch"), label="export", hidden=False),)
    assert kind.show(kind.parse(rows)) == rows
    assert kind.parse('[{"disabled": "yes", "integration": "zha"}]') == (Pattern(disabled=True, integration="zha"),)


def test_overrides() -> None:
    kind = filter_kinds.overrides()
    rows = [
        {"domain": "weather", "attributes": ["temperature", "humidity"], "heartbeat": "15m"},
        {"entity_id": ["sensor.a", "sensor.b"], "match": "any", "measurement": "W", "ignore": ["icon"]},
        {"label": "bare", "attributes": "none"},
    ]
    assert kind.parse(rows) == (
        Override(Pattern(domain="weather"), ("temperature", "humidity"), heartbeat=900.0),
        Override(Pattern(entity_id=("sensor.a", "sensor.b"), match="any"), measurement="W", ignore=("icon",)),
        Override(Pattern(label="bare"), "none"),
    )
    assert kind.show(kind.parse(rows)) == rows


def test_which_attributes_are_kept() -> None:
    kind = filter_kinds.overrides()
    rows = [{"domain": "a", "attributes": raw} for raw in ("ALL", "none", ["a"], '["a"]')]
    found = kind.parse(rows)
    assert [each.attributes for each in found] == ["all", "none", ("a",), ("a",)]
    assert kind.show(found) == [{"domain": "a", "attributes": shown} for shown in ("all", "none", ["a"], ["a"])]


@pytest.mark.parametrize(
    ("kind", "raw", "said"),
    [
        (filter_kinds.patterns(), "x", "not a list of patterns"),
        (filter_kinds.patterns(), [{}], "pattern 1 names nothing"),
        (filter_kinds.patterns(), [{"match": "all"}], "pattern 1 names nothing"),
        (filter_kinds.patterns(), [{"heartbeat": "15m"}], "pattern 1 names nothing"),
        (filter_kinds.patterns(), [{"domain": "a", "heartbeat": "5s"}], "pattern 1 has an invalid heartbeat: "),
        (filter_kinds.patterns(), [{"domain": "a", "heartbeat": "often"}], "pattern 1 has an invalid heartbeat: "),
        (filter_kinds.patterns(), [{"domain": "a"}, 5], "pattern 2 is 5, not a table"),
        (filter_kinds.patterns(), [{"entity": "a"}], 'pattern 1 has the unknown key "entity"'),
        (filter_kinds.patterns(), [{"domain": 5}], "pattern 1 has domain = 5"),
        (filter_kinds.patterns(), [{"domain": ""}], "pattern 1 has domain"),
        (filter_kinds.patterns(), [{"domain": "a", "match": "some"}], "neither all nor any"),
        (filter_kinds.patterns(), [{"domain": []}], "pattern 1 has domain = a list, which is not a list of texts"),
        (filter_kinds.patterns(), [{"domain": ["a", 5]}], "pattern 1 has domain = 5, which is not a text"),
        (filter_kinds.patterns(), [{"hidden": "maybe"}], 'pattern 1 has hidden = "maybe" is neither true nor false'),
        (filter_kinds.patterns(), [{"domain": "a", "measurement": "b"}], 'the unknown key "measurement"'),
        (filter_kinds.overrides(), "x", "not a list of overrides"),
        (filter_kinds.overrides(), [{"attributes": "none"}], "override 1 names nothing"),
        (
            filter_kinds.overrides(),
            [{"domain": "a"}],
            "override 1 says nothing: give it attributes, measurement, ignore",
        ),
        (filter_kinds.overrides(), [{"domain": "a", "attributes": "some"}], "override 1 has invalid attributes"),
        (filter_kinds.overrides(), [{"domain": "a", "attributes": []}], "override 1 has invalid attributes"),
        (filter_kinds.overrides(), [{"domain": "a", "ignore": "icon"}], "override 1 has ignore = "),
        (filter_kinds.overrides(), [{"domain": "a", "measurement": ""}], "override 1 has measurement = "),
        (
            filter_kinds.overrides(),
            [{"domain": "a", "measurement": "#b"}],
            'override 1 has measurement = "#b" is not a',
        ),
        (filter_kinds.overrides(), [{"domain": "a", "heartbeat": "5s"}], "override 1 has an invalid heartbeat"),
    ],
)
def test_what_is_wrong_is_said(kind: Kind, raw: object, said: str) -> None:
    with pytest.raises(Wrong, match=said):
        kind.parse(raw)


def test_of_every_pattern_and_every_key_all_that_is_wrong_is_said() -> None:
    rows = [
        {"domain": ["a", 5, ""], "heartbeat": "5s", "entity": "x", "area": "y"},
        {"domain": "a"},
        5,
        {"mode": "both"},
    ]
    with pytest.raises(Wrong) as caught:
        filter_kinds.patterns().parse(rows)
    assert [each.partition(" (")[0].partition(":")[0] for each in caught.value.args] == [
        "pattern 1 has domain = 5, which is not a text",
        'pattern 1 has domain = "", which is not a text',
        "pattern 1 has an invalid heartbeat",
        'pattern 1 has the unknown key "entity"',
        'pattern 1 has the unknown key "area"',
        "pattern 3 is 5, not a table",
        'pattern 4 has mode = "both", which is neither include nor exclude',
    ]
    wrong = [{"domain": "a"}, {"domain": "a", "attributes": "some", "measurement": "#b", "ignore": "icon"}]
    with pytest.raises(Wrong) as caught:
        filter_kinds.overrides().parse(wrong)
    assert [each.partition(" = ")[0].partition(" that")[0].partition(":")[0] for each in caught.value.args] == [
        "override 1 says nothing",
        "override 2 has invalid attributes",
        "override 2 has measurement",
        "override 2 has ignore",
    ]
