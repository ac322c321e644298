"""Sentences that a person can act on: the key, where its value came from, what is wrong, what to do."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from typing import Final, TypeAlias

from ingest.config.kinds import said
from ingest.config.options import PREFIX
from ingest.config.settings import KEYS, SECTIONS

Report: TypeAlias = Callable[[str], None]

_HOMEIQ: Final = {alias: key.name for key in KEYS.values() for alias in key.option.aliases}

_OUT: Final = "Take it out; `homeiq-ingest config show` then lists every setting"
"""With it, there is nothing to be shown but the complaint."""

_CONVERTED: Final = "`homeiq-ingest convert` makes a configuration of the integration's YAML"
_USER: Final = "It belongs into influxdb.token_file or influxdb.token, as USER:PASSWORD"
_ADDRESS: Final = "It is a part of influxdb.url, such as http://HOST:8086"
_FORM: Final = "It has a place in [homeassistant_schema], or in filter.overrides for some entities"
_CHOICE: Final = "What is stored is chosen in [filter]"
_INTEGRATION: Final = {
    **dict.fromkeys(("host", "port", "ssl", "path"), _ADDRESS),
    **dict.fromkeys(("username", "user", "password"), _USER),
    **dict.fromkeys(("include", "exclude"), _CHOICE),
    **dict.fromkeys(
        (
            *("measurement_attr", "default_measurement", "override_measurement", "tags", "tags_attributes"),
            *("ignore_attributes", "component_config", "component_config_domain", "component_config_glob"),
        ),
        _FORM,
    ),
    "organization": "Its name here is influxdb.org",
    "database": "Its name here is influxdb.bucket",
    "verify_ssl": "Its name here is influxdb.ssl_verify",
    "ssl_ca_cert": "Its name here is influxdb.ca_file",
    "max_retries": "Leave it out: what cannot be sent waits on disk, and is tried until the database takes it",
    "precision": "Leave it out: times are written whole",
    "api_version": "Leave it out: points are sent to the v2 API, which InfluxDB 1.8 has, too",
}
"""The keys of Home Assistant's own `influxdb` integration: what is written for each of them here, in `[influxdb]`."""


def complaint(key: str, origin: str, what: str, remedy: str) -> str:
    """One problem, as two sentences."""
    place = key if origin in {"", "default"} else f"{key} ({origin})"
    return f"{place}: {what}. {remedy}{'' if remedy.endswith('?') else '.'}"


def unknown_key(name: str, origin: str) -> str:
    """A name that is no setting, and what may have been meant."""
    if name in SECTIONS:
        inside = next(key for key in KEYS if key.startswith(f"{name}."))
        return complaint(name, origin, "that is a section and no setting", f"Name a setting in it, such as {inside}")
    return complaint(_shown(name), origin, "there is no such setting", _did_you_mean(name))


def unknown_variable(name: str, known: Iterable[str]) -> str:
    """A variable with our prefix that is no setting, and what may have been meant."""
    # Without the prefix, which all have in common and which would make any two of them alike.
    short = [each.removeprefix(PREFIX) for each in known]
    close = difflib.get_close_matches(name.upper().removeprefix(PREFIX), short, 1, 0.7)
    remedy = f"Did you mean {PREFIX}{close[0]}?" if close else _OUT
    return complaint(_shown(name), "environment", "there is no such variable", remedy)


def _did_you_mean(name: str) -> str:
    variable = name.rpartition(".")[2]
    if variable in _HOMEIQ:
        return f"Its name here is {_HOMEIQ[variable]}"
    section, _, last = name.lower().rpartition(".")
    if section == "influxdb" and last in _INTEGRATION:
        return f"{_INTEGRATION[last]}; {_CONVERTED}"
    if section == "home_assistant" and last in {"host", "port", "ssl"}:
        return "It is a part of home_assistant.url, such as http://HOST:8123"
    close = _closest(name)
    return f"Did you mean {close}?" if close else _OUT


def _closest(name: str) -> str | None:
    """The nearest setting or section; a key in the wrong section is found by its last part."""
    section, _, last = name.lower().rpartition(".")
    siblings = [key for key in KEYS if key.rpartition(".")[0] == section]
    for candidates in (siblings, [*KEYS, *SECTIONS]):
        close = difflib.get_close_matches(name.lower(), candidates, 1, 0.75)
        if close:
            return close[0]
    return next((key for key in KEYS if key.rpartition(".")[2] == last), None)


def _shown(name: str) -> str:
    return (
        name
        if name.replace("_", "").replace(".", "").isalnum() and len(name) <= 60 and "eyJ" not in name
        else said(name)
    )
