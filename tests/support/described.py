"""Is an answer what the OpenAPI document says? Knows the words that our document uses, and no others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
    "type", "properties", "required", "additionalProperties", "items", "anyOf", "enum", "minimum", "maximum", "format",
    "description",
}  # fmt: skip


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
    assert set(schema) <= WORDS, f"{set(schema) - WORDS} is not known here"
    if "anyOf" in schema:
        if all(list(faults(value, each, where)) for each in schema["anyOf"]):
            yield f"{where}: {value!r} is none of {schema['anyOf']}"
        return
    kind = KINDS[schema["type"]]
    if not isinstance(value, kind) or (isinstance(value, bool) and bool not in kind):
        yield f"{where}: {value!r} is no {schema['type']}"
        return
    match value:
        case dict():
            yield from _object(value, schema, where)
        case list():
            for number, each in enumerate(value):
                yield from faults(each, schema["items"], f"{where}[{number}]")
        case _:
            yield from _single(value, schema, where)


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


def _single(value: Any, schema: Mapping[str, Any], where: str) -> Iterator[str]:
    if value not in schema.get("enum", (value,)):
        yield f"{where}: {value!r} is none of {schema['enum']}"
    if "minimum" in schema and value < schema["minimum"]:
        yield f"{where}: {value!r} is too small"
    if "maximum" in schema and value > schema["maximum"]:
        yield f"{where}: {value!r} is too large"
    if schema.get("format") == "date-time" and datetime.fromisoformat(value).utcoffset() != timedelta(0):
        yield f"{where}: {value!r} is no time in UTC"
