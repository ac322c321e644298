"""The two files beside the dashboards that Grafana provisions: where the dashboards are, and the data sources.

    provisioning/datasources/homeiq-ingest.yaml
    provisioning/dashboards/homeiq-ingest.yaml
    dashboards/*.json

No token stands in them: Grafana puts the value of an environment variable in its place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Final

from attrs import frozen

from ingest.core.grafana import Language

TOKEN_VARIABLE: Final = "HOMEIQ_INFLUXDB_TOKEN"  # noqa: S105  its name
SOURCES: Final = {
    Language.INFLUXQL: "homeiq-ingest-influxdb",
    Language.METRICSQL: "homeiq-ingest-victoriametrics",
    Language.PROMETHEUS: "homeiq-ingest-prometheus",
}
"""The uids of the data sources that are provisioned."""

_PROMETHEUS: Final = "http://127.0.0.1:9090"
_TENANT: Final = re.compile(r"(?P<server>.+)/insert/(?P<tenant>[^/]+)")


@frozen
class Source:
    """A data source: its language, its uid in Grafana, its address, and the bucket that is its database."""

    language: Language
    uid: str
    url: str = _PROMETHEUS
    bucket: str = ""


def asked_at(url: str) -> str:
    """Where a VictoriaMetrics is asked that is written to at `url`.

    Of its cluster that is vmselect: another server, of which the usual name and port are taken.
    """
    base = url.rstrip("/").removesuffix("/influx")
    found = _TENANT.fullmatch(base)
    if found is None:
        return base
    server = re.sub(":8480$", ":8481", found["server"].replace("vminsert", "vmselect"))
    return f"{server}/select/{found['tenant']}/prometheus"


def sources_yaml(sources: Iterable[Source]) -> str:
    """The file of data sources. Tokens are named by an environment variable of Grafana's."""
    lines = ["apiVersion: 1", "datasources:"]
    for each in sources:
        lines += _influxdb(each) if each.language is Language.INFLUXQL else _prometheus(each)
    return "\n".join(lines) + "\n"


def dashboards_yaml(folder: str) -> str:
    """Where Grafana finds the dashboards; `folder` as Grafana's own machine or container sees it."""
    lines = [
        "apiVersion: 1",
        "providers:",
        "  - name: homeiq-ingest",
        "    folder: homeiq-ingest",
        "    type: file",
        "    options:",
        f"      path: {_text(folder)}",
    ]
    return "\n".join(lines) + "\n"


def _head(source: Source, plugin: str) -> list[str]:
    return [
        f"  - name: {source.uid}",
        f"    uid: {source.uid}",
        f"    type: {plugin}",
        "    access: proxy",
        f"    url: {_text(source.url)}",
    ]


def _influxdb(source: Source) -> list[str]:
    return [
        *_head(source, "influxdb"),
        "    jsonData:",
        f"      dbName: {_text(source.bucket)}",
        "      httpMode: GET",
        "      # InfluxDB 2 and 3 want a token, which Grafana reads from its environment; for InfluxDB 1 leave out both lines,",
        "      # and give `user` and `secureJsonData: {password: …}` where it asks for them.",
        "      httpHeaderName1: Authorization",
        f"    secureJsonData: {{httpHeaderValue1: Token ${TOKEN_VARIABLE}}}",
        "    # InfluxDB 2 answers InfluxQL only where a name of a database leads to the bucket (DBRP). It makes one of the bucket's own",
        "    # name by itself; where it did not: influx v1 dbrp create --db BUCKET --rp autogen --default --bucket-id ID",
    ]


def _prometheus(source: Source) -> list[str]:
    about = "VictoriaMetrics answers as Prometheus does." if source.language is Language.METRICSQL else ""
    note = [f"    # {about}"] if about else ["    # The Prometheus that `homeiq-ingest prometheus scrape` is for."]
    return [*_head(source, "prometheus"), *note, "    jsonData: {httpMethod: POST}"]


def _text(text: str) -> str:
    """A text as YAML takes it, in which a dollar is one: Grafana puts variables of its environment in."""
    return json.dumps(text.replace("$", "$$"), ensure_ascii=False)
