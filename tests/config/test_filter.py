import json
from pathlib import Path

import pytest

from ingest.config.home_assistant import Filter
from ingest.config.load import load
from ingest.core.filter_settings import Pattern
from tests.config.places import problems, toml

JSON = json.dumps(
    {
        "mode": "exclude",
        "patterns": [
            {"entity_id": "sensor.*_battery"},
            {"domain": "update"},
            {"device_class": "battery"},
            {"area_id": "garage"},
        ],
        "exceptions": [{"entity_id": "sensor.front_door_battery"}],
    }
)
MEANT = Filter(
    mode="exclude",
    patterns=(
        Pattern(entity_id="sensor.*_battery"),
        Pattern(domain="update"),
        Pattern(device_class="battery"),
        Pattern(area_id="garage"),
    ),
    exceptions=(Pattern(entity_id="sensor.front_door_battery"),),
)
TOML = """
mode = "exclude"
patterns = [{entity_id = "sensor.*_battery"}, {domain = "update"}, {device_class = "battery"}, {area_id = "garage"}]
exceptions = [{entity_id = "sensor.front_door_battery"}]
"""


@pytest.mark.parametrize("variable", ["ENTITY_FILTER_CONFIG", "HOMEIQ_INGEST_FILTER"])
def test_homeiqs_json_is_taken_unchanged(variable: str) -> None:
    loaded = load(None, {variable: JSON}, {})
    assert loaded.settings.filter == MEANT
    assert loaded.origins["filter.patterns"] == f"environment {variable}"


def test_toml_says_the_same(tmp_path: Path) -> None:
    assert load(toml(tmp_path, f"[filter]{TOML}"), {}, {}).settings.filter == MEANT


@pytest.mark.parametrize(("name", "text"), [("filter.json", JSON), ("filter.toml", TOML)])
def test_a_file_of_its_own(tmp_path: Path, name: str, text: str) -> None:
    file = toml(tmp_path, text, name)
    loaded = load(None, {"ENTITY_FILTER_CONFIG_FILE": str(file)}, {})
    found = loaded.settings.filter
    assert (found.mode, found.patterns, found.exceptions, found.file) == (
        "exclude",
        MEANT.patterns,
        MEANT.exceptions,
        file,
    )
    assert loaded.origins["filter.patterns"] == f"file {file}"
    main = toml(tmp_path, f'[filter]\nfile = "{name}"\n')
    assert load(main, {}, {}).settings.filter == found


def test_a_later_source_replaces_the_whole_filter(tmp_path: Path) -> None:
    file = toml(tmp_path, f"[filter]{TOML}")
    loaded = load(file, {"ENTITY_FILTER_CONFIG": '{"patterns": [{"domain": "sun"}]}'}, {})
    assert loaded.settings.filter == Filter(patterns=(Pattern(domain="sun"),))


def test_two_ways_in_one_source_are_an_error() -> None:
    (found,) = problems(None, {"ENTITY_FILTER_CONFIG": "{}", "ENTITY_FILTER_CONFIG_FILE": "x"})
    assert found == (
        "filter (environment ENTITY_FILTER_CONFIG and environment ENTITY_FILTER_CONFIG_FILE): it is given in more than one"
        " way. Keep one of them."
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "filter (environment ENTITY_FILTER_CONFIG): the text is not JSON at line 1, column 2"),
        ("[" * 100_000, "filter (environment ENTITY_FILTER_CONFIG): the text is not JSON."),
        ("[]", "filter (environment ENTITY_FILTER_CONFIG): a list is not a filter"),
        ('{"mod": 1}', 'it has the unknown key "mod". Known are mode, patterns, exceptions, overrides.'),
        ('{"mode": "both"}', 'filter.mode (environment ENTITY_FILTER_CONFIG): "both" is not one of include or exclude'),
        ('{"patterns": null}', "filter.patterns (environment ENTITY_FILTER_CONFIG): None is not a list of patterns"),
        (
            '{"exceptions": [{"entity": "x"}]}',
            "filter.exceptions (environment ENTITY_FILTER_CONFIG): pattern 1 has the unknown",
        ),
    ],
)
def test_what_is_wrong_with_a_filter_is_named(text: str, said: str) -> None:
    (found,) = problems(None, {"ENTITY_FILTER_CONFIG": text})
    assert said in found


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("missing.json", None, "cannot be read: No such file"),
        ("latin.json", b"\xff", "is not UTF-8"),
        ("broken.json", b"{", "the text is not JSON"),
        ("broken.toml", b"[", "is not TOML"),
    ],
)
def test_a_filter_file_that_cannot_be_used(tmp_path: Path, name: str, data: bytes | None, said: str) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)
    (found,) = problems(None, {"ENTITY_FILTER_CONFIG_FILE": str(tmp_path / name)})
    assert said in found
    assert name in found


def test_a_filter_file_must_be_a_path(tmp_path: Path) -> None:
    (found,) = problems(toml(tmp_path, "[filter]\nfile = 5\n"))
    assert "filter.file" in found
    assert "5 is not a path" in found


def test_including_nothing_is_warned_of() -> None:
    (warning,) = load(None, {"HOMEIQ_INGEST_FILTER_MODE": "include"}, {}).warnings
    assert "nothing but filter.exceptions is stored" in warning


def test_a_list_of_dropped_attributes_that_forgets_the_secrets_is_warned_of() -> None:
    (warning,) = load(None, {}, {"attributes.drop": ["latitude", "access_token", "token"]}).warnings
    assert "lacks entity_picture, entity_picture_local: tokens" in warning
    secrets = ["access_token", "entity_picture", "entity_picture_local", "token"]
    assert load(None, {}, {"attributes.drop": ["latitude", *secrets]}).warnings == ()
