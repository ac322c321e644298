"""What a block must be, by the language behind its fence: it is read by what reads it where the reader puts it."""

from __future__ import annotations

import configparser
import json
import re
import textwrap
import tomllib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from ingest.config.influx_integration import converted
from ingest.config.load import load
from ingest.config.settings import KEYS
from ingest.core.prometheus_rules import RULES
from ingest.simulator.faults import parse
from tests.documents.blocks import Block
from tests.documents.statements import FOLLOWED, session, statements
from tests.support.marked import secret

FILE_KEYS = re.compile(r'^(\s*\w*file) = "([^"]+)"', re.MULTILINE)
SERVICE_KEYS = {
    "build", "cap_add", "cap_drop", "command", "container_name", "depends_on", "deploy", "devices", "entrypoint", "env_file",
    "environment", "expose", "extra_hosts", "healthcheck", "hostname", "image", "init", "labels", "logging", "mem_limit",
    "network_mode", "networks", "platform", "ports", "pull_policy", "read_only", "restart", "secrets", "security_opt",
    "stop_grace_period", "stop_signal", "tmpfs", "ulimits", "user", "volumes", "working_dir",
}  # fmt: skip
"""Keys of a service in the Compose specification."""

VARIABLES = {variable for key in KEYS.values() for variable in key.variables}


class Reader(yaml.SafeLoader):
    """YAML with Home Assistant's own tags, each of which becomes its text."""


Reader.add_multi_constructor("!", lambda loader, tag, node: f"!{tag} {node.value}")


def toml(block: Block, folder: Path) -> None:
    """A configuration of ours, whole or in part; or a script of faults."""
    tables = tomllib.loads(block.text)
    if set(tables) == {"fault"}:
        assert parse(tables)
        return
    file = folder / "config.toml"
    file.touch(mode=0o600)
    file.write_text(FILE_KEYS.sub(partial(_beside, folder), block.text), "utf-8")
    # A part of a configuration may lack what another part says; everything else is as bad as it looks.
    elsewhere = {} if {"influxdb", "store", "embedded"} & set(tables) else {"influxdb.url": "http://127.0.0.1:8086"}
    wrong = [each for each in load(file, {}, elsewhere).warnings if "is missing" not in each]
    assert wrong == [], wrong


def _beside(folder: Path, found: re.Match[str]) -> str:
    """A file that the configuration names is made, for it is looked at."""
    key, name = found.groups()
    path = folder / f"token-{Path(name).name}"
    path.touch(mode=0o600)
    path.write_text(secret("documents"), "utf-8")
    return f'{key} = "{path}"'


def yaml_(block: Block, folder: Path) -> None:
    """YAML; a Compose file, the integration's block, and Prometheus's files of rules and scrapes also as such."""
    del folder
    for document in yaml.load_all(block.text, Reader):
        match document:
            case {"services": dict(services)} if all(isinstance(each, dict) for each in services.values()):
                for name, service in services.items():
                    _compose(name, service)
            case {"influxdb": dict(integration)}:
                converted(integration)
            case {"groups": list(groups)}:
                known = {rule.name for rule in RULES}
                assert {rule["alert"] for group in groups for rule in group["rules"]} <= known
            case {"scrape_configs": list(jobs)}:
                assert all({"job_name", "static_configs"} <= job.keys() for job in jobs)
            case _:
                assert document is not None, "nothing is in it"


def _compose(name: str, service: Mapping[str, Any]) -> None:
    unknown = {key for key in service if not key.startswith("x-")} - SERVICE_KEYS
    assert not unknown, f"{name}: Compose knows no {unknown}"
    given = service.get("environment", {})
    names = {str(each).partition("=")[0] for each in given}
    ours = {each for each in names if each.startswith("HOMEIQ_INGEST_")}
    wrong = ours - VARIABLES - {"HOMEIQ_INGEST_CONFIG"}
    assert not wrong, f"{name}: no setting is told by {wrong}"


def json_(block: Block, folder: Path) -> None:
    """One value, or one a line."""
    del folder
    try:
        json.loads(block.text)
    except json.JSONDecodeError:
        for line in block.text.splitlines():
            json.loads(line)


def ini(block: Block, folder: Path) -> None:
    """A unit of systemd or the like: sections of keys."""
    del folder
    reader = configparser.RawConfigParser(strict=False, allow_no_value=False)
    reader.optionxform = str  # type: ignore[assignment, method-assign]
    reader.read_string(block.text)
    assert reader.sections()


def sh(block: Block, folder: Path) -> None:
    """Statements that bash can read. `test_running.py` runs them."""
    del folder
    assert list(statements(block.text)), "there is nothing to run"


def console(block: Block, folder: Path) -> None:
    """A session: what was typed behind `$`, and what came."""
    del folder
    if not FOLLOWED.match(block.page):
        assert block.text.startswith("$ "), "a session begins with `$ `; what is only output is `text`"
        assert list(session(block.text))


def python(block: Block, folder: Path) -> None:
    """It compiles, as it stands or as a piece of a function."""
    del folder
    try:
        compile(block.text, str(block), "exec")
    except SyntaxError:
        lines = (line for line in block.text.splitlines(keepends=True) if not line.startswith("#"))
        piece = textwrap.indent(textwrap.dedent("".join(lines)), "    ")
        compile(f"def piece():\n{piece}", str(block), "exec")


def query(block: Block, folder: Path) -> None:
    """A query: every bracket and quote that opens is closed."""
    del folder
    text = re.sub(r'"[^"\n]*"|\'[^\'\n]*\'|/[^/\n ]+/', "", block.text)
    assert not re.search(r"[\"']", text), "a quote is never closed"
    while text != (text := re.sub(r"\([^()\[\]{}]*\)|\[[^()\[\]{}]*\]|\{[^()\[\]{}]*\}", "", text)):
        pass
    assert not re.search(r"[()\[\]{}]", text), "a bracket is never closed"


def text(block: Block, folder: Path) -> None:
    """Prose, a drawing, or what was printed; not something that a reader types."""
    del folder
    assert not block.text.startswith("$ "), "a session is `console`"


CHECKS: Mapping[str, Callable[[Block, Path], None]] = {
    "bash": sh, "console": console, "dockerfile": text, "flux": query, "influxql": query, "ini": ini, "json": json_,
    "promql": query, "python": python, "sh": sh, "sql": query, "text": text, "toml": toml, "yaml": yaml_,
}  # fmt: skip
