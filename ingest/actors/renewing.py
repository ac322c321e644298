"""Other rules for a pipeline that runs: compiled and compared beside it, and in effect between two frames.

Comparing decides for every entity that is known, a thousand at a time; so the new rules know them all when they come into
effect, and no frame waits for that.
"""

from __future__ import annotations

from collections.abc import Mapping

import trio
from attrs import frozen

from ingest.core.catalog import Catalog
from ingest.core.excluded import Excluded
from ingest.core.reloading import difference
from ingest.core.rules import Rules

CHUNK = 1000
"""Entities that are decided for between two checkpoints."""


@frozen
class Difference:
    """Who is `stored` now and was not, each with the time after which something was left out of it (None: all was); the reverse."""

    stored: Mapping[str, int | None]
    left_out: tuple[str, ...]


async def compared(before: Rules, after: Rules, catalog: Catalog, excluded: Excluded) -> Difference:
    """What other rules change for the entities that are known."""
    stored, left_out = dict[str, int | None](), list[str]()
    for number, (entity_id, attributes, decision) in enumerate(before.decided(), start=1):
        facts = catalog.facts(entity_id)
        match difference(decision, after.decide(entity_id, attributes, facts)):
            case 1:
                stored[entity_id] = excluded.since.get(facts.registry_id)
            case -1:
                left_out.append(entity_id)
        if number % CHUNK == 0:
            await trio.lowlevel.checkpoint()
    return Difference(stored, tuple(left_out))
