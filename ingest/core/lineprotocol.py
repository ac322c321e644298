"""InfluxDB line protocol: how texts and numbers are written.

The rules are influxdb-client's (`Point.to_line_protocol` agrees with us on everything both accept), and three more:
a line break never stands raw in a line, not even inside quotes, so that a payload's lines can be counted and told
apart; a text is at most 64 KiB, InfluxDB's limit, cut at a character's end and marked with an ellipsis; half of a
surrogate pair, which UTF-8 cannot write, becomes U+FFFD.
Source: docs.influxdata.com line protocol reference; influxdb_client/client/write/point.py 1.50.
"""

from __future__ import annotations

import re
from bisect import bisect_right

import msgspec

TEXT_LIMIT = 65_535
"""The longest text of a field, in bytes of UTF-8 as a database stores it: quotes and backslashes before they are escaped."""

_in_tag = str.maketrans({",": r"\,", "=": r"\=", " ": r"\ ", "\n": r"\n", "\t": r"\t", "\r": r"\r"})
_special_in_tag = re.compile(r"[,= \n\t\r\\]").search
_as_json = msgspec.json.Encoder().encode


def tag(text: str) -> str:
    """A tag's value. A backslash at its end would escape what follows, so a space comes between."""
    if not _special_in_tag(text):
        return text
    escaped = text.translate(_in_tag)
    return escaped + " " if escaped.endswith("\\") else escaped


def measurement(text: str) -> str:
    """A measurement's name. Unlike in a tag an equals sign stands for itself."""
    return tag(text).replace(r"\=", "=")


def is_plain(text: str) -> bool:
    """True when a text field holds this, or any part of it, as it is, between quotes."""
    # A regular expression takes twice as long for the four.
    special = '"' in text or "\\" in text or "\n" in text or "\r" in text
    return not special and len(text) <= TEXT_LIMIT // 4


def quote(text: str) -> str:
    """A text field's value, in quotes."""
    if is_plain(text):
        return f'"{text}"'
    if len(text) > TEXT_LIMIT // 4:
        text = shorten(text)
    # Attributes go through here, hundreds of characters: `translate` takes twenty times as long.
    escaped = text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n").replace("\r", r"\r")
    return f'"{escaped}"'


def decimal(value: float) -> str:
    """A finite float field's value, as `repr` writes it: the shortest text that reads back as the same number."""
    # Where neither writes an exponent msgspec's text is the same one, in a quarter of the time.
    text = _as_json(value).decode() if 1e-4 <= value < 1e16 else repr(value)
    return text.removesuffix(".0")


def utf8(text: str) -> bytes:
    """The text's bytes; what UTF-8 cannot write becomes U+FFFD."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()


def shorten(text: str, limit: int = TEXT_LIMIT) -> str:
    """The text, or as much of its beginning as fits into `limit` bytes together with an ellipsis.

    A line break counts as two: a database takes what is written for it as a backslash and a letter.
    """
    whole = utf8(text)
    # To count takes ten times as long as to look, and nearly every long text is JSON, which has no line breaks.
    breaks = whole.count(b"\n") + whole.count(b"\r") if b"\n" in whole or b"\r" in whole else 0
    if len(whole) + breaks <= limit:
        return text
    room = limit - len("…".encode())

    def stored(end: int) -> int:
        return end + whole.count(b"\n", 0, end) + whole.count(b"\r", 0, end)

    end = bisect_right(range(min(len(whole), room) + 1), room, key=stored) - 1
    return whole[:end].decode("utf-8", "ignore") + "…"
