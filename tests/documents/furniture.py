"""What a stand is furnished with: programs, a configuration, a database, and where the documents' places lie in it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from tests.edge.answering import Reply, Request

PLACES = ("etc", "var", "run", "srv", "opt", "mnt", "media", "backup", "root", "config", "data", "share", "tmp")

OTHERS = {"sensor.boiler_power": "sensor.house_power"}
"""Entities of the documents, and what the simulated home has of their kind."""

WRAPPER = """#!/bin/sh
# What ends only by Ctrl-C is ended by it; the verdicts that `doctor` and `status` give by their code are no failures.
ours() {{ PYTHONPATH={root} exec {python} -m ingest "$@"; }}
case "$1" in
run | tail | simulate)
    PYTHONPATH={root} timeout --preserve-status --signal=INT 8 {python} -m ingest "$@"
    code=$?; [ $code = 130 ] && exit 0; exit $code ;;
doctor | status) (ours "$@"); [ $? -le 1 ] ;;
*) ours "$@" ;;
esac
"""

SUDO = """#!/bin/sh
while [ "${1#-}" != "$1" ]; do if [ "$1" = -u ]; then shift; fi; shift; done
exec "$@"
"""

CONFIG = """[home_assistant]
url = "http://127.0.0.1:{home}"
token_file = "ha-token"
[store]
kind = "{kind}"
[influxdb]
url = "http://127.0.0.1:{database}"
token_file = "influx-token"
org = "homeiq"
bucket = "home_assistant_events"
[api]
port = {api}
"""


def local(text: str, folder: Path, ports: Mapping[str, int]) -> str:
    """The text with the documents' addresses, places and entities as they are in a stand's folder."""
    for name, port in {"home": "8123", "api": "8001", "database": "(?:8086|8428)"}.items():
        hosts = r"127\.0\.0\.1|localhost|[\w.-]+\.local|192\.168(\.\d+){2}"
        text = re.sub(rf"\b({hosts}):{port}\b", f"127.0.0.1:{ports[name]}", text)
    text = re.sub(rf"(?<![\w./~$}}*-])/({'|'.join(PLACES)})(?=/|\s|$)", rf"{folder}/machine/\1", text)
    text = re.sub(r"(?<= -C )/(?=\s)", f"{folder}/machine", text)
    for theirs, ours in OTHERS.items():
        text = text.replace(theirs, ours)
    text = re.sub(r"/home/me\b", f"{folder}/home", text)
    return re.sub(r"\S*\.venv-demo/bin/homeiq-ingest", "homeiq-ingest", text)


def answer(request: Request) -> Reply:
    """What the database says: it is an InfluxDB 2 that takes everything and tells nothing of it."""
    match request.method, request.path:
        case "POST", "/api/v2/write" | "/api/v2/delete":
            return Reply(204)
        case "GET", "/ping":
            return Reply(204, headers={"X-Influxdb-Version": "v2.7.11", "X-Influxdb-Build": "OSS"})
        case "GET", "/api/v2/buckets":
            return Reply.json(200, {"buckets": [{"name": request.query.get("name"), "retentionRules": []}]})
        case "POST", "/query":
            return Reply.json(200, {"results": [{"statement_id": 0}]})
    return Reply.json(404, {"code": "not found", "message": "not found"})
