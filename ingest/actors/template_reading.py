"""Asking Home Assistant's templates for what a server's registries do not tell: a few requests over HTTP."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeAlias

import msgspec

from ingest.core.catalog import Catalog
from ingest.core.template_facts import AT_ONCE, ENTITY_IDS, ROWS, TemplateCatalog, entity_ids
from ingest.errors import Transient

TEMPLATE: Final = "POST /api/template"

Render: TypeAlias = Callable[[bytes], Awaitable[bytes]]
"""Posts a body to `/api/template` and returns what was rendered. Raises `Transient` or `Refused`."""


async def by_template(render: Render, previous: Catalog) -> tuple[Catalog, int]:
    """The catalog as templates tell it, and how many rows could not be read. Raises `Transient` or `Refused`."""
    told = TemplateCatalog(previous)
    try:
        known = entity_ids(await render(_question(ENTITY_IDS)))
        for start in range(0, len(known), AT_ONCE):
            told.take(await render(_question(ROWS, entity_ids=known[start : start + AT_ONCE])))
    except msgspec.DecodeError as problem:
        raise Transient(f"what its templates say cannot be read: {problem}") from problem
    return told.catalog(), told.skipped


def _question(template: str, **variables: object) -> bytes:
    body: Mapping[str, object] = {"template": template, "variables": variables}
    return json.dumps(body).encode()
