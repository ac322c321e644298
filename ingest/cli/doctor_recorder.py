"""What `doctor` asks Home Assistant's recorder: which entities it has nothing of, and how far back it reaches.

It tells neither by itself. But it knows the state that held at a moment, and of an entity that it leaves out it knows none.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from ingest.actors.connection import Connection
from ingest.actors.history import History
from ingest.cli.home_asked import silent
from ingest.cli.moments import iso
from ingest.cli.sampling import rows_in
from ingest.core import history, history_query
from ingest.core.coverage import Span
from ingest.core.recorder import NO_HISTORY, Recorder
from ingest.core.wire import Malformed
from ingest.errors import Transient

TOGETHER: Final = 500
"""Entities that are asked for at once."""

AGES: Final = tuple(hours * 3600 for hours in (720, 239, 119, 47, 23, 6, 1))
"""Seconds: where it is looked for something, the oldest first. The recorder keeps ten days unless told otherwise."""

WIDE_NS: Final = 1800 * 10**9
SEVERAL: Final = 50
"""How wide such a look is, and of how many entities."""


def can_be_asked(told: Recorder | None) -> bool:
    """True of a recorder that answers: one that is switched off still has what it had."""
    return told is not None and told.thread_running and not told.migration_in_progress


async def unrecorded(bulk: Connection, entity_ids: Sequence[str], at_ns: int) -> set[str]:
    """Those of the entities that have a state at that time of which the recorder has none. Raises as the history does."""
    asking, missing = History(bulk, silent, time.time_ns), set[str]()
    for start in range(0, len(entity_ids), TOGETHER):
        some = entity_ids[start : start + TOGETHER]
        fields = {
            "start_time": iso(at_ns),
            "entity_ids": list(some),
            "significant_changes_only": False,
            "include_start_time_state": True,
            "minimal_response": True,
            "no_attributes": True,
        }
        result = await asking.answer(history_query.COMMAND, NO_HISTORY, **fields)
        try:
            missing.update(set(some) - {entity_id for entity_id, rows in history.listed(result) if rows})
        except Malformed as problem:
            raise Transient(f"the answer of the history cannot be read: {problem}") from problem
    return missing


async def reaches(bulk: Connection, entity_ids: Sequence[str], now_ns: int) -> float | None:
    """How many seconds back it was seen to have something; None when it was not. Raises as the history does."""
    for seconds in AGES:
        from_ns = now_ns - int(seconds * 1e9)
        spans = [Span(each, each, from_ns, from_ns + WIDE_NS) for each in entity_ids[:SEVERAL]]
        if spans and any(rows for _, rows in await rows_in(bulk, from_ns, from_ns + WIDE_NS, spans)):
            return float(seconds)
    return None
