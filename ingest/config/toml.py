"""Values as TOML text. The standard library reads TOML and does not write it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping


def toml_value(value: object) -> str:
    """A text, number, boolean, list or table as it stands behind `key =`, on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(key)} = {toml_value(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml_value(each) for each in value) + "]"
    return _text(value) if isinstance(value, str) else json.dumps(value)


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _text(key)


def _text(text: str) -> str:
    # JSON's escapes are TOML's, but TOML also wants DEL escaped and knows no lone surrogates.
    writable = text.encode(errors="replace").decode()
    return json.dumps(writable, ensure_ascii=False).replace("\x7f", "\\u007f")
