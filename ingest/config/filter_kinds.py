"""Kinds of the filter: its patterns, and its overrides, which are patterns with what is different for whom they name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

import attrs

from ingest.config.kinds import Kind, Wrong, boolean, duration, said
from ingest.config.shapes import measurement, unjson
from ingest.core.filter_settings import KEYS, Asked, Override, Pattern
from ingest.core.treatment import Kept

_FLAGS: Final = ("disabled", "hidden")
_SAYS: Final = ("attributes", "measurement", "ignore", "heartbeat")
_MODES: Final = ("include", "exclude")
_BESIDE: Final = ("heartbeat", "mode")
_HEARTBEAT: Final = duration(60, 86_400)
_MEASUREMENT: Final = measurement()


def patterns(beside: tuple[str, ...] = _BESIDE) -> Kind:
    """The filter's patterns: tables of texts, or of lists of which one must agree; in the environment JSON.

    `beside`: what one may say beside whom it names.
    """

    def parse(raw: object) -> tuple[Pattern, ...]:
        rows = _rows(raw, "patterns")
        return tuple(_pattern(row, f"pattern {number}", beside) for number, row in enumerate(rows, 1))

    wanted = 'a list of patterns, such as [{entity_id = "sensor.*_battery"}]'
    return Kind(wanted, parse, lambda value: [_shown_pattern(each) for each in value])


def exceptions() -> Kind:
    """Patterns that win over both modes, so that one has none of its own."""
    return patterns(("heartbeat",))


def overrides() -> Kind:
    """What is different for some entities: a pattern's keys, and `attributes`, `measurement`, `ignore` or `heartbeat`."""

    def parse(raw: object) -> tuple[Override, ...]:
        return tuple(_override(row, f"override {number}") for number, row in enumerate(_rows(raw, "overrides"), 1))

    wanted = 'a list of overrides, such as [{domain = "weather", attributes = ["temperature"]}]'
    return Kind(wanted, parse, lambda value: [_shown_override(each) for each in value])


def kept() -> Kind:
    """Which attributes are stored: `all`, `none`, or a list of names."""
    return Kind(
        '"all", "none" or a list of names', _kept, lambda value: value if isinstance(value, str) else list(value)
    )


def _rows(raw: object, what: str) -> list[object]:
    rows = unjson(raw)
    if not isinstance(rows, list | tuple):
        raise Wrong(f"{said(raw)} is not a list of {what}")
    return list(rows)


def _pattern(row: object, name: str, beside: Iterable[str]) -> Pattern:
    if not isinstance(row, Mapping):
        raise Wrong(f"{name} is {said(row)}, not a table")
    known = (*KEYS, "match", *beside)
    unknown = [key for key in row if key not in known]
    if unknown:
        raise Wrong(f"{name} has the unknown key {said(unknown[0])} (known: {', '.join(known)})")
    asked: dict[str, Any] = {key: _asked(row[key], key, name) for key in row if key in KEYS}
    if not asked:
        raise Wrong(f"{name} names nothing")
    heartbeat = _heartbeat(row.get("heartbeat"), name) if "heartbeat" in beside else None
    mode = _word(row["mode"], "mode", name, _MODES) if "mode" in beside and "mode" in row else None
    match = _word(row.get("match", "all"), "match", name, ("all", "any"))
    return Pattern(**asked, match=cast("Any", match), heartbeat=heartbeat, mode=cast("Any", mode))


def _override(row: object, name: str) -> Override:
    pattern = attrs.evolve(_pattern(row, name, _SAYS), heartbeat=None)
    assert isinstance(row, Mapping)  # noqa: S101  `_pattern` saw to it
    if not any(key in row for key in _SAYS):
        raise Wrong(f"{name} says nothing: give it {', '.join(_SAYS[:-1])} or {_SAYS[-1]}")
    try:
        attributes = _kept(row["attributes"]) if "attributes" in row else None
    except Wrong as problem:
        raise Wrong(f"{name} has attributes that are none: {problem}") from None
    # An empty list is said, too: of what the overrides behind this one say, nothing is left out then.
    ignore = tuple(_texts(row["ignore"], "ignore", name) if row["ignore"] != [] else ()) if "ignore" in row else None
    measurement = _measurement(row["measurement"], name) if "measurement" in row else None
    return Override(pattern, attributes, measurement, ignore, _heartbeat(row.get("heartbeat"), name))


def _kept(raw: object) -> Kept:
    value = unjson(raw)
    if isinstance(value, str) and value.strip().lower() in {"all", "none"}:
        return cast("Kept", value.strip().lower())
    if isinstance(value, list | tuple) and value and all(isinstance(each, str) and each for each in value):
        return tuple(value)
    raise Wrong(f'{said(raw)} is neither "all" nor "none" nor a list of names')


def _measurement(value: object, name: str) -> str:
    try:
        return cast("str", _MEASUREMENT.parse(_text(value, "measurement", name)))
    except Wrong as problem:
        raise Wrong(f"{name} has measurement = {problem}") from None


def _word(value: object, key: str, name: str, words: tuple[str, str]) -> str:
    word = _text(value, key, name).lower()
    if word not in words:
        raise Wrong(f"{name} has {key} = {said(word)}, which is neither {words[0]} nor {words[1]}")
    return word


def _heartbeat(value: object, name: str) -> float | None:
    try:
        return None if value is None else cast("float", _HEARTBEAT.parse(value))
    except Wrong as problem:
        raise Wrong(f"{name} has a heartbeat that is none: {problem}") from None


def _asked(value: object, key: str, name: str) -> Asked | bool:
    if key in _FLAGS:
        try:
            return cast("bool", boolean().parse(value))
        except Wrong as problem:
            raise Wrong(f"{name} has {key} = {problem}") from None
    return _texts(value, key, name) if isinstance(value, list | tuple) else _text(value, key, name)


def _texts(value: object, key: str, name: str) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not value:
        raise Wrong(f"{name} has {key} = {said(value)}, which is not a list of texts")
    return tuple(_text(each, key, name) for each in value)


def _text(value: object, key: str, name: str) -> str:
    if not isinstance(value, str) or not value:
        raise Wrong(f"{name} has {key} = {said(value)}, which is not a text")
    return value


def _shown_pattern(pattern: Pattern) -> dict[str, Any]:
    row = attrs.asdict(pattern, filter=lambda field, value: value != field.default, recurse=False)
    return {key: _shown(key, value) for key, value in row.items()}


def _shown_override(override: Override) -> dict[str, Any]:
    says = {key: getattr(override, key) for key in _SAYS}
    return _shown_pattern(override.pattern) | {key: _shown(key, each) for key, each in says.items() if each is not None}


def _shown(key: str, value: object) -> object:
    if key == "heartbeat":
        return _HEARTBEAT.show(value)
    return list(value) if isinstance(value, tuple) else value
