"""New rules for a running pipeline: compiled and compared beside it, and put into effect between two frames.

Comparing decides for every known entity, a thousand at a time. So the new rules have decided for all of them when they
come into effect, and no frame waits for that.
"""

from __future__ import annotations

from collections.abc import Mapping

import trio
from attrs import field, frozen

from ingest.core.catalog import Catalog
from ingest.core.reconcile import Reconciler
from ingest.core.reloading import difference
from ingest.core.rules import Rules

CHUNK = 1000
"""Entities that are decided for between two checkpoints."""


@frozen
class Difference:
    """Who is `stored` now and was not, and the reverse.

    Of `lacking` something was left out: after that time, or ever (None). The others did not change while they were.
    """

    stored: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    lacking: Mapping[str, int | None] = field(factory=dict)


async def compared(before: Rules, after: Rules, catalog: Catalog, reconciler: Reconciler) -> Difference:
    """What other rules change for the entities that are known."""
    stored, left_out, lacking = list[str](), list[str](), dict[str, int | None]()
    for number, (entity_id, attributes, decision) in enumerate(before.decided(), start=1):
        facts = catalog.facts(entity_id)
        match difference(decision, after.decide(entity_id, attributes, facts)):
            case 1:
                stored.append(entity_id)
                since_ns = reconciler.excluded.since.get(facts.registry_id)
                if since_ns is not None or facts.registry_id not in reconciler.marks:
                    lacking[entity_id] = since_ns
            case -1:
                left_out.append(entity_id)
        if number % CHUNK == 0:
            await trio.lowlevel.checkpoint()
    return Difference(tuple(stored), tuple(left_out), lacking)
