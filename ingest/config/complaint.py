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
    remedy = f"Did you mean {PREFIX}{close[0]}?" if close else "`homeiq-ingest config show` lists every setting"
    return complaint(_shown(name), "environment", "there is no such variable", remedy)


def _did_you_mean(name: str) -> str:
    variable = name.rpartition(".")[2]
    if variable in _HOMEIQ:
        return f"Its name here is {_HOMEIQ[variable]}"
    close = _closest(name)
    return f"Did you mean {close}?" if close else "`homeiq-ingest config show` lists every setting"


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
