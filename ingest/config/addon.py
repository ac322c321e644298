"""As an app of Home Assistant's (an add-on, before): what its Supervisor gives, and the options that its user chose.

An option is called as its setting, with `_` where that has a dot: `influxdb_url` is `influxdb.url`. Every setting but a path
can be one; which of them a user sees, the app's own `config.yaml` says. What is wrong with them is told in their names.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from ingest.config.complaint import Report, complaint
from ingest.config.given import Given, Layer
from ingest.config.kinds import Wrong, read_all, said
from ingest.config.options import PREFIX
from ingest.config.settings import KEYS
from ingest.config.shapes import unjson
from ingest.core.secret import Secret
from ingest.core.urls import SUPERVISOR

OPTIONS_VARIABLE: Final = f"{PREFIX}OPTIONS"
"""Names the file with the options; where it is set, this is an app."""

TOKEN_VARIABLE: Final = "SUPERVISOR_TOKEN"  # noqa: S105  a name, no token
INGRESS: Final = "172.30.32.2"
"""Where the Supervisor's ingress comes from: it has asked who is there, and passes on nobody else."""

OPTIONS: Final[Mapping[str, str]] = {name.replace(".", "_"): name for name, key in KEYS.items() if not key.kind.path}
"""Each option and its setting."""

_PATTERNS: Final = ("filter.patterns", "filter.exceptions")
_NOTHING: Final[tuple[object, ...]] = (None, "", [])
_VARIABLES: Final = re.compile(r" \(or [A-Z_]+\)")
_NAMES: Final = re.compile(
    rf"(?<![\w.])({'|'.join(sorted((re.escape(name) for name in KEYS), key=len, reverse=True))})(?![\w.]*\w)"
)


def folder(environ: Mapping[str, str]) -> Path | None:
    """The folder of the options, which is the app's own and kept; None where this is no app."""
    named = environ.get(OPTIONS_VARIABLE)
    return Path(named).absolute().parent if named else None


def supervisor_layer(environ: Mapping[str, str]) -> Layer:
    """What is so in an app where nobody says otherwise: who is asked, who may ask, how the log is written."""
    if folder(environ) is None:
        return {}
    token = environ.get(TOKEN_VARIABLE)
    home = {"home_assistant.url": SUPERVISOR, "home_assistant.token": Secret(token)} if token else {}
    # From inside the app itself its commands ask; nobody else is on that loopback.
    api = {"api.host": "0.0.0.0", "api.trusted_networks": ("127.0.0.0/8",), "api.trusted_proxies": (INGRESS,)}  # noqa: S104
    return {name: Given(raw, "supervisor") for name, raw in {**home, **api, "log.format": "console"}.items()}


def for_its_home(layer: Layer, address: Given | None) -> Layer:
    """What the Supervisor gives, where this is the address that somebody else gives: its token is for no other home."""
    if address is None or address.raw in _NOTHING or _leads_to_it(str(address.raw)):
        return layer
    return {name: given for name, given in layer.items() if not name.startswith("home_assistant.")}


def options_layer(environ: Mapping[str, str], report: Report) -> Layer:
    """What the user chose. An empty option says nothing."""
    path = environ.get(OPTIONS_VARIABLE)
    layer = {}
    for option, raw in _read(Path(path), report).items() if path else ():
        name = OPTIONS.get(option)
        if name is None:
            report(_unknown(option))
        elif raw not in _NOTHING:
            value = _patterns(option, raw, report) if name in _PATTERNS else raw
            layer[name] = Given(value, f"option {option}")
    return layer


def in_its_words(sentence: str, origins: Mapping[str, str]) -> str:
    """A sentence about settings as the user of an app knows them: what a file does not say is an option."""

    def option(match: re.Match[str]) -> str:
        name = match[1]
        written = origins.get(name, "").startswith(("file", "environment", "command line"))
        return name if written or KEYS[name].kind.path else name.replace(".", "_")

    for name, origin in origins.items():
        if origin.startswith("option "):
            sentence = sentence.replace(f"{name} ({origin}):", f"{name}:")
    return _VARIABLES.sub("", _NAMES.sub(option, sentence))


def _leads_to_it(address: str) -> bool:
    try:
        return urlsplit(address).hostname == urlsplit(SUPERVISOR).hostname
    except ValueError:
        return False


def _read(path: Path, report: Report) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except OSError as error:
        what, remedy = f"they cannot be read: {error.strerror}", "Restart the app: the Supervisor writes them again"
    except (ValueError, RecursionError):
        what, remedy = "they are not JSON", "Restart the app: the Supervisor writes them again"
    else:
        if isinstance(found, dict):
            return found
        what, remedy = f"{said(found)} is no table of options", "Restart the app: the Supervisor writes them again"
    report(complaint("options", f"file {path}", what, remedy))
    return {}


def _unknown(option: str) -> str:
    close = difflib.get_close_matches(option, OPTIONS, 1, 0.75)
    remedy = f"Did you mean {close[0]}?" if close else "The app's documentation lists every option"
    return complaint(
        option if re.fullmatch(r"\w{1,60}", option) else said(option), "", "there is no such option", remedy
    )


def _patterns(option: str, raw: object, report: Report) -> object:
    """A list of texts as tables: an entity or a glob of entities, a domain, or a table as it stands in a TOML file."""
    try:
        return read_all(_pattern, raw) if isinstance(raw, list) else raw
    except Wrong as problem:
        remedy = (
            'Give a glob such as sensor.*_battery, a domain such as update, or a table such as {area_id = "garage"}'
        )
        for what in problem.args:
            report(complaint(option, "", what, remedy))
        return ()


def _pattern(raw: object) -> object:
    if not isinstance(raw, str):
        return raw
    text = raw.strip()
    if text.startswith(("{", "[")):
        return unjson(text)
    return {"entity_id" if "." in text or "*" in text else "domain": text}
