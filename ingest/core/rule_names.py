"""How the filter's rules are called: in logs and metrics, and by who reads there what kind of a rule decided."""

from __future__ import annotations

from typing import Final

from ingest.core.filter_settings import KEYS, Pattern, texts

EXCEPTION: Final = "exception"
PATTERN: Final = "pattern"
OVERRIDE: Final = "override"

NO_PATTERN: Final = "no pattern"
"""The name of what decides when no rule agrees."""

SCHEMA: Final = "schema"
"""The rule by whose name points are counted that a store's schema does not write."""

SHOWN = 5
"""Texts of a list that a rule's name shows: it stands in logs and metrics, and a list may have hundreds."""


def named(kind: str, number: int, pattern: Pattern) -> str:
    """A rule's name: `pattern 1: domain=update`."""
    given = ((key, getattr(pattern, key)) for key in KEYS)
    asked = (f"{key}={_said(value)}" for key, value in given if value is not None)
    return f"{kind} {number}: {(' or ' if pattern.match == 'any' else ' and ').join(asked)}"


def is_exception(rule: str) -> bool:
    """True when a rule of that name is one of the exceptions, which decide before the patterns."""
    return rule.startswith(f"{EXCEPTION} ")


def _said(value: str | tuple[str, ...] | bool) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    found = texts(value)
    more = len(found) - SHOWN
    return "|".join(found if more <= 0 else (*found[:SHOWN], f"{more} more"))
