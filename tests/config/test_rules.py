from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.config.load import load
from ingest.config.rules import is_loopback
from tests.config.places import problems

MIB = 2**20


@given(st.integers(3, 10**6), st.integers(MIB, 2**40), st.integers(MIB, 2**40), st.integers(MIB, 2**40))
def test_the_queues_together_hold_what_memory_says(total: int, intake: int, link: int, spool: int) -> None:
    given_sizes = {"intake.bytes": intake, "store_link.bytes": link, "spool.memory": spool}
    loaded = load(None, {"MAX_MEMORY_MB": str(total)}, given_sizes)
    settings = loaded.settings
    sizes = settings.intake.bytes, settings.store_link.bytes, settings.spool.memory
    assert sum(sizes) == total * MIB
    assert min(sizes) >= MIB
    assert loaded.origins["spool.memory"] == "scaled to memory.max_mb"


def test_a_sum_that_is_right_already_changes_nothing() -> None:
    had = load(None, {}, {}).settings
    same = load(None, {"MAX_MEMORY_MB": "64"}, {}).settings
    assert (same.intake, same.store_link, same.spool) == (had.intake, had.store_link, had.spool)


def test_too_little_memory_is_an_error() -> None:
    assert problems(None, {"MAX_MEMORY_MB": "2"}) == (
        "memory.max_mb (environment MAX_MEMORY_MB): 2 MiB are too few for 3 queues. Give 3 or more, or leave it out.",
    )


def test_influxdb_needs_an_address() -> None:
    (found,) = problems(None, {}, {"store.kind": "influxdb"})
    assert found.startswith(
        "store.kind (command line): influxdb is chosen, but influxdb.url is missing. Set influxdb.url"
    )


def test_a_rule_is_silent_about_values_that_are_wrong_already() -> None:
    (found,) = problems(None, {"INFLUXDB_URL": "nonsense"}, {"store.kind": "influxdb"})
    assert found.startswith("influxdb.url")


def test_a_file_of_authorities_must_be_readable(tmp_path: Path) -> None:
    (found,) = problems(None, {}, {"home_assistant.ca_file": tmp_path / "no.pem"})
    assert "no.pem cannot be read. Give a PEM file" in found
    (tmp_path / "ca.pem").touch()
    both = {"influxdb.ca_file": tmp_path / "ca.pem", "influxdb.ssl_verify": False}
    assert load(None, {}, both).warnings == ("influxdb.ca_file is not used, because influxdb.ssl_verify is false.",)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "nuc.local"])
def test_an_unguarded_api_listens_on_this_machine_only(host: str) -> None:
    loaded = load(None, {"WEBSOCKET_INGESTION_HOST": host}, {})
    assert loaded.settings.api.host == "127.0.0.1"
    assert loaded.warnings[0].startswith(
        f"api.host is {host}, but none of api.token, api.trusted_networks and api.trusted_proxies is set"
    )
    assert loaded.origins["api.host"] == "environment WEBSOCKET_INGESTION_HOST, changed: see the warning"


@pytest.mark.parametrize(
    "guard", [{"HOMEIQ_INGEST_API_TOKEN": "t0ken"}, {"HOMEIQ_INGEST_API_TRUSTED_NETWORKS": "10.0.0.0/8"}]
)
def test_a_guarded_api_listens_where_it_is_told(guard: dict[str, str]) -> None:
    loaded = load(None, {"WEBSOCKET_INGESTION_HOST": "0.0.0.0", **guard}, {})
    assert loaded.settings.api.host == "0.0.0.0"
    assert not [warning for warning in loaded.warnings if "api.host" in warning]


def test_who_needs_no_token_is_said(tmp_path: Path) -> None:
    given = {"api.trusted_networks": ["172.16.0.0/12", "fd00::/8"], "api.host": "0.0.0.0"}
    why = "api.trusted_networks holds 172.16.0.0/12, fd00::/8: whoever asks from there needs no token."
    assert load(None, {}, given).warnings == (why,)
    assert load(None, {}, given | {"api.enabled": False}).warnings == ()
    assert load(None, {}, given | {"api.host": "127.0.0.1"}).warnings == ()


@pytest.mark.parametrize("proxies", [["0.0.0.0/0"], ["127.0.0.1"], ["::1", "172.30.32.0/23"]])
def test_who_is_taken_for_a_proxy_is_said(proxies: list[str]) -> None:
    given = {"api.trusted_proxies": [*proxies, "172.30.32.2"]}
    (why,) = load(None, {}, given).warnings
    named = ", ".join(str(ip_network(each)) for each in proxies)
    assert why.startswith(f"api.trusted_proxies holds {named}: every program there is taken for a proxy")
    assert load(None, {}, given | {"api.enabled": False}).warnings == ()
    assert load(None, {}, {"api.trusted_proxies": ["172.30.32.2"]}).warnings == ()


@pytest.mark.parametrize(
    ("host", "loopback"), [("localhost", True), ("127.0.0.9", True), ("::1", True), ("nuc", False)]
)
def test_what_is_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_what_works_but_is_probably_not_meant() -> None:
    first, second = load(None, {"CORS_ORIGINS": "*", "INFLUXDB_URL": "http://db"}, {}).warnings
    assert first.startswith("api.cors_origins holds *")
    assert second.startswith("influxdb.token is missing")
    assert load(None, {"INFLUXDB_URL": "http://db"}, {"influxdb.numeric_only": True}).warnings == ()


def test_the_limits_of_a_websocket_are_homeiqs() -> None:
    loaded = load(None, {"WEBSOCKET_RATE_LIMIT_MESSAGES": "5", "WEBSOCKET_RATE_LIMIT_WINDOW": "7"}, {})
    assert loaded.warnings == ()
    assert (loaded.settings.api.rate_limit_messages, loaded.settings.api.rate_limit_window) == (5, 7.0)


def test_a_store_that_writes_no_devices_says_so() -> None:
    (found,) = load(None, {"STORE_DEVICE_HISTORY_IN_INFLUXDB": "true"}, {}).warnings
    assert found == "device_history is for a database: this store writes no devices and entities."
    database = {"INFLUXDB_URL": "http://db", "INFLUXDB_TOKEN": "t", "DATA_API_URL": "http://data-api:8006"}
    assert load(None, {"STORE_DEVICE_HISTORY_IN_INFLUXDB": "true", **database}, {}).warnings == ()


BEATING = [{"domain": "light", "heartbeat": "15m"}]


def test_what_is_left_out_has_no_heartbeat() -> None:
    (found,) = problems(None, {}, {"filter.patterns": BEATING})
    assert found.startswith("filter.patterns (command line): a pattern that leaves entities out has a heartbeat")
    assert load(None, {}, {"filter.mode": "include", "filter.patterns": BEATING, "store.kind": "stdout"}).warnings == ()


def test_the_embedded_store_has_no_heartbeats_and_says_so() -> None:
    for chosen in ({"filter.exceptions": BEATING}, {"filter.mode": "include", "filter.patterns": BEATING}):
        assert load(None, {}, chosen).warnings[0].startswith("the embedded store has no heartbeats")


@pytest.mark.parametrize(
    ("given", "unused"),
    [
        ({"homeassistant_schema.default_measurement": "state"}, "homeassistant_schema.default_measurement"),
        ({"influxdb.schema": "homeassistant", "influxdb.legacy_state_repr": True}, "influxdb.legacy_state_repr"),
        ({"influxdb.schema": "homeassistant", "homeassistant_schema.tags": {"source": "HA"}}, ""),
        ({"influxdb.legacy_state_repr": True}, ""),
    ],
)
def test_what_only_the_other_schema_takes_is_named(given: dict[str, object], unused: str) -> None:
    schema = given.get("influxdb.schema", "homeiq")
    said = (f"{unused} is not used, because influxdb.schema is {schema}.",) if unused else ()
    assert load(None, {}, given).warnings == said
