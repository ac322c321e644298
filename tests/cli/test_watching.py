"""The commands that print what others need to watch the service: Grafana, Prometheus, Home Assistant."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from ingest.cli.main import main
from ingest.core.grafana import as_json
from ingest.core.grafana_provisioning import SOURCES
from ingest.core.grafana_service import service_dashboard
from tests.support.dashboards import HOMES, queries


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No configuration of whoever runs the tests is found."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))
    monkeypatch.delenv("HOMEIQ_INGEST_CONFIG", raising=False)


def called(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def printed(*arguments: str) -> str:
    result = called(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def dashboard(*arguments: str) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(printed("grafana", *arguments))
    return made


@pytest.mark.parametrize("name", HOMES)
def test_the_dashboard_that_is_asked_for_is_printed(name: str) -> None:
    schema, language = name.split("-")
    made = dashboard("--schema", schema, "--language", language, "--datasource", "mine")
    assert made == json.loads(as_json(HOMES[name], "mine"))


def test_the_configuration_says_which_dashboard_it_is() -> None:
    assert dashboard()["uid"] == "homeiq-ingest-homeiq-influxql"
    assert dashboard("--set", "influxdb.schema=homeassistant")["uid"] == "homeiq-ingest-homeassistant-influxql"
    assert dashboard("--set", "influxdb.numeric_only=true")["uid"] == "homeiq-ingest-homeiq-metricsql"
    assert "\"home\" = 'cabin'" in json.dumps(dashboard("--set", "home=cabin"), ensure_ascii=False).replace('\\"', '"')
    assert dashboard("--language", "prometheus") == json.loads(as_json(service_dashboard(), "homeiq-ingest-prometheus"))


@pytest.mark.parametrize("name", HOMES)
def test_of_several_homes_in_a_bucket_a_dashboard_shows_the_one_that_is_configured(name: str) -> None:
    schema, language = name.split("-")
    chosen = ("--schema", schema, "--language", language, "--set", "influxdb.home_tag=true")
    cabin, flat = (dashboard(*chosen, "--set", f"home={home}") for home in ("cabin", "flat"))
    assert len({cabin["uid"], flat["uid"], HOMES[name].uid}) == 3
    assert re.fullmatch(r"[a-z0-9-]{1,40}", cabin["uid"])
    assert cabin["title"].startswith("Home cabin (")
    ours = "\"home\" = 'cabin'" if language == "influxql" else 'home="cabin"'
    assert [each.what for each in queries(cabin) if ours not in each.text] == []
    assert "AND  " not in json.dumps(cabin)
    assert not any(each.text.endswith("AND ") for each in queries(cabin))


@pytest.mark.parametrize(
    "setting", ["homeassistant_schema.override_measurement=all", "homeassistant_schema.measurement_attr=entity_id"]
)
def test_where_measurements_are_no_units_there_is_no_dashboard(setting: str) -> None:
    result = called("grafana", "--schema", "homeassistant", "--set", setting)
    assert result.exit_code == 2
    assert "measurements are named after units" in result.stderr


@pytest.mark.parametrize(
    ("settings", "asked"),
    [
        ((), "\"device_class_str\" = 'battery'"),
        (("tags_attributes",), "\"device_class\" = 'battery'"),
        (("ignore_attributes",), '"entity_id" =~ /batter/'),
        (("tags_attributes", "ignore_attributes"), "\"device_class\" = 'battery'"),
    ],
)
def test_batteries_are_found_where_the_settings_put_the_class(settings: tuple[str, ...], asked: str) -> None:
    sets = [f'homeassistant_schema.{each}=["device_class"]' for each in settings]
    made = dashboard("--schema", "homeassistant", *(word for each in sets for word in ("--set", each)))
    assert any(asked in each.text for each in queries(made))


def test_grafana_needs_no_token(tmp_path: Path) -> None:
    """A plain user may not read those of an installed service."""
    token = f"influxdb.token_file={tmp_path / 'none'}"
    assert dashboard("--set", "influxdb.url=http://db:8086", "--set", token) == dashboard()


def test_where_states_are_written_as_homeiq_did_no_panel_shows_pythons_text() -> None:
    made = dashboard("--set", "influxdb.legacy_state_repr=true")
    held = {each.what: each.text for each in queries(made) if each.what in {"States A", "Who is at home A"}}
    assert len(held) == 2
    assert all('last("value")' in text and "state_value" not in text for text in held.values())


def test_grafana_asks_the_clusters_vmselect(tmp_path: Path) -> None:
    url = "influxdb.url=http://vminsert:8480/insert/0/influx"
    printed("grafana", "-o", str(tmp_path), "--set", "influxdb.numeric_only=true", "--set", url)
    sources = yaml.safe_load((tmp_path / "provisioning/datasources/homeiq-ingest.yaml").read_text("utf-8"))[
        "datasources"
    ]
    assert sources[0]["url"] == "http://vmselect:8481/select/0/prometheus"


def test_a_folder_gets_both_dashboards_and_what_provisions_them(tmp_path: Path) -> None:
    folder = tmp_path / "grafana"
    written = printed(
        "grafana", "-o", str(folder), "--set", "influxdb.url=http://db:8086", "--set", "influxdb.bucket=ha"
    )
    assert sorted(map(Path, written.splitlines())) == sorted(each for each in folder.rglob("*") if each.is_file())
    names = {each.name for each in (folder / "dashboards").iterdir()}
    assert names == {"homeiq-ingest-homeiq-influxql.json", "homeiq-ingest-service.json"}
    sources = yaml.safe_load((folder / "provisioning/datasources/homeiq-ingest.yaml").read_text("utf-8"))["datasources"]
    assert [each["uid"] for each in sources] == ["homeiq-ingest-influxdb", "homeiq-ingest-prometheus"]
    assert (sources[0]["url"], sources[0]["jsonData"]["dbName"]) == ("http://db:8086", "ha")
    [provider] = yaml.safe_load((folder / "provisioning/dashboards/homeiq-ingest.yaml").read_text("utf-8"))["providers"]
    assert provider["options"]["path"] == str(folder / "dashboards")


def test_a_data_source_that_is_there_is_not_provisioned_again(tmp_path: Path) -> None:
    arguments = ["--language", "metricsql", "--datasource", "mine", "--path", "/etc/grafana/dashboards"]
    printed("grafana", *arguments, "-o", str(tmp_path))
    made = json.loads((tmp_path / "dashboards/homeiq-ingest-homeiq-metricsql.json").read_text("utf-8"))
    assert made["templating"]["list"][0]["current"]["value"] == "mine"
    assert not (tmp_path / "provisioning/datasources").exists()
    assert "/etc/grafana/dashboards" in (tmp_path / "provisioning/dashboards/homeiq-ingest.yaml").read_text("utf-8")


def test_without_an_address_the_usual_one_is_written(tmp_path: Path) -> None:
    printed("grafana", "--language", "metricsql", "-o", str(tmp_path))
    [source] = yaml.safe_load((tmp_path / "provisioning/datasources/homeiq-ingest.yaml").read_text("utf-8"))[
        "datasources"
    ]
    assert (source["uid"], source["url"]) == (
        SOURCES[next(each for each in SOURCES if each.value == "metricsql")],
        "http://127.0.0.1:8428",
    )


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = called("grafana", "-o", str(tmp_path / "file" / "grafana"))
    assert result.exit_code == 2
    assert "the folder cannot be made" in result.stderr


def test_rules_are_printed() -> None:
    [group] = yaml.safe_load(printed("prometheus", "rules"))["groups"]
    assert len(group["rules"]) == 8


def test_prometheus_is_told_where_the_service_is(tmp_path: Path) -> None:
    def job(*arguments: str) -> dict[str, Any]:
        [found] = yaml.safe_load(printed("prometheus", "scrape", *arguments))["scrape_configs"]
        made: dict[str, Any] = found
        return made

    assert job()["static_configs"] == [{"targets": ["127.0.0.1:8001"]}]
    assert job("--target", "nuc:9000")["static_configs"] == [{"targets": ["nuc:9000"]}]
    assert "authorization" not in job()
    (tmp_path / "token").touch(mode=0o600)
    (tmp_path / "token").write_text("this-is-never-printed")
    guarded = printed("prometheus", "scrape", "--set", f"api.token_file={tmp_path / 'token'}")
    assert "credentials_file" in guarded
    assert "never-printed" not in guarded


def test_home_assistant_is_told_where_the_service_is() -> None:
    [asked] = yaml.safe_load(printed("home-assistant", "package", "--set", "api.port=9001"))["rest"]
    assert asked["resource"] == "http://127.0.0.1:9001/health"
    [asked] = yaml.safe_load(printed("home-assistant", "package", "--url", "https://nuc.lan/ingest/"))["rest"]
    assert asked["resource"] == "https://nuc.lan/ingest/health"


@pytest.mark.parametrize("url", ["nuc:8001", "http://nuc/{{ 1 }}", 'http://nuc/"', "http://nuc/ x", "http://nuc/#x"])
def test_an_address_that_would_mean_something_in_the_package_is_refused(url: str) -> None:
    result = called("home-assistant", "package", "--url", url)
    assert result.exit_code == 2
    assert "is not an address" in result.stderr


@pytest.mark.parametrize("command", [("home-assistant", "package"), ("prometheus", "scrape")])
def test_a_port_that_is_chosen_anew_must_be_said(command: tuple[str, str]) -> None:
    result = called(*command, "--set", "api.port=0")
    assert result.exit_code == 2
    assert "every start takes another port" in result.stderr
