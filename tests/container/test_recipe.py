"""The recipe and the compose files agree with the code, and have what they must have. Nothing is built here."""

from __future__ import annotations

import re
import tomllib
from fnmatch import fnmatch
from ipaddress import IPv4Network, ip_network
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from ingest.config.files import SYSTEM_STATE
from ingest.config.load import Loaded, load
from ingest.config.settings import KEYS
from ingest.errors import Problems
from tests.container import recipe
from tests.support.homes import TOKEN
from tests.test_docs import unknown

KNOWN = {name for key in KEYS.values() for name in key.variables}
FILES = sorted(recipe.SERVICE)
TOKENS = re.compile(r"TOKEN|KEY|PASSWORD|SECRET")

HOMEIQ = {
    # What HomeIQ's compose file (commit 580788a) gives its service where `.env` says nothing.
    "DOCKER_CONTAINER": "true",
    "DEPLOYMENT_MODE": "production",
    "HA_HTTP_URL": "",
    "HA_WS_URL": "",
    "HA_TOKEN": "",
    "NABU_CASA_URL": "",
    "NABU_CASA_TOKEN": "",
    "DATA_API_URL": "http://data-api:8006",
    "WEBSOCKET_INGESTION_PORT": "8001",
    "ENABLE_HOME_ASSISTANT": "true",
    "INFLUXDB_URL": "http://influxdb:8086",
    "INFLUXDB_USERNAME": "admin",
    "INFLUXDB_ORG": "homeiq",
    "INFLUXDB_BUCKET": "home_assistant_events",
    "LOG_LEVEL": "INFO",
    "LOG_FILE_PATH": "/app/logs",
    "LOG_FORMAT": "json",
    "LOG_OUTPUT": "both",
    "API_KEY": "",
    "WEBSOCKET_MAX_RETRIES": "-1",
    "WEBSOCKET_MAX_RETRY_DELAY": "300",
    "STORE_DEVICE_HISTORY_IN_INFLUXDB": "false",
    "WEATHER_API_URL": "https://weather.example/data/2.5",
    "WEATHER_ENRICHMENT_ENABLED": "true",
    "OTLP_ENDPOINT": "http://jaeger:4317",
    # And what its `.env`, which the service gets whole, says of the home.
    "HOME_ASSISTANT_URL": "http://homeassistant.local:8123",
    "HA_URL": "http://homeassistant.local:8123",
    "MQTT_USERNAME": "replace-with-mqtt-username",
}


def environment(service: dict[str, Any], tokens: Path) -> dict[str, str]:
    """What the container gets, with its secrets where a test can put them."""
    return {
        name: value.replace("/run/secrets", str(tokens))
        for name, value in (recipe.variables() | service["environment"]).items()
    }


def started(environ: dict[str, str], tokens: Path) -> Loaded:
    """What `run` reads there."""
    for name in ("home_assistant_token", "influxdb_token"):
        (tokens / name).touch(mode=0o600)
        (tokens / name).write_text(TOKEN, "utf-8")
    return load(None, environ, {}, for_running=True)


@pytest.mark.parametrize("name", FILES)
def test_the_container_is_shut_in(name: str) -> None:
    service = recipe.ours(name)
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["init"] is True
    assert service["stop_grace_period"] == "10s"
    assert "user" not in service
    assert "privileged" not in service
    assert [volume.partition(":")[2] for volume in service["volumes"]] == [recipe.variables()["STATE_DIRECTORY"]]
    assert set(recipe.compose(name)["volumes"]) == {volume.partition(":")[0] for volume in service["volumes"]}


@pytest.mark.parametrize("name", FILES)
def test_it_is_looked_at_with_a_command_that_exists(name: str) -> None:
    assert recipe.ours(name)["healthcheck"]["test"] == ["CMD", *recipe.health_check()]
    program, *words = recipe.health_check()
    assert program in recipe.pyproject()["project"]["scripts"]
    assert unknown(words) is None
    assert unknown([*words, "--well"]) == "--well"


@pytest.mark.parametrize("name", [*FILES, "influxdb.compose.yaml"])
def test_every_variable_is_a_setting_and_no_secret_is_one(name: str) -> None:
    service = recipe.compose(name)["services"][recipe.SERVICE.get(name, "homeiq-ingest")]
    given = service["environment"]
    assert set(given) - KNOWN <= {"TZ"}
    secret = [variable for variable in given if TOKENS.search(variable)]
    assert [variable for variable in secret if not variable.endswith("_FILE")] == []
    assert [given[variable] for variable in secret] == [f"/run/secrets/{each}" for each in service.get("secrets", ())]


def test_every_secret_is_a_file_that_is_made_by_hand() -> None:
    for name in ("compose.yaml", "influxdb.compose.yaml"):
        found = recipe.compose(name)
        assert found["secrets"] == {each: {"file": f"secrets/{each}"} for each in found["secrets"]}
        used = {each for service in found["services"].values() for each in service["secrets"]}
        assert used == set(found["secrets"])


def test_the_example_starts_and_only_its_own_network_may_ask(tmp_path: Path) -> None:
    file = recipe.compose("compose.yaml")
    found = started(environment(recipe.ours("compose.yaml"), tmp_path), tmp_path)
    api = found.settings.api
    assert (api.host, api.port) == ("0.0.0.0", 8001)
    (subnet,) = file["networks"]["default"]["ipam"]["config"]
    assert api.trusted_networks == (ip_network(subnet["subnet"]),)
    assert recipe.ours("compose.yaml")["ports"] == ["127.0.0.1:8001:8001"]
    assert found.settings.embedded.path == SYSTEM_STATE / "home.db"
    assert found.settings.store_kind == "embedded"


def test_with_its_database_it_stores_there(tmp_path: Path) -> None:
    more = recipe.compose("influxdb.compose.yaml")["services"]
    ours = recipe.ours("compose.yaml")
    ours["environment"] |= more["homeiq-ingest"]["environment"]
    found = started(environment(ours, tmp_path), tmp_path).settings
    assert found.store_kind == "influxdb"
    database = more["influxdb"]["environment"]
    assert found.influxdb.org == database["DOCKER_INFLUXDB_INIT_ORG"]
    assert found.influxdb.bucket == database["DOCKER_INFLUXDB_INIT_BUCKET"]
    assert found.influxdb.url == "http://influxdb:8086"


def test_homeiq_goes_on_with_its_own_variables(tmp_path: Path) -> None:
    given = HOMEIQ | dict.fromkeys(("HA_TOKEN", "HOME_ASSISTANT_TOKEN", "INFLUXDB_TOKEN", "API_KEY"), TOKEN)
    service = recipe.ours("homeiq.compose.yaml")
    found = started(given | environment(service, tmp_path), tmp_path)
    settings = found.settings
    # Without the address Docker hands on what comes over IPv6 as if it came from the trusted network.
    assert service["ports"] == ["0.0.0.0:${HOMEIQ_WSI_HOST_PORT:-8001}:8001"]
    assert settings.home_assistant.url == "ws://homeassistant.local:8123/api/websocket"
    assert settings.influxdb.url == "http://influxdb:8086"
    assert settings.data_api.url == "http://data-api:8006"
    assert settings.data_api.api_key is not None
    assert (settings.api.host, settings.api.port) == ("0.0.0.0", 8001)
    # The networks that Docker gives where nobody says which, and not those of most homes.
    (trusted,) = settings.api.trusted_networks
    assert isinstance(trusted, IPv4Network)
    assert all(trusted.supernet_of(IPv4Network(f"172.{number}.0.0/16")) for number in range(17, 32))
    assert not trusted.overlaps(IPv4Network("192.168.0.0/16"))
    assert [each for each in found.warnings if "172.16.0.0/12" not in each] == []


def test_the_image_alone_says_what_to_set() -> None:
    with pytest.raises(Problems) as caught:
        load(None, dict(recipe.variables()), {}, for_running=True)
    assert "the address of Home Assistant is missing" in str(caught.value)
    assert "HA_URL" in str(caught.value)


def test_the_recipe_agrees_with_the_code() -> None:
    assert recipe.said("EXPOSE") == [str(KEYS["api.port"].default)]
    assert recipe.variables()["STATE_DIRECTORY"] == str(SYSTEM_STATE)
    assert recipe.said("VOLUME") == [str(SYSTEM_STATE)]
    assert recipe.said("STOPSIGNAL") == ["SIGTERM"]
    assert recipe.said("ENTRYPOINT") == ['["homeiq-ingest"]']
    assert recipe.said("CMD") == ['["run"]']
    (label,) = recipe.said("LABEL")
    project = recipe.pyproject()["project"]
    for name in ("description", "license"):
        assert project[name] in label


def test_nobody_in_it_is_root() -> None:
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", recipe.said("USER")[-1])
    (last,) = (at for at, (word, _) in enumerate(recipe.instructions()) if word == "USER")
    assert not {word for word, _ in recipe.instructions()[last:]} & {"RUN", "COPY", "ADD"}
    user, group = recipe.said("USER")[-1].split(":")
    assert f"--mode=700 --owner={user} --group={group} {SYSTEM_STATE}" in CONTAINERFILE


CONTAINERFILE = recipe.CONTAINERFILE.read_text("utf-8")


def test_its_python_is_one_that_is_tested() -> None:
    base = next(each for each in recipe.said("ARG") if each.startswith("BASE="))
    version = re.search(r"python:(\d\.\d+)-slim-[a-z]+$", base)
    assert version is not None
    assert f'"{version[1]}"' in (recipe.ROOT / "noxfile.py").read_text("utf-8")
    assert set(recipe.said("FROM")) == {"${BASE} AS build", "${BASE}"}


def test_nothing_is_installed_that_is_not_pinned() -> None:
    installs = [
        line for line in CONTAINERFILE.replace("\\\n", " ").splitlines() if "pip" in line and " install" in line
    ]
    pieces = [
        piece
        for line in installs
        for piece in line.split("&&")
        if re.search(r"pip (--python \S+ )?(install|wheel)", piece)
    ]
    assert len(pieces) == 4
    assert [piece for piece in pieces if "--require-hashes" not in piece and "--no-index" not in piece] == []
    wanted = [Requirement(each) for each in recipe.pyproject()["build-system"]["requires"]]
    text = (recipe.ROOT / ".ci/requirements-build.txt").read_text("utf-8")
    pinned = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text, re.MULTILINE))
    assert [str(each) for each in wanted if not each.specifier.contains(pinned.get(each.name, "0"))] == []
    assert not re.search(r"https?://|file:|^-", text, re.MULTILINE)


def test_no_processor_is_named_and_no_secret_asked_for() -> None:
    told = "\n".join(rest for word, rest in recipe.instructions() if word in {"FROM", "RUN", "COPY", "ENV", "ARG"})
    assert not re.search(r"amd64|arm64|x86_64|aarch64", told)
    names = [name for line in (*recipe.said("ENV"), *recipe.said("ARG")) for name in re.findall(r"(\w+)=", line)]
    assert [name for name in names if TOKENS.search(name)] == []


def test_only_what_is_copied_gets_into_a_build() -> None:
    lines = (recipe.ROOT / ".dockerignore").read_text("utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert {rule.removeprefix("!") for rule in rules if rule.startswith("!")} == set(recipe.copied())
    assert [each for each in recipe.copied() if not (recipe.ROOT / each).exists()] == []
    assert any(fnmatch("ingest/__pycache__", rule.replace("**", "*")) for rule in rules[1:] if not rule.startswith("!"))


def test_the_unit_of_podman_says_what_the_recipe_says() -> None:
    lines = (recipe.FOLDER / "homeiq-ingest.container").read_text("utf-8").splitlines()
    given = [line.partition("=")[::2] for line in lines if "=" in line and not line.startswith("#")]
    values = dict(given)
    assert values["HealthCmd"].split() == recipe.health_check()
    assert values["Volume"].endswith(f":{SYSTEM_STATE}")
    assert {values[each] for each in ("ReadOnly", "NoNewPrivileges", "RunInit")} == {"true"}
    assert values["DropCapability"] == "all"
    environ = dict(value.split("=", 1) for name, value in given if name == "Environment")
    assert set(environ) <= KNOWN
    (secret,) = (value.split(",") for name, value in given if name == "Secret")
    assert environ["HA_TOKEN_FILE"] == f"/run/secrets/{secret[0]}"
    assert f"uid={recipe.said('USER')[-1].partition(':')[0]}" in secret


def test_marks_are_left_out_where_others_are() -> None:
    """Containers are built in a session of their own."""
    pytest_options = tomllib.loads((recipe.ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["pytest"]["ini_options"]
    assert any(each.startswith("container: ") for each in pytest_options["markers"])
    for file in ("noxfile.py", "scripts/test"):
        assert "and not outside and not package and not container" in (recipe.ROOT / file).read_text("utf-8")
