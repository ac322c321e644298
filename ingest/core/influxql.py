"""What is stored, read back with InfluxQL over `/query`: InfluxDB 1, 2 (its bucket as a database) and 3 understand it alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

import msgspec
from attrs import Factory, frozen

from ingest.core.homeiq import MEASUREMENT
from ingest.core.registry_points import ENTITIES

Value: TypeAlias = float | str
"""A field: a number or a text."""

FIELD_KEYS: Final = "SHOW FIELD KEYS"


class Unreadable(ValueError):  # noqa: N818  what an answer is
    """The answer is no result of a query, or says that there is none: with the server's words."""


@frozen
class Stored:
    """A point of an entity. `tags` are those beside its domain and name, shared by the points of a series."""

    entity_id: str
    time_ns: int
    measurement: str
    fields: Mapping[str, Value]
    tags: Mapping[str, str]


@frozen
class _Series:
    name: str = ""
    tags: dict[str, str] = Factory(dict)
    columns: list[str] = Factory(list)
    values: list[list[Any]] = Factory(list)
    partial: bool = False


@frozen
class _Statement:
    series: list[_Series] = Factory(list)
    error: str = ""


@frozen
class _Results:
    results: list[_Statement] = Factory(list)
    error: str = ""


_results = msgspec.json.Decoder(_Results)


def between(selects: Sequence[str], from_ns: int, to_ns: int) -> str:
    """The query for all series of entities in a span of time, the end not included."""
    where = f"WHERE time >= {from_ns} AND time < {to_ns} AND \"entity_id\" != '' GROUP BY *"
    return "; ".join(f"{select} {where}" for select in selects)


def of_homeiq(others: Iterable[str]) -> list[str]:
    """What selects the states of the schema `homeiq`; `others` are measurements that rules put some of them into."""
    names = map(_quoted, dict.fromkeys([MEASUREMENT, *others]))
    return [f'SELECT "value", "state_value" FROM {name}' for name in names]  # noqa: S608  quoted


def selects(text: str) -> list[str]:
    """What selects everything, after the answer to `FIELD_KEYS`. Raises `Unreadable`.

    One statement cannot read measurements in which a field of the same name has different types, and the original makes
    such (an attribute that is called `state`): of one type everything would be null. So there may be several.
    """
    groups: list[tuple[dict[str, str], list[str]]] = []
    for series in _read(text):
        types = {row[0]: row[1] for row in series.values}
        fitting = (each for each in groups if all(each[0].get(name, kind) == kind for name, kind in types.items()))
        merged, names = next(fitting, ({}, []))
        if not names:
            groups.append((merged, names))
        merged.update(types)
        names.append(_quoted(series.name))
    return [f"SELECT * FROM {', '.join(names)}" for _, names in groups]  # noqa: S608  quoted


def field_types(text: str) -> dict[str, dict[str, set[str]]]:
    """The types of each field of each measurement, after the answer to `FIELD_KEYS`. Raises `Unreadable`.

    A field may have several: its type is fixed for a stretch of time only.
    """
    found: dict[str, dict[str, set[str]]] = {}
    for series in _read(text):
        types = found.setdefault(series.name, {})
        for name, kind in (row[:2] for row in series.values if len(row) > 1):
            types.setdefault(str(name), set()).add(str(kind))
    return found


def _quoted(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def points(text: str) -> Iterator[Stored]:
    """The points of entities in an answer, series by series; what names no entity is none. Raises `Unreadable`."""
    for series in _read(text):
        tags = {name: value for name, value in series.tags.items() if value}
        domain, name = tags.pop("domain", ""), tags.pop("entity_id", "")
        if series.name == ENTITIES and "." in name:
            continue  # an entry of the registry, which stands beside the states
        entity_id = _entity(domain, name)
        if entity_id and series.columns[:1] == ["time"]:
            yield from _points(series.name, entity_id, tags, series.columns[1:], series.values)


def homeiq_points(text: str) -> Iterator[Stored]:
    """The points of the schema `homeiq`, with the fields that the schema `homeassistant` has for a state."""
    for point in points(text):
        fields = dict(point.fields)
        if "state_value" in fields:
            fields["state"] = fields.pop("state_value")
        yield Stored(point.entity_id, point.time_ns, "", fields, {})


def _read(text: str) -> Sequence[_Series]:
    try:
        found = _results.decode(text)
    except (msgspec.DecodeError, RecursionError):
        raise Unreadable("the answer is no result of a query") from None
    error = found.error or next((each.error for each in found.results if each.error), "")
    if error:
        raise Unreadable(error)
    series = [series for each in found.results for series in each.series]
    if any(each.partial for each in series):
        raise Unreadable("it tells only a part of what is asked for (its max-row-limit)")
    return series


def _points(
    name: str, entity_id: str, tags: Mapping[str, str], columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> Iterator[Stored]:
    for time_ns, *values in rows:
        fields = {key: value for key, value in zip(columns, values, strict=False) if value is not None}
        yield Stored(entity_id, time_ns, name, fields, tags)


def _entity(domain: str, name: str) -> str:
    """`homeiq` writes the whole id, Home Assistant's integration the part behind the domain."""
    return name if "." in name else f"{domain}.{name}" if domain and name else ""
