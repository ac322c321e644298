"""What changed between two readings of the configuration, and what of it can change while the service runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from attrs import evolve

from ingest.config.rules import look_up
from ingest.config.secrets import TWINS
from ingest.config.settings import KEYS, Settings
from ingest.config.toml import toml_value

AT_ONCE: Final = frozenset(
    {name for name in KEYS if name.startswith(("filter.", "attributes."))} | {"log.level"}  # all of these two sections
)
"""Settings that need no restart."""

READ_AGAIN: Final = frozenset(
    {"home_assistant.token", "home_assistant.secondary_token", "influxdb.token", "data_api.api_key"}
)
"""Secrets that their users read again, before they use them, where they are in a file."""

LONGEST: Final = 160
"""Characters of a value that are shown."""


def changed(old: Settings, new: Settings) -> tuple[str, ...]:
    """The settings that differ, in the order of the tree."""
    return tuple(name for name in KEYS if look_up(old, name) != look_up(new, name))


def needing_restart(old: Settings, new: Settings) -> tuple[str, ...]:
    """Those of them that a running service cannot take on."""
    return tuple(name for name in changed(old, new) if name not in AT_ONCE and not _is_read_again(name, old, new))


def told(name: str, old: Settings, new: Settings) -> str:
    """One change: the value that was and the one that is, secrets masked; of a list what came and went."""
    kind = KEYS[name].kind
    before, after = kind.show(look_up(old, name)), kind.show(look_up(new, name))
    if kind.secret:
        return f"{name}: another one (not shown)"
    if isinstance(before, list | tuple) and isinstance(after, list | tuple) and _differ(before, after):
        went = [f"without {_short(each)}" for each in before if each not in after]
        came = [f"with {_short(each)}" for each in after if each not in before]
        return f"{name}: {', '.join([*went, *came])}"
    return f"{name}: {_short(before)} → {_short(after)}"


def applied(old: Settings, new: Settings) -> Settings:
    """The settings in effect once what can be changed at once is."""
    log = evolve(old.log, level=new.log.level)
    held = evolve(old, filter=new.filter, attributes=new.attributes, log=log)
    for name in READ_AGAIN:
        if _is_read_again(name, old, new):
            section, _, key = name.partition(".")
            held = evolve(held, **{section: evolve(getattr(held, section), **{key: look_up(new, name)})})
    return held


def _is_read_again(name: str, old: Settings, new: Settings) -> bool:
    """The file is the same, and holds another secret."""
    if name not in READ_AGAIN:
        return False
    before, after = (look_up(each, TWINS[name]) for each in (old, new))
    return before is not None and before == after


def _differ(before: Sequence[object], after: Sequence[object]) -> bool:
    return any(each not in after for each in before) or any(each not in before for each in after)


def _short(value: object) -> str:
    text = toml_value(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
