"""The Supervisor's rules for what an app says of itself, as far as ours says it.

Written after supervisor/apps/validate.py and options.py of home-assistant/supervisor, commit 090ef31 (2026-08-21), by whose own
code config.yaml and the translations were checked once (docs/how-to/addon.md). These rules are ours, for every run of the tests.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

Rule = Callable[[Any], bool]

TYPE: Final = re.compile(
    r"(?:bool|url|str(?:\((?P<s_min>\d*),(?P<s_max>\d*)\))?|password(?:\((?P<p_min>\d*),(?P<p_max>\d*)\))?"
    r"|match\((?P<match>.*)\)|list\((?P<list>.+)\))\??"
)
"""Those of the Supervisor's types that we use."""


def _matches(pattern: str) -> Rule:
    return lambda value: isinstance(value, str) and re.search(pattern, value) is not None


def _one_of(*words: str) -> Rule:
    return lambda value: value in words


def _flag(value: object) -> bool:
    return isinstance(value, bool)


def _ports(value: object) -> bool:
    return isinstance(value, dict) and all(
        re.fullmatch(r"\d+/(tcp|udp)", port) and (host is None or 0 < host < 65536) for port, host in value.items()
    )


def _map(value: object) -> bool:
    known = {
        "data",
        "ssl",
        "addons",
        "backup",
        "share",
        "media",
        "homeassistant_config",
        "all_addon_configs",
        "addon_config",
    }
    return isinstance(value, list) and all(
        each["type"] in known
        and each.keys() <= {"type", "path", "read_only"}
        and each.get("path", "/x") not in {"", "/"}
        for each in value
    )


KEYS: Final[Mapping[str, Rule]] = {
    "name": _matches("."),
    "version": _matches(r"^(dev|\d+\.\d+\.\d+\S*)$"),
    "slug": _matches(r"^[-_.A-Za-z0-9]+$"),
    "description": _matches("."),
    "arch": lambda value: isinstance(value, list) and set(value) <= {"aarch64", "amd64"},
    "homeassistant": _matches(r"^\d{4}\.\d+\.\d+$"),
    "stage": _one_of("stable", "experimental", "deprecated"),
    "startup": _one_of("initialize", "system", "services", "application", "once"),
    "boot": _one_of("auto", "manual", "manual_only"),
    "homeassistant_api": _flag,
    "ingress": _flag,
    "ingress_port": lambda value: isinstance(value, int) and 0 <= value < 65536,
    "panel_icon": _matches(r"^mdi:[a-z-]+$"),
    "panel_title": _matches("."),
    "ports": _ports,
    "watchdog": _matches(r"^(?:https?|\[PROTO:\w+\]|tcp):\/\/\[HOST\]:(\[PORT:\d+\]|\d+).*$"),
    "backup": _one_of("hot", "cold"),
    "tmpfs": _flag,
    "map": _map,
    "options": lambda value: isinstance(value, dict),
    "schema": lambda value: isinstance(value, dict) and all(map(_type, value.values())),
}


def _type(value: object) -> bool:
    one = value[0] if isinstance(value, list) and len(value) == 1 else value
    return isinstance(one, str) and TYPE.fullmatch(one) is not None


def broken(manifest: Mapping[str, Any]) -> list[str]:
    """Keys that the Supervisor would drop or refuse, and those that it asks for and that are missing."""
    wrong = [key for key, value in manifest.items() if key not in KEYS or not KEYS[key](value)]
    return wrong + [key for key in ("name", "version", "slug", "description", "arch") if key not in manifest]


def refused(schema: Mapping[str, Any], options: Mapping[str, Any]) -> list[str]:
    """The options that the Supervisor would not write for an app: unknown ones, missing ones, and bad values."""
    return [*(key for key in options if key not in schema), *_bad(schema, options), *_missing(schema, options)]


def _bad(schema: Mapping[str, Any], options: Mapping[str, Any]) -> Iterator[str]:
    for key in schema.keys() & options.keys():
        kind, value = schema[key], options[key]
        several = isinstance(kind, list)
        values = value if several and isinstance(value, list) else [value]
        if several != isinstance(value, list) or not all(_is(kind[0] if several else kind, each) for each in values):
            yield key


def _missing(schema: Mapping[str, Any], options: Mapping[str, Any]) -> Iterator[str]:
    for key in schema.keys() - options.keys():
        kind = schema[key][0] if isinstance(schema[key], list) else schema[key]
        if not kind.endswith("?"):
            yield key


def _is(kind: str, value: object) -> bool:
    found = TYPE.fullmatch(kind)
    assert found is not None
    if kind.startswith("bool"):
        return isinstance(value, bool)
    if not isinstance(value, str):
        return False
    if kind.startswith("url"):
        return re.match(r"\w+://[^/\s]+", value) is not None
    if found["list"]:
        return value in found["list"].split("|")
    if found["match"]:
        return re.match(found["match"], value) is not None
    return len(value) >= int(found["s_min"] or found["p_min"] or 0)
