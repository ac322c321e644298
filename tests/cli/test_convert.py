"""`convert`: the integration's YAML becomes a configuration that loads, and no secret is seen."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ingest.cli.main import main
from ingest.config.load import load
from ingest.config.settings import Settings
from ingest.core.point import Attributes, Facts
from ingest.core.rules import Rules
from ingest.core.secret import Secret
from tests.support.closed import close
from tests.support.integration_yaml import EXAMPLES, FOLDER
from tests.support.marked import watched

PASSWORD = watched("MY_USERNAME:MY_PASSWORD")
SECOND = "influxdb:\n  api_version: 2\n  token: !secret t\n  organization: o\n"


def call(*args: object) -> Result:
    return CliRunner().invoke(main, ["convert", *map(str, args)], env={"A_TOKEN": "from-the-environment"})


def converted(folder: Path, text: str, *args: object) -> tuple[Settings, str]:
    """The settings that a file becomes, and what is said of it."""
    file, output = folder / "influxdb.yaml", folder / "out" / "config.toml"
    file.write_text(text, "utf-8")
    result = call(file, "-o", output, *args)
    assert result.exit_code == 0, result.output
    loaded = load(output, {}, {})
    assert not [each for each in loaded.warnings if "influxdb.token is missing" not in each]
    return loaded.settings, result.stderr


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_a_documented_configuration_becomes_one_that_loads(tmp_path: Path, example: Path) -> None:
    output = tmp_path / "config.toml"
    result = call(example, "-o", output)
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    found = load(output, {}, {}).settings
    assert found.influxdb.schema == "homeassistant"
    assert output.stat().st_mode & 0o777 == 0o600
    if found.influxdb.token is not None:
        assert (tmp_path / "influxdb-token").stat().st_mode & 0o777 == 0o600
        assert found.influxdb.token.reveal() not in result.stderr + output.read_text("utf-8")


def test_an_influxdb_of_the_first_kind(tmp_path: Path) -> None:
    found, said = converted(tmp_path, (FOLDER / "02-full-1x.yaml").read_text("utf-8"))
    assert found.influxdb.url == "https://192.168.1.190:20000"
    assert (found.influxdb.bucket, found.influxdb.create_bucket) == ("DB_TO_STORE_EVENTS", False)
    assert found.influxdb.token == Secret(PASSWORD)
    assert found.homeassistant_schema.default_measurement == "state"
    assert found.homeassistant_schema.tags == {"instance": "prod", "source": "hass"}
    assert "InfluxDB 1.8" in said
    assert "max_retries: not needed" in said
    assert "MY_PASSWORD" not in said


def test_an_influxdb_of_the_second_kind_with_its_defaults(tmp_path: Path) -> None:
    (tmp_path / "secrets.yaml").write_text("t: the-token\n")
    found, _ = converted(tmp_path, SECOND)
    assert found.influxdb.url == "https://us-west-2-1.aws.cloud2.influxdata.com"
    assert (found.influxdb.org, found.influxdb.bucket) == ("o", "Home Assistant")
    assert found.influxdb.token == Secret("the-token")


def test_a_password_that_cannot_be_sent_as_a_token_is_said_and_not_shown(tmp_path: Path) -> None:
    text = "influxdb: {username: me, password: Gänseblümchen}\n"
    file = tmp_path / "influxdb.yaml"
    file.write_text(text, "utf-8")
    result = call(file, "-o", tmp_path / "config.toml")
    assert "USER:PASSWORD, holds a character that no token has" in result.stderr
    assert "SET PASSWORD FOR" in result.stderr
    assert "seblümchen" not in result.output
    file.write_text("influxdb: {username: me, password: Daisy-77}\n", "utf-8")
    assert "SET PASSWORD" not in call(file, "-o", tmp_path / "other.toml").stderr


def test_what_packages_add_is_carried_over_and_what_home_assistant_refuses_of_it_is_said(tmp_path: Path) -> None:
    (tmp_path / "flux.yaml").write_text("influxdb: {exclude: {domains: [person]}, port: 1}\n")
    core = "homeassistant: {packages: {flux: !include flux.yaml}}\n"
    found, said = converted(tmp_path, core + "influxdb: {port: 8086}\n")
    assert not Rules(found.filter).decide("person.a", Attributes(), Facts("id")).passed
    assert found.influxdb.url == "http://localhost:8086"
    assert "package flux: Home Assistant does not take its port, which is set before it" in said
    assert "package flux" in (tmp_path / "out" / "config.toml").read_text("utf-8")


def test_what_is_to_be_typed_next_names_this_program_as_it_is_called_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.cli.convert.own_command", lambda: "bin/homeiq-ingest")
    assert "works:  bin/homeiq-ingest config check" in converted(tmp_path, "influxdb:\n")[1]


def test_one_that_runs_beside_it_in_a_bucket_of_its_own(tmp_path: Path) -> None:
    token = tmp_path / "ha-token"
    token.write_text("x" * 40 + "1y")
    found, said = converted(
        tmp_path, "influxdb:\n", "--bucket", "beside", "--url", "http://h:8123", "--token-file", token
    )
    assert found.influxdb.bucket == "beside"
    assert found.home_assistant.url == "ws://h:8123/api/websocket"
    assert "Still missing" not in said
    assert "no connection is said" in said


def test_what_is_different_for_some_entities(tmp_path: Path) -> None:
    found, said = converted(tmp_path, (FOLDER / "10-component-config.yaml").read_text("utf-8"))
    rules = Rules(found.filter)
    power, energy = (
        rules.decide(each, Attributes(), Facts("id")).treatment for each in ("sensor.power", "sensor.energy")
    )
    assert (power.measurement, power.ignore) == ("W", ("state_class", "device_class"))
    # The last glob says "as usual" of it, which is `everything` here, and its own list of attributes is empty.
    assert (energy.measurement, energy.ignore) == ("everything", ())
    assert found.influxdb.url == "https://proxy.example:8086/influx"
    assert "ssl_ca_cert: /config/ssl/authority.pem is not on this machine" in said
    assert "precision: times are written whole, not cut to ms" in said


@pytest.mark.parametrize(
    ("lines", "key", "version"),
    [
        ("  host: h\n  bucket: b\n", "bucket", 2),
        ("  api_version: 2\n  token: t\n  organization: o\n  database: b\n", "database", 1),
    ],
)
def test_a_key_of_the_other_version_is_known_and_not_looked_at(
    tmp_path: Path, lines: str, key: str, version: int
) -> None:
    found, said = converted(tmp_path, "influxdb:\n" + lines)
    assert f"{key}: it belongs to api_version {version}, and the integration does not look at it" in said
    assert f"{key}: the integration knows no" not in said
    assert found.influxdb.bucket != "b"


def test_what_cannot_be_taken_back_is_said(tmp_path: Path) -> None:
    domain = "  component_config_domain: {sensor: {override_measurement: d, colour: red}}\n"
    found, said = converted(
        tmp_path, f"influxdb:\n  component_config: {{sensor.a: {{override_measurement: ''}}}}\n{domain}  new_key: 1\n"
    )
    assert len(found.filter.overrides) == 1
    assert "component_config sensor.a: an empty override_measurement cannot take back one of a glob or domain" in said
    assert "new_key: the integration knows no such key" in said
    assert "component_config_domain.sensor.colour: the integration knows no such key" in said


def test_everything_that_home_assistant_would_refuse_is_said_at_once(tmp_path: Path) -> None:
    file = tmp_path / "influxdb.yaml"
    file.write_text("""influxdb:
  api_version: 2
  username: me
  port: 99999
  ssl: perhaps
  verify_ssl: [1]
  precision: h
  tags: {a: {b: c}}
  tags_attributes: {a: 1}
  include: {entities: "sensor.*, hall", domains: [null]}
  exclude: 5
  component_config: {Hall: {override_measurement: x}}
""")
    result = call(file)
    assert result.exit_code == 2
    for said in (
        "username: it belongs to api_version 1",
        "token: api_version 2 needs one",
        "port: 99999 is not a whole number from 1 to 65535",
        'ssl: "perhaps" is neither true nor false',
        "verify_ssl: a list is neither true nor false",
        'precision: "h" is not one of ns, us, ms, s',
        "tags: a table is not a text",
        "tags_attributes: a table is not a text",
        'include.entities: "sensor.*" is not an entity id (globs belong under entity_globs)',
        'include.entities: "hall" is not an entity id (globs belong under entity_globs)',
        "include.domains: it is empty",
        "exclude: 5 is not a mapping",
        'component_config.Hall: "hall" is not an entity id',
    ):
        assert said in result.stderr


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("  token: x\n", "token: it belongs to api_version 2"),
        ("  password:\n", "password: it holds no text"),
        ("  tags_attributes:\n  include: {entities: 1}\n", 'include.entities: "1" is not an entity id'),
        ("  port: []\n", "port: a list is not a whole number"),
        ("  port: x\n", 'port: "x" is not a whole number'),
        ("  include: {entities: }\n", "include.entities: it is empty"),
        ("  include:\n", "include: there is nothing behind it"),
        ("  exclude:\n", "exclude: there is nothing behind it"),
        ("  tags:\n", "tags: there is nothing behind it"),
        ("  component_config: {sensor.a: }\n", "component_config.sensor.a: there is nothing behind it"),
        ("  username: me\n", "password: username needs one beside it"),
        ("  password: mine\n", "username: password needs one beside it"),
        ("  organization: o\n", "organization: it belongs to api_version 2"),
        ("  api_version: 2\n  token: t\n", "organization: a token needs one beside it"),
    ],
)
def test_a_value_that_is_refused(tmp_path: Path, lines: str, said: str) -> None:
    file = tmp_path / "influxdb.yaml"
    file.write_text("influxdb:\n" + lines)
    result = call(file)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr


def test_without_a_file_to_write_nothing_hidden_is_printed(tmp_path: Path) -> None:
    (tmp_path / "secrets.yaml").write_text("t: the-token\nh: the-host\n")
    file = tmp_path / "influxdb.yaml"
    file.write_text(SECOND)
    result = call(file)
    assert result.exit_code == 0
    assert "token_file" not in result.stdout
    assert "the-token" not in result.output
    assert "The database's token is not printed" in result.stderr
    file.write_text(SECOND + "  host: !secret h\n")
    result = call(file)
    assert result.exit_code == 2
    assert "host came from secrets.yaml or the environment, which is not printed" in result.stderr
    assert "the-host" not in result.output


def test_files_that_are_there_are_kept(tmp_path: Path) -> None:
    file, output = FOLDER / "02-full-1x.yaml", tmp_path / "config.toml"
    assert call(file, "-o", output).exit_code == 0
    (tmp_path / "influxdb-token").write_text("older")
    again = call(file, "-o", output)
    assert again.exit_code == 2
    assert "the configuration file exists already" in again.stderr
    output.unlink()
    again = call(file, "-o", output)
    assert again.exit_code == 2
    assert "the token file exists already" in again.stderr
    assert (tmp_path / "influxdb-token").read_text() == "older"
    assert call(file, "-o", output, "--force").exit_code == 0
    assert (tmp_path / "influxdb-token").read_text() == f"{PASSWORD}\n"


def test_a_folder_that_may_not_be_entered_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    close(tmp_path / "closed", monkeypatch)
    result = call(FOLDER / "02-full-1x.yaml", "-o", tmp_path / "closed" / "config.toml")
    assert result.exit_code == 2
    assert "the file cannot be looked at: Permission denied" in result.stderr


def test_what_makes_the_line_secure(tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    authority.touch()
    lines = f"influxdb:\n  host: h\n  ssl: 1\n  verify_ssl: false\n  ssl_ca_cert: {authority}\n"
    file, output = tmp_path / "influxdb.yaml", tmp_path / "config.toml"
    file.write_text(lines)
    assert call(file, "-o", output).exit_code == 0
    found = load(output, {}, {}).settings.influxdb
    assert (found.url, found.ssl_verify, found.ca_file) == ("https://h:8086", False, authority)
