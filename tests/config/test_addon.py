"""An app's options and its Supervisor as a source of settings: what is right becomes settings, what is wrong is named."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.config.addon import OPTIONS
from ingest.config.load import Loaded, load
from ingest.config.settings import KEYS
from ingest.config.show import as_json, as_table, as_toml
from ingest.core.filter_settings import Pattern
from ingest.core.secret import Secret
from ingest.errors import Problems
from tests.config.places import TOKEN, toml
from tests.support.marked import secret

APP = secret("supervisor")


def environ(folder: Path, options: object) -> dict[str, str]:
    path = folder / "options-token.json"
    path.write_text(options if isinstance(options, str) else json.dumps(options), encoding="utf-8")
    return {"HOMEIQ_INGEST_OPTIONS": str(path), "SUPERVISOR_TOKEN": APP}


def loaded(folder: Path, options: object, file: Path | None = None, **more: str) -> Loaded:
    return load(file, {**environ(folder, options), **more}, {}, for_running=True)


def wrong(folder: Path, options: object, file: Path | None = None) -> tuple[str, ...]:
    with pytest.raises(Problems) as caught:
        loaded(folder, options, file)
    return caught.value.problems


def test_an_app_without_a_choice_stores_into_its_own_folder(tmp_path: Path) -> None:
    found = loaded(tmp_path, {})
    settings = found.settings
    assert settings.store_kind == "embedded"
    assert (settings.spool.path, settings.embedded.path) == (tmp_path / "state.db", tmp_path / "home.db")
    assert settings.home_assistant.url == "ws://supervisor/core/websocket"
    assert settings.home_assistant.token == Secret(APP)
    assert (settings.api.host, settings.api.port, settings.api.token) == ("0.0.0.0", 8001, None)
    assert settings.api.trusted_proxies == (ip_network("172.30.32.2/32"),)
    assert settings.api.trusted_networks == (ip_network("127.0.0.0/8"),)
    assert settings.log.format == "console"
    assert found.warnings == ()
    assert found.origins["spool.path"] == "default beside the options"


def test_what_systemd_says_of_the_state_folder_comes_first(tmp_path: Path) -> None:
    found = loaded(tmp_path, {}, STATE_DIRECTORY="/var/lib/x")
    assert found.settings.spool.path == Path("/var/lib/x/state.db")


def test_elsewhere_nothing_of_it_is_so() -> None:
    found = load(None, {"SUPERVISOR_TOKEN": APP}, {})
    assert found.settings.home_assistant.token is None
    assert found.settings.api.trusted_proxies == ()


EVERYTHING: Mapping[str, Any] = {
    "store_kind": "influxdb",
    "influxdb_url": "http://192.168.1.20:8086",
    "influxdb_org": "me",
    "influxdb_bucket": "home",
    "influxdb_token": TOKEN,
    "influxdb_ssl_verify": False,
    "influxdb_schema": "homeassistant",
    "influxdb_numeric_only": True,
    "influxdb_retention": "730d",
    "influxdb_gaps": False,
    "embedded_retention": "",
    "filter_mode": "include",
    "filter_patterns": ["sensor.*_power", "climate", '{area_id = "garage", heartbeat = "15m"}', '{"domain": "light"}'],
    "filter_exceptions": ["binary_sensor.door"],
    "filter_drop_replays": True,
    "device_history": True,
    "batch_timeout": "60s",
    "spool_size": "512MiB",
    "home": "cabin",
    "api_token": secret("api"),
    "log_level": "warning",
}
"""Each option of config.yaml with a value of its own, as the Supervisor writes them."""


def test_every_option_becomes_its_setting(tmp_path: Path) -> None:
    found = loaded(tmp_path, EVERYTHING)
    settings = found.settings
    assert (settings.store_kind, settings.influxdb.url) == ("influxdb", "http://192.168.1.20:8086")
    assert (settings.influxdb.org, settings.influxdb.bucket, settings.influxdb.token) == ("me", "home", Secret(TOKEN))
    assert (settings.influxdb.ssl_verify, settings.influxdb.gaps, settings.influxdb.numeric_only) == (
        False,
        False,
        True,
    )
    assert (settings.influxdb.schema, settings.influxdb.retention) == ("homeassistant", 730 * 86400)
    assert settings.filter.mode == "include"
    assert settings.filter.patterns == (
        Pattern(entity_id="sensor.*_power"),
        Pattern(domain="climate"),
        Pattern(area_id="garage", heartbeat=900),
        Pattern(domain="light"),
    )
    assert settings.filter.exceptions == (Pattern(entity_id="binary_sensor.door"),)
    assert settings.filter.drop_replays
    assert settings.device_history
    assert (settings.batch.timeout, settings.spool.size, settings.home) == (60.0, 512 * 2**20, "cabin")
    assert settings.log.level == "warning"
    assert settings.embedded.retention == 400 * 86400, "an empty option says nothing"
    assert found.origins["influxdb.url"] == "option influxdb_url"
    assert TOKEN not in repr(found) + as_json(found) + as_table(found) + as_toml(found)


def test_an_option_comes_before_the_file_and_the_file_before_the_supervisor(tmp_path: Path) -> None:
    file = toml(tmp_path, '[log]\nlevel = "error"\nformat = "json"\n[batch]\nsize = 7\n[influxdb]\nbucket = "old"\n')
    found = loaded(tmp_path, {"log_level": "debug", "influxdb_bucket": "new"}, file).settings
    assert (found.log.level, found.log.format, found.batch.size, found.influxdb.bucket) == ("debug", "json", 7, "new")


def test_a_file_may_lead_to_home_assistant_itself(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    file = toml(tmp_path, '[home_assistant]\nurl = "http://homeassistant:8123"\ntoken_file = "token"\n')
    (candidate,) = loaded(tmp_path, {}, file).settings.home_assistant.candidates()
    assert (candidate.url, candidate.token) == ("ws://homeassistant:8123/api/websocket", Secret(TOKEN))


@pytest.mark.parametrize("way", ["file", "option", "variable"])
def test_another_home_is_not_given_the_token_of_the_supervisor(tmp_path: Path, way: str) -> None:
    address = "http://192.168.1.30:8123"
    file = toml(tmp_path, f'[home_assistant]\nurl = "{address}"\n') if way == "file" else None
    options = {"home_assistant_url": address} if way == "option" else {}
    given = environ(tmp_path, options) | ({"HA_URL": address} if way == "variable" else {})
    assert load(file, given, {}).settings.home_assistant.token is None
    with pytest.raises(Problems, match="the token is missing"):
        load(file, given, {}, for_running=True)


@pytest.mark.parametrize("address", ["ws://supervisor/core/websocket", "http://supervisor/core", ""])
def test_who_names_the_supervisor_has_its_token(tmp_path: Path, address: str) -> None:
    found = loaded(tmp_path, {"home_assistant_url": address})
    assert found.settings.home_assistant.token == Secret(APP)


@pytest.mark.parametrize("address", ["http://[::1", 5])
def test_an_address_that_is_none_is_told_of(tmp_path: Path, address: object) -> None:
    assert any(each.startswith("home_assistant_url: ") for each in wrong(tmp_path, {"home_assistant_url": address}))


PATTERN = 'Give a glob such as sensor.*_battery, a domain such as update, or a table such as {area_id = "garage"}.'


def test_every_problem_is_told_at_once_and_in_the_words_of_the_app(tmp_path: Path) -> None:
    said = wrong(
        tmp_path,
        {
            "influxdb_ulr": "http://db:8086",
            "influxdb_url": "db:8086",
            "log_level": "loud",
            "batch_timeout": "soon",
            "filter_patterns": ["light", "{area_id = garage}"],
            "filter_exceptions": "light",
            "spool_size": "big",
        },
    )
    assert said == (
        "influxdb_ulr: there is no such option. Did you mean influxdb_url?",
        "filter_patterns: the value is not JSON (line 1, column 2), nor TOML. " + PATTERN,
        'filter_exceptions: "light" is not a list of patterns. Give a list of patterns, such as [{entity_id = "sensor.*_battery"}].',
        'batch_timeout: "soon" is not a duration such as 30, "30s", "5m", "24h" or "400d". Give a duration from 0.01s to 1h.',
        'spool_size: "big" is not a size such as 1048576 or "16MiB". Give a size from 1MiB to 1048576GiB.',
        "influxdb_url: the value (not shown) does not start with http:// or https://. Give an address such as http://host:port.",
        'log_level: "loud" is not one of debug, info, warning, error or critical. Give debug, info, warning, error or critical.',
    )


def test_a_rule_between_options_names_options(tmp_path: Path) -> None:
    assert wrong(tmp_path, {"store_kind": "influxdb"}) == (
        "store_kind: influxdb is chosen, but influxdb_url is missing. Set influxdb_url.",
    )
    (warning,) = loaded(tmp_path, {"influxdb_url": "http://db:8086"}).warnings
    assert warning.startswith("influxdb_token is missing: InfluxDB refuses writes without one")


def test_what_the_file_says_keeps_the_name_that_it_has_there(tmp_path: Path) -> None:
    file = toml(tmp_path, '[influxdb]\nurl = "db:8086"\n')
    (said,) = wrong(tmp_path, {}, file)
    assert said.startswith(f"influxdb.url (file {file}): ")


@pytest.mark.parametrize("pattern", [5, None, ["a"], {"domain": 5}, "[]", "{}"])
def test_a_pattern_that_is_none_is_named(tmp_path: Path, pattern: object) -> None:
    (said,) = wrong(tmp_path, {"filter_patterns": [pattern]})
    assert said.startswith("filter_patterns: pattern 1 ")


def test_every_pattern_that_is_none_is(tmp_path: Path) -> None:
    first, second = wrong(tmp_path, {"filter_patterns": ["{", "light", "[1,,"]})
    assert first.startswith("filter_patterns: the value is not JSON (line 1, column 2)")
    assert second.startswith("filter_patterns: the value is not JSON (line 1, column 4)")


@pytest.mark.parametrize(
    ("text", "what"),
    [("{", "they are not JSON"), ("[]", "a list is no table of options"), ("5", "5 is no table"), ("\xff", "not JSON")],
)
def test_options_that_cannot_be_read_are_told(tmp_path: Path, text: str, what: str) -> None:
    given = environ(tmp_path, {})
    (tmp_path / "options-token.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(Problems) as caught:
        load(None, given, {}, for_running=True)
    (said,) = caught.value.problems
    assert what in said
    assert "Restart the app" in said


def test_options_that_are_not_there_are_told(tmp_path: Path) -> None:
    with pytest.raises(Problems) as caught:
        load(None, {"HOMEIQ_INGEST_OPTIONS": str(tmp_path / "gone.json"), "SUPERVISOR_TOKEN": APP}, {})
    assert "they cannot be read: No such file or directory" in str(caught.value)


@pytest.mark.parametrize("option", ["x" * 70, "wéird key", "eyJhbGciOi.x"])
def test_a_strange_name_is_not_repeated_as_it_is(tmp_path: Path, option: str) -> None:
    (said,) = wrong(tmp_path, {option: 1})
    assert "there is no such option. The app's documentation lists every option." in said


def test_each_setting_but_a_path_has_one_option(tmp_path: Path) -> None:
    assert len(set(OPTIONS.values())) == len(OPTIONS)
    assert set(KEYS) - set(OPTIONS.values()) == {name for name, key in KEYS.items() if key.kind.path}


def answer(folder: Path, options: object) -> tuple[str, ...]:
    """All that is printed for these: the problems, or every way to show the settings, and the warnings."""
    try:
        found = loaded(folder, options)
    except Problems as error:
        return error.problems
    return (as_json(found), as_table(found), as_toml(found), repr(found), *found.warnings)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=4,
)


@given(st.dictionaries(st.sampled_from(sorted(OPTIONS)) | st.text(max_size=12), VALUES, max_size=4))
def test_any_options_are_settings_or_named(options: dict[str, object]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        told = answer(Path(directory), options)
    assert told
    assert all(len(each) > 20 for each in told)


@given(st.sampled_from(sorted(name for name in OPTIONS if KEYS[OPTIONS[name]].kind.secret)), st.booleans())
def test_a_secret_among_the_options_is_never_shown(option: str, spoiled: bool) -> None:
    held = secret("of-an-option")
    with tempfile.TemporaryDirectory() as directory:
        told = answer(Path(directory), {option: f"Bearer {held}" if spoiled else held})
    assert told
    assert not [each for each in told if held in each]
