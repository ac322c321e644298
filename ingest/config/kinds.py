"""What a setting may be: how its value is read, said in an error, and written again.

A kind reads what TOML gives (typed) and what an environment variable gives (text) alike. `parse` raises `Wrong`, whose
text is a sentence without its full stop; it shows the value unless the value may be secret. Of a list all that is wrong with
its items is told at once: a sentence each in `Wrong.args`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TypeVar

from attrs import frozen

Raw = TypeVar("Raw")
Value = TypeVar("Value")

_SECONDS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_BYTES: Final = {"": 1, "B": 1, "kB": 1000, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_UNITS: Final = {unit.lower(): size for unit, size in _BYTES.items()}
_AMOUNT: Final = re.compile(r"\s*([0-9][0-9_]*(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*", re.ASCII)
_TRUE: Final = {"true", "yes", "on", "1"}
_FALSE: Final = {"false", "no", "off", "0"}
_NONE: Final = {"", "none", "forever"}
_LONGEST: Final = 60
"""Characters of a bad value that an error shows."""


class Wrong(ValueError):  # noqa: N818  a reader's word for it, and private to config
    """What is wrong with a value, as the beginning of a sentence, or of several: `args`."""

    def __str__(self) -> str:
        """All of them in one line."""
        return "; ".join(self.args)


@frozen
class Kind:
    """`wanted` completes "Give …". `show` turns a value into what TOML and JSON can hold."""

    wanted: str
    parse: Callable[[object], Any]
    show: Callable[[Any], object] = lambda value: value
    secret: bool = False
    path: bool = False
    optional: bool = False


def said(value: object) -> str:
    """A bad value as an error may show it: short, on one line, and hidden when it looks as if it held a secret."""
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value)
    if "eyJ" in text or "@" in text or len(text) > _LONGEST:
        return "the value (not shown: long, or perhaps a secret)"
    return f'"{"".join(map(_visible, text))}"' if isinstance(value, str) else text


def _visible(character: str) -> str:
    """A letter of any language as it is; what would break the line, or is not to be seen, by its number."""
    plain = character.isprintable() and character != "\\"
    return character if plain else character.encode("unicode_escape").decode()


def text(wanted: str, pattern: str) -> Kind:
    """A text that the whole of `pattern` matches."""

    def parse(raw: object) -> str:
        if not isinstance(raw, str) or not re.fullmatch(pattern, raw):
            raise Wrong(f"{said(raw)} does not fit")
        return raw

    return Kind(wanted, parse)


def boolean() -> Kind:
    """True or false; in the environment also yes/no, on/off, 1/0."""

    def parse(raw: object) -> bool:
        if isinstance(raw, bool):
            return raw
        word = raw.strip().lower() if isinstance(raw, str) else None
        if word not in _TRUE | _FALSE:
            raise Wrong(f"{said(raw)} is neither true nor false")
        return word in _TRUE

    return Kind("true or false", parse)


def whole(low: int, high: int, *, optional: bool = False) -> Kind:
    """A whole number from `low` to `high`."""
    wanted = f"a whole number from {low} to {high}"

    def parse(raw: object) -> int | None:
        if optional and _is_none(raw):
            return None
        number = raw
        if isinstance(raw, str) and re.fullmatch(r"\s*[+-]?[0-9][0-9_]{0,18}\s*", raw, re.ASCII):
            number = int(raw.replace("_", ""))
        if isinstance(number, bool) or not isinstance(number, int):
            raise Wrong(f"{said(raw)} is not a whole number")
        return int(_within(number, low, high, raw))

    return Kind(_or_none(wanted, optional=optional), parse, _none_as_text, optional=optional)


def duration(low: float, high: float, *, optional: bool = False) -> Kind:
    """Seconds as a float, read from 30, "30s", "5m", "24h", "400d" or "500ms"."""
    wanted = f"a duration from {shown_duration(low)} to {shown_duration(high)}"

    def parse(raw: object) -> float | None:
        if optional and _is_none(raw):
            return None
        seconds = _amount(raw, {"": 1, **_SECONDS}, 'a duration such as 30, "30s", "5m", "24h" or "400d"')
        return float(_within(seconds, low, high, raw))

    return Kind(_or_none(wanted, optional=optional), parse, shown_duration, optional=optional)


def size(low: int, high: int) -> Kind:
    """Bytes, read from a number or "16MiB"."""
    wanted = f"a size from {shown_size(low)} to {shown_size(high)}"

    def parse(raw: object) -> int:
        return int(_within(_amount(raw, _UNITS, 'a size such as 1048576 or "16MiB"'), low, high, raw))

    return Kind(wanted, parse, shown_size)


def choice(*words: str, synonyms: Mapping[str, str] | None = None) -> Kind:
    """One of `words`, in any case; `synonyms` are older words for them."""
    wanted = f"{', '.join(words[:-1])} or {words[-1]}"
    meaning = {word: word for word in words} | dict(synonyms or {})

    def parse(raw: object) -> str:
        word = raw.strip().lower() if isinstance(raw, str) else ""
        if word not in meaning:
            raise Wrong(f"{said(raw)} is not one of {wanted}")
        return meaning[word]

    return Kind(wanted, parse)


def path(*, optional: bool = True) -> Kind:
    """A file's path; `~` is the home directory, and a relative one in a TOML file starts at that file."""

    def parse(raw: object) -> Path | None:
        if isinstance(raw, Path):
            return raw
        if not isinstance(raw, str) or "\0" in raw or not (raw or optional):
            raise Wrong(f"{said(raw)} is not a path")
        return _expanded(raw) if raw else None

    return Kind("a path", parse, lambda value: str(value or ""), path=True, optional=optional)


def shown_duration(seconds: float | None) -> str:
    """The shortest text that `duration` reads as the same number of seconds; "" for none."""
    if seconds is None:
        return ""
    for unit in ("d", "h", "m"):
        if seconds and seconds % _SECONDS[unit] == 0:
            return f"{int(seconds // _SECONDS[unit])}{unit}"
    return f"{int(seconds)}s" if seconds == int(seconds) else f"{Decimal(repr(seconds)):f}s"


def shown_size(amount: int) -> str:
    """The shortest text that `size` reads as the same number of bytes."""
    for unit in ("GiB", "MiB", "KiB"):
        if amount and amount % _BYTES[unit] == 0:
            return f"{amount // _BYTES[unit]}{unit}"
    return f"{amount}B"


def _amount(raw: object, units: Mapping[str, float], wanted: str) -> float:
    if isinstance(raw, int | float) and not isinstance(raw, bool):
        return raw
    match = _AMOUNT.fullmatch(raw) if isinstance(raw, str) else None
    unit = units.get(match[2].lower()) if match else None
    if match is None or unit is None:
        raise Wrong(f"{said(raw)} is not {wanted}")
    return float(match[1].replace("_", "")) * unit


def _within(number: float, low: float, high: float, raw: object) -> float:
    if not low <= number <= high:
        raise Wrong(f"{said(raw)} is out of range")
    return number


def _is_none(raw: object) -> bool:
    return isinstance(raw, str) and raw.strip().lower() in _NONE


def _or_none(wanted: str, *, optional: bool) -> str:
    return f'{wanted}, or "" for none' if optional else wanted


def _none_as_text(value: object) -> object:
    return "" if value is None else value


def _expanded(raw: str) -> Path:
    try:
        return Path(raw).expanduser()
    except RuntimeError as error:
        raise Wrong(f'{said(raw)} starts with "~", but no home directory is known') from error


def items(raw: object, wanted: str) -> Iterable[object]:
    """A list's items; a text is split at its commas (callers have tried JSON before). Raises `Wrong`."""
    if isinstance(raw, list | tuple):
        return raw
    if not isinstance(raw, str):
        raise Wrong(f"{said(raw)} is not {wanted}")
    return [part.strip() for part in raw.split(",") if part.strip()]


def read_all(parse: Callable[[Raw], Value], raws: Iterable[Raw]) -> list[Value]:
    """Every one of them read. Raises `Wrong` with what is wrong with any of them, each thing once."""
    found: list[Value] = []
    wrong: list[str] = []
    for raw in raws:
        try:
            found.append(parse(raw))
        except Wrong as problem:
            wrong.extend(problem.args)
    if wrong:
        raise Wrong(*dict.fromkeys(wrong))
    return found
