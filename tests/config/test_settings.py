from collections import Counter
from pathlib import Path

import attrs
import pytest

from ingest.config.filter_table import INLINE_VARIABLES
from ingest.config.home_assistant import Candidate, HomeAssistant
from ingest.config.settings import KEYS, SECTIONS, Settings
from ingest.core.secret import Secret
from ingest.core.urls import http_base

CONTRACT = [
    "HA_HTTP_URL",
    "HOME_ASSISTANT_URL",
    "HA_WS_URL",
    "HA_URL",
    "HA_TOKEN",
    "HOME_ASSISTANT_TOKEN",
    "NABU_CASA_URL",
    "NABU_CASA_TOKEN",
    "NABU_CASA_SSL_VERIFY",
    "ENABLE_HOME_ASSISTANT",
    "SSL_VERIFY",
    "WEBSOCKET_MAX_RETRIES",
    "WEBSOCKET_MAX_RETRY_DELAY",
    "DISCOVERY_REFRESH_INTERVAL",
    "BATCH_SIZE",
    "BATCH_TIMEOUT",
    "INFLUXDB_URL",
    "INFLUXDB_TOKEN",
    "INFLUXDB_ORG",
    "INFLUXDB_BUCKET",
    "INFLUXDB_MAX_PENDING_POINTS",
    "INFLUXDB_OVERFLOW_STRATEGY",
    "STORE_DEVICE_HISTORY_IN_INFLUXDB",
    "DATA_API_URL",
    "DATA_API_API_KEY",
    "DATA_API_KEY",
    "API_KEY",
    "ENTITY_FILTER_CONFIG",
    "ENTITY_FILTER_CONFIG_FILE",
    "WEBSOCKET_INGESTION_PORT",
    "WEBSOCKET_INGESTION_HOST",
    "WEBSOCKET_RATE_LIMIT_MESSAGES",
    "WEBSOCKET_RATE_LIMIT_WINDOW",
    "CORS_ORIGINS",
    "LOG_LEVEL",
    "LOG_FORMAT",
    "MAX_MEMORY_MB",
    "CIRCUIT_BREAKER_THRESHOLD",
]


@pytest.mark.parametrize("variable", CONTRACT)
def test_every_variable_of_homeiq_has_a_home(variable: str) -> None:
    known = {*INLINE_VARIABLES, *(name for key in KEYS.values() for name in key.option.aliases)}
    assert variable in known


def test_our_own_variables_are_distinct() -> None:
    names = [key.variable for key in KEYS.values()]
    assert Counter(names).most_common(1)[0][1] == 1
    assert not {"HOMEIQ_INGEST_CONFIG", "HOMEIQ_INGEST_FILTER"} & set(names)


def test_the_tree_is_frozen_and_complete() -> None:
    assert Settings() == Settings()
    assert set(SECTIONS) | {"home", "device_history"} == {each.name for each in attrs.fields(Settings)}
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        setattr(Settings(), "home", "x")  # noqa: B010  mypy knows already that it cannot be done


def test_every_secret_has_a_file() -> None:
    assert all(f"{name}_file" in KEYS for name, key in KEYS.items() if key.kind.secret)


def test_auto_is_influxdb_when_it_has_an_address() -> None:
    settings = Settings()
    assert settings.store_kind == "embedded"
    with_url = attrs.evolve(settings, influxdb=attrs.evolve(settings.influxdb, url="http://db"))
    assert with_url.store_kind == "influxdb"
    assert attrs.evolve(with_url, store=attrs.evolve(settings.store, kind="stdout")).store_kind == "stdout"


def test_candidates_are_what_has_an_address_and_a_token() -> None:
    token, other = Secret("a"), Secret("b")
    home = HomeAssistant(
        url="ws://ha/api/websocket",
        token=token,
        token_file=Path("t"),
        secondary_url="wss://cloud/api/websocket",
        secondary_token=other,
        secondary_ssl_verify=False,
        ca_file=Path("ca.pem"),
    )
    primary = Candidate("primary", "ws://ha/api/websocket", token, True, Path("ca.pem"), Path("t"))
    secondary = Candidate("secondary", "wss://cloud/api/websocket", other, False, Path("ca.pem"), None)
    assert home.candidates() == (primary, secondary)
    assert attrs.evolve(home, token=None).candidates() == (secondary,)
    assert attrs.evolve(home, secondary_url=None).candidates() == (primary,)
    assert attrs.evolve(home, enabled=False).candidates() == ()
    assert http_base(secondary.url) == "https://cloud"
