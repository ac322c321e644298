"""Words in which answers are described: JSON schemas, as OpenAPI 3.1 has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

Schema: TypeAlias = Mapping[str, Any]

TEXT: Final[Schema] = {"type": "string"}
FLAG: Final[Schema] = {"type": "boolean"}
COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
NUMBER: Final[Schema] = {"type": "number"}
TIME: Final[Schema] = {"type": "string", "format": "date-time", "description": "ISO 8601, in UTC"}


def one_of(*values: str) -> Schema:
    """The JSON schema of a text that is one of these."""
    return {"type": "string", "enum": list(values)}


def maybe(schema: Schema) -> Schema:
    """The JSON schema of that, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def many(schema: Schema) -> Schema:
    """The JSON schema of a list of them, of any length."""
    return {"type": "array", "items": schema}


def by_name(schema: Schema) -> Schema:
    """An object whose keys are names of something."""
    return {"type": "object", "additionalProperties": schema}


def closed(properties: Mapping[str, Schema]) -> Schema:
    """An object with these keys, all of them, and no others."""
    return {**opened(properties), "additionalProperties": False}


def opened(properties: Mapping[str, Schema]) -> Schema:
    """An object with these keys at least."""
    return {"type": "object", "properties": dict(properties), "required": list(properties)}


def with_some(schema: Schema, properties: Mapping[str, Schema]) -> Schema:
    """An object that may have these keys, too."""
    return {**schema, "properties": {**schema["properties"], **properties}}


def answer(text: str, schema: Schema, kind: str = "application/json") -> Schema:
    """A response with a body of that kind."""
    return {"description": text, "content": {kind: {"schema": schema}}}


ERROR: Final = closed({"error": {"type": "string", "description": "what is wrong, and what to do"}})
"""What is answered where nothing else is said."""


def failing(text: str) -> Schema:
    """A response that says what is wrong."""
    return answer(text, ERROR)
