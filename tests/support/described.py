"""Is an answer what the OpenAPI document says? Knows the words that our document uses, and no others."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import httpx

from ingest.web.openapi import document

KINDS: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "object": (dict,),
    "array": (list,),
    "null": (type(None),),
}
WORDS = {
    "type", "properties", "required", "additionalProperties", "items", "anyOf", "oneOf", "const", "enum", "minimum",
    "maximum", "minItems", "maxItems", "minLength", "maxLength", "pattern", "format",
}  # fmt: skip
SAYING_NOTHING = {"title", "description", "examples", "default"}


def as_described(answer: httpx.Response) -> httpx.Response:
    """The answer itself; fails where path, method, status, type or body are not as the document says."""
    item = document()["paths"][answer.request.url.path]
    described = item[answer.request.method.lower()]["responses"][str(answer.status_code)]["content"]
    kind = answer.headers["content-type"].partition(";")[0]
    assert kind in described, f"{kind} is none of {list(described)}"
    if kind == "application/json":
        assert list(faults(answer.json(), described[kind]["schema"], "")) == []
    return answer


def faults(value: Any, schema: Mapping[str, Any], where: str) -> Iterator[str]:
    """Everything in which a value is not what the schema says."""
    unknown = set(schema) - WORDS - SAYING_NOTHING
    assert not unknown, f"{unknown} is not known here"
    for word in ("anyOf", "oneOf"):
        fitting = sum(not list(faults(value, each, where)) for each in schema.get(word, ()))
        if word in schema and not (fitting == 1 or (fitting and word == "anyOf")):
            yield f"{where}: {value!r} fits {fitting} of {schema[word]}"
    if value not in schema.get("enum", (value,)) or value != schema.get("const", value):
        yield f"{where}: {value!r} is none of {schema.get('enum', schema.get('const'))}"
    if "type" in schema and not _is_any(value, schema["type"]):
        yield f"{where}: {value!r} is no {schema['type']}"
        return
    match value:
        case dict():
            yield from _object(value, schema, where)
        case list():
            yield from _bounded("Items", len(value), schema, where)
            for number, each in enumerate(value):
                yield from faults(each, schema.get("items", {}), f"{where}[{number}]")
        case str():
            yield from _text(value, schema, where)
        case int() | float() if not isinstance(value, bool):
            yield from _bounded("imum", value, schema, where)


def _is_any(value: Any, kinds: str | Sequence[str]) -> bool:
    allowed = [kind for name in ([kinds] if isinstance(kinds, str) else kinds) for kind in KINDS[name]]
    return isinstance(value, tuple(allowed)) and (not isinstance(value, bool) or bool in allowed)


def _object(value: Mapping[str, Any], schema: Mapping[str, Any], where: str) -> Iterator[str]:
    known, others = schema.get("properties", {}), schema.get("additionalProperties", True)
    yield from (f"{where}: no {key}" for key in schema.get("required", ()) if key not in value)
    for key, each in value.items():
        if key in known:
            yield from faults(each, known[key], f"{where}.{key}")
        elif others is False:
            yield f"{where}: {key} is not described"
        elif others is not True:
            yield from faults(each, others, f"{where}.{key}")


def _text(value: str, schema: Mapping[str, Any], where: str) -> Iterator[str]:
    yield from _bounded("Length", len(value), schema, where)
    if re.search(schema.get("pattern", ""), value) is None:
        yield f"{where}: {value!r} is not like {schema['pattern']}"
    if schema.get("format") == "date-time" and not _is_time(value):
        yield f"{where}: {value!r} is no time in UTC"


def _bounded(what: str, count: float, schema: Mapping[str, Any], where: str) -> Iterator[str]:
    if not schema.get(f"min{what}", count) <= count <= schema.get(f"max{what}", count):
        yield f"{where}: {count} is out of bounds"


def _is_time(value: str) -> bool:
    try:
        return datetime.fromisoformat(value).utcoffset() == timedelta(0)
    except ValueError:
        return False
