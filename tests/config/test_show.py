import json
import tomllib
from pathlib import Path

import pytest
from attrs import evolve

from ingest.config.load import Loaded, load
from ingest.config.settings import KEYS
from ingest.config.show import as_json, as_table, as_toml
from ingest.config.toml import toml_value
from tests.config.places import TOKEN, toml


@pytest.fixture
def loaded(tmp_path: Path) -> Loaded:
    toml(tmp_path, json.dumps({"patterns": [{"entity_id": 'a"\\\u007fä.*', "match": "any"}]}), "filter.json")
    toml(tmp_path, TOKEN, "token")
    text = (
        f'home = "zuhause"\n[home_assistant]\nurl = "http://ha"\ntoken_file = "token"\n[influxdb]\ntoken = "{TOKEN}"\n'
    )
    file = toml(
        tmp_path, text + '[filter]\nfile = "filter.json"\n[embedded]\nretention = ""\n[api]\nhost = "0.0.0.0"\n'
    )
    sizes = {"intake.bytes": 5_000_000, "batch.timeout": 0.123456789, "attributes.drop_by_domain": {"a b": ["c"]}}
    return load(file, {"MAX_MEMORY_MB": "77", "HOMEIQ_INGEST_API_TOKEN": TOKEN, "HOME": str(tmp_path)}, sizes)


def test_a_table_of_everything(loaded: Loaded) -> None:
    table = as_table(loaded)
    assert [line.split()[0] for line in table.splitlines()] == list(KEYS)
    assert TOKEN not in table
    lines = {line.split()[0]: line.split(maxsplit=1)[1] for line in table.splitlines()}
    assert lines["home"].split(maxsplit=1) == ['"zuhause"', f"file {loaded.file}"]
    assert lines["influxdb.token"].startswith('"********"')
    assert lines["memory.max_mb"].split(maxsplit=1) == ["77", "environment MAX_MEMORY_MB"]


def test_json_holds_settings_origins_warnings_and_the_file(loaded: Loaded) -> None:
    text = as_json(loaded)
    whole = json.loads(text)
    assert TOKEN not in text
    assert whole["settings"]["home"] == "zuhause"
    assert whole["settings"]["influxdb"]["token"] == "********"
    assert whole["settings"]["memory"]["max_mb"] == 77
    assert whole["origins"]["api.token"] == "environment HOMEIQ_INGEST_API_TOKEN"
    assert (whole["warnings"], whole["file"]) == (list(loaded.warnings), str(loaded.file))
    assert json.loads(as_json(load(None, {}, {})))["file"] is None


def test_toml_gives_the_same_settings_again(loaded: Loaded, tmp_path: Path) -> None:
    text = as_toml(loaded)
    assert TOKEN not in text
    again = load(toml(tmp_path, text, "again.toml"), {}, {}).settings
    settings = loaded.settings
    expected = evolve(
        settings,
        filter=evolve(settings.filter, file=None),
        influxdb=evolve(settings.influxdb, token=None),
        api=evolve(settings.api, token=None, host=again.api.host),
    )
    assert again == expected


def test_an_origin_cannot_break_the_file(tmp_path: Path) -> None:
    odd = tmp_path / "a\nb"
    odd.mkdir()
    text = as_toml(load(toml(odd, 'home = "x"\n'), {}, {}))
    assert tomllib.loads(text)["home"] == "x"


@pytest.mark.parametrize("value", ['"\\\n\t\x00\x7f', "ä€😀", 5, -1.5, True, [1, ["a"]], {"a": 1, "b c": [], "": ""}])
def test_values_read_as_themselves(value: object) -> None:
    assert tomllib.loads(f"x = {toml_value(value)}")["x"] == value


def test_what_no_file_can_hold_is_replaced() -> None:
    assert toml_value("a\udcffb") == '"a?b"'
