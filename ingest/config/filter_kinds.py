"""Kinds of the filter: its patterns, and its overrides, which are patterns with what is different for whom they name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, cast

import attrs

from ingest.config.kinds import Kind, Wrong, boolean, duration, read_all, said
from ingest.config.shapes import measurement, unjson
from ingest.core.filter_settings import KEYS, Asked, Override, Pattern
from ingest.core.treatment import Kept

_FLAGS: Final = ("disabled", "hidden")
_SAYS: Final = ("attributes", "measurement", "ignore", "heartbeat")
_BESIDE: Final = ("heartbeat", "mode")
_HEARTBEAT: Final = duration(60, 86_400)
_MEASUREMENT: Final = measurement()


def patterns(beside: tuple[str, ...] = _BESIDE) -> Kind:
    """The filter's patterns: tables of texts, or of lists of which one must agree; in the environment JSON.

    `beside`: what one may say beside whom it names.
    """

    def parse(raw: object) -> tuple[Pattern, ...]:
        rows = _rows(raw, "patterns")
        return tuple(read_all(lambda each: _pattern(each[1], f"pattern {each[0]}", beside), enumerate(rows, 1)))

    wanted = 'a list of patterns, such as [{entity_id = "sensor.*_battery"}]'
    return Kind(wanted, parse, lambda value: [_shown_pattern(each) for each in value])


def exceptions() -> Kind:
    """Patterns that win over both modes, so that one has none of its own."""
    return patterns(("heartbeat",))


def overrides() -> Kind:
    """What is different for some entities: a pattern's keys, and `attributes`, `measurement`, `ignore` or `heartbeat`."""

    def parse(raw: object) -> tuple[Override, ...]:
        rows = _rows(raw, "overrides")
        return tuple(read_all(lambda each: _override(each[1], f"override {each[0]}"), enumerate(rows, 1)))

    wanted = 'a list of overrides, such as [{domain = "weather", attributes = ["temperature"]}]'
    return Kind(wanted, parse, lambda value: [_shown_override(each) for each in value])


def _rows(raw: object, what: str) -> list[object]:
    rows = unjson(raw)
    if not isinstance(rows, list | tuple):
        raise Wrong(f"{said(raw)} is not a list of {what}")
    return list(rows)


def _pattern(row: object, name: str, beside: Iterable[str]) -> Pattern:
    return Pattern(**_found(row, name, beside))


def _override(row: object, name: str) -> Override:
    found = _found(row, name, _SAYS)
    says = {key: found.pop(key) for key in _SAYS if key in found}
    if not says:
        raise Wrong(f"{name} says nothing: give it {', '.join(_SAYS[:-1])} or {_SAYS[-1]}")
    return Override(Pattern(**found), **says)


def _found(row: object, name: str, beside: Iterable[str]) -> dict[str, Any]:
    """What a row says, by key. Raises `Wrong` with what is wrong with any of its keys."""
    if not isinstance(row, Mapping):
        raise Wrong(f"{name} is {said(row)}, not a table")
    known = (*KEYS, "match", *beside)
    found = dict(read_all(lambda item: (item[0], _value(*item, name, known)), row.items()))
    if found.keys().isdisjoint(KEYS):
        raise Wrong(f"{name} names nothing")
    return found


def _value(key: str, value: object, name: str, known: tuple[str, ...]) -> object:
    if key not in known:
        raise Wrong(f"{name} has the unknown key {said(key)} (known: {', '.join(known)})")
    return _READ.get(key, _asked)(value, key, name)


def _attributes(value: object, _: str, name: str) -> Kept:
    try:
        return _kept(value)
    except Wrong as problem:
        raise Wrong(f"{name} has invalid attributes: {problem}") from None


def _kept(raw: object) -> Kept:
    value = unjson(raw)
    if isinstance(value, str) and value.strip().lower() in {"all", "none"}:
        return cast("Kept", value.strip().lower())
    if isinstance(value, list | tuple) and value and all(isinstance(each, str) and each for each in value):
        return tuple(value)
    raise Wrong(f'{said(raw)} is neither "all" nor "none" nor a list of names')


def _measurement(value: object, key: str, name: str) -> str:
    try:
        return cast("str", _MEASUREMENT.parse(_text(value, key, name)))
    except Wrong as problem:
        raise Wrong(f"{name} has measurement = {problem}") from None


def _one_of(*words: str) -> Callable[[object, str, str], str]:
    def parse(value: object, key: str, name: str) -> str:
        word = _text(value, key, name).lower()
        if word not in words:
            raise Wrong(f"{name} has {key} = {said(word)}, which is neither {words[0]} nor {words[1]}")
        return word

    return parse


def _heartbeat(value: object, _: str, name: str) -> float | None:
    try:
        return None if value is None else cast("float", _HEARTBEAT.parse(value))
    except Wrong as problem:
        raise Wrong(f"{name} has an invalid heartbeat: {problem}") from None


def _asked(value: object, key: str, name: str) -> Asked | bool:
    if key in _FLAGS:
        try:
            return cast("bool", boolean().parse(value))
        except Wrong as problem:
            raise Wrong(f"{name} has {key} = {problem}") from None
    return _texts(value, key, name) if isinstance(value, list | tuple) else _text(value, key, name)


def _ignored(value: object, key: str, name: str) -> tuple[str, ...]:
    """An empty list is said, too: of what the overrides behind this one say, nothing is left out then."""
    return () if value == [] else _texts(value, key, name)


def _texts(value: object, key: str, name: str) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not value:
        raise Wrong(f"{name} has {key} = {said(value)}, which is not a list of texts")
    return tuple(read_all(lambda each: _text(each, key, name), value))


def _text(value: object, key: str, name: str) -> str:
    if not isinstance(value, str) or not value:
        raise Wrong(f"{name} has {key} = {said(value)}, which is not a text")
    return value


_READ: Final[Mapping[str, Callable[[object, str, str], object]]] = {
    "match": _one_of("all", "any"),
    "mode": _one_of("include", "exclude"),
    "heartbeat": _heartbeat,
    "attributes": _attributes,
    "measurement": _measurement,
    "ignore": _ignored,
}
"""How what stands under a key is read, where it is not what a pattern asks."""


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
