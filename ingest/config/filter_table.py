"""The filter as one table: HomeIQ's JSON unchanged (inline or in a file), or the same keys in a TOML file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from ingest.config.complaint import Report, complaint
from ingest.config.files import read_toml
from ingest.config.given import Given, Layer
from ingest.config.kinds import Wrong, said
from ingest.config.options import PREFIX
from ingest.config.settings import KEYS
from ingest.errors import Refused

INLINE_VARIABLES: Final = (f"{PREFIX}FILTER", "ENTITY_FILTER_CONFIG")
_EMPTY: Final[Mapping[str, object]] = {"mode": "exclude", "patterns": (), "exceptions": (), "overrides": ()}
_REMEDY: Final = 'Give {"mode": "exclude", "patterns": [{"domain": "update"}], "exceptions": []}'


def with_filter(layer: Layer, inline: Given | None, report: Report) -> Layer:
    """The layer with a whole filter, from inline JSON or `filter.file`, taken apart into its keys."""
    file = layer.get("filter.file")
    ways = [each.origin for each in (inline, file, _keys(layer)) if each is not None and each.raw]
    if len(ways) > 1:
        report(complaint("filter", " and ".join(ways), "it is given in more than one way", "Keep one of them"))
        return layer
    if inline is not None:
        return {**layer, **_taken_apart(inline, report), "filter.file": Given("", inline.origin)}
    if file is not None and file.raw:
        return {**layer, **_from_file(file, report)}
    return layer


def _keys(layer: Layer) -> Given | None:
    return next((layer[f"filter.{key}"] for key in _EMPTY if f"filter.{key}" in layer), None)


def _from_file(file: Given, report: Report) -> Layer:
    try:
        path = KEYS["filter.file"].kind.parse(file.raw)
        if path.suffix == ".toml":
            return _split(read_toml(path), f"file {path}", report)
        text = path.read_text(encoding="utf-8-sig")
    except Wrong:
        return {}  # said when the key itself is read
    except OSError as error:
        report(
            complaint(
                "filter.file", file.origin, f"{path} cannot be read: {error.strerror}", "Check its name and rights"
            )
        )
    except UnicodeDecodeError:
        report(complaint("filter.file", file.origin, f"{path} is not UTF-8", "Save it as UTF-8"))
    except Refused as error:
        report(
            complaint("filter.file", file.origin, str(error).rstrip("."), "Only the name of a TOML file ends in .toml")
        )
    else:
        return _taken_apart(Given(text, f"file {path}"), report)
    return {}


def _taken_apart(given: Given, report: Report) -> Layer:
    try:
        table = json.loads(str(given.raw))
    except (ValueError, RecursionError) as error:
        place = f" at line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        report(complaint("filter", given.origin, f"the text is not JSON{place}", _REMEDY))
        return {}
    return _split(table, given.origin, report)


def _split(table: Any, origin: str, report: Report) -> Layer:
    if not isinstance(table, Mapping):
        report(complaint("filter", origin, f"{said(table)} is not a filter", _REMEDY))
        return {}
    for key in table:
        if key not in _EMPTY:
            report(complaint("filter", origin, f"it has the unknown key {said(key)}", f"Known are {', '.join(_EMPTY)}"))
    return {f"filter.{key}": Given(table.get(key, empty), origin) for key, empty in _EMPTY.items()}
