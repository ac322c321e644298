from __future__ import annotations

import pytest
import yaml

from ingest.core.grafana import Language
from ingest.core.grafana_provisioning import SOURCES, Source, asked_at, dashboards_yaml, sources_yaml


def test_data_sources_are_yaml_and_hold_no_token() -> None:
    made = yaml.safe_load(
        sources_yaml(
            [
                Source(Language.INFLUXQL, SOURCES[Language.INFLUXQL], "http://db:8086", 'a "bucket": x'),
                Source(Language.METRICSQL, SOURCES[Language.METRICSQL], "http://vm:8428"),
                Source(Language.PROMETHEUS, SOURCES[Language.PROMETHEUS]),
            ]
        )
    )
    influxdb, victoria, prometheus = made["datasources"]
    assert made["apiVersion"] == 1
    assert (influxdb["type"], influxdb["url"], influxdb["jsonData"]["dbName"]) == (
        "influxdb", "http://db:8086", 'a "bucket": x',
    )  # fmt: skip
    assert influxdb["jsonData"]["httpHeaderName1"] == "Authorization"
    assert influxdb["secureJsonData"] == {"httpHeaderValue1": "Token $HOMEIQ_INFLUXDB_TOKEN"}
    assert (victoria["type"], victoria["url"]) == ("prometheus", "http://vm:8428")
    assert (prometheus["type"], prometheus["url"]) == ("prometheus", "http://127.0.0.1:9090")
    assert len({each["uid"] for each in made["datasources"]}) == 3


def test_dashboards_are_found_where_they_are() -> None:
    [provider] = yaml.safe_load(dashboards_yaml("/srv/my: dashboards"))["providers"]
    assert (provider["type"], provider["options"]["path"]) == ("file", "/srv/my: dashboards")


def test_a_dollar_is_no_variable_of_grafanas() -> None:
    [source] = yaml.safe_load(sources_yaml([Source(Language.INFLUXQL, "u", "http://db:8086", "a$HOME")]))["datasources"]
    assert source["jsonData"]["dbName"] == "a$$HOME"
    assert "Token $HOMEIQ_INFLUXDB_TOKEN" in source["secureJsonData"].values()


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("http://vm:8428", "http://vm:8428"),
        ("http://vm:8428/influx/", "http://vm:8428"),
        ("http://vminsert:8480/insert/0/influx", "http://vmselect:8481/select/0/prometheus"),
        ("https://metrics.example/insert/7:1/influx", "https://metrics.example/select/7:1/prometheus"),
    ],
)
def test_victoria_metrics_is_asked_at_another_path_than_it_is_written_to(written: str, asked: str) -> None:
    assert asked_at(written) == asked
