"""The effective settings as text: each value, where it came from, secrets masked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from attrs import frozen

from ingest.config.load import Loaded
from ingest.config.rules import look_up
from ingest.config.settings import KEYS, SECTIONS
from ingest.config.toml import toml_value


@frozen
class Row:
    """One setting. `value` is plain (text, number, list, table) and already masked.

    `live` is False where TOML may not say it: a masked secret, the filter's file beside what was read from it.
    """

    name: str
    value: object
    origin: str
    live: bool = True


def rows(loaded: Loaded) -> Iterator[Row]:
    """Every setting, in the order of the tree."""
    for name, key in KEYS.items():
        value = look_up(loaded.settings, name)
        live = not (key.kind.secret or name == "filter.file")
        yield Row(name, key.kind.show(value), loaded.origins[name], live)


def as_table(loaded: Loaded) -> str:
    """Aligned columns: name, value, origin."""
    cells = [(row.name, toml_value(row.value), row.origin) for row in rows(loaded)]
    first, second = (max(len(cell[column]) for cell in cells) for column in (0, 1))
    second = min(second, 60)
    return "\n".join(f"{name:<{first}}  {value:<{second}}  {origin}" for name, value, origin in cells)


def as_json(loaded: Loaded) -> str:
    """One object: `settings` nested as in TOML, `origins` by dotted name, `warnings`, `file`."""
    tree: dict[str, Any] = {}
    for row in rows(loaded):
        section, _, key = row.name.rpartition(".")
        (tree.setdefault(section, {}) if section else tree)[key] = row.value
    file = None if loaded.file is None else str(loaded.file)
    whole = {"settings": tree, "origins": dict(loaded.origins), "warnings": list(loaded.warnings), "file": file}
    return json.dumps(whole, indent=2)


def as_toml(loaded: Loaded) -> str:
    """A configuration file that gives the same settings, secrets left out as comments."""
    lines = []
    section = ""
    for row in rows(loaded):
        above, _, key = row.name.rpartition(".")
        if above != section and above in SECTIONS:
            section = above
            lines += ["", f"[{section}]"]
        lines.append(f"{'' if row.live else '# '}{key} = {toml_value(row.value)}  # {_comment(row.origin)}")
    return "\n".join(lines)


def _comment(origin: str) -> str:
    return "".join(each if each.isprintable() else "?" for each in origin)
