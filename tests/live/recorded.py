"""What Home Assistant's recorder wrote into its own database file, and what a store holds, in one form."""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

from tests.live.readback import Row

Key: TypeAlias = tuple[str, int]
"""An entity and a time in nanoseconds."""

REMOVED = "removed"
"""As the product writes the state of an entity that was removed."""

EXCLUDED = "sensor.unrecorded_"
"""What the configuration of the live tests' home keeps out of the recorder."""


def nanoseconds(moment: datetime) -> int:
    """A time as a store has it."""
    return int(moment.replace(microsecond=0).timestamp()) * 1_000_000_000 + moment.microsecond * 1_000


def _asked(config: Path, question: str, *values: object) -> list[tuple[Any, ...]]:
    path = config / "home-assistant_v2.db"
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        return connection.execute(question, values).fetchall()


def recorded(config: Path, since_ns: int, until_ns: int) -> dict[Key, str]:
    """The states of that time in the recorder's file; nothing of the product has a part in this."""
    rows = _asked(
        config,
        "SELECT states_meta.entity_id, last_updated_ts, state FROM states JOIN states_meta USING (metadata_id)"
        " WHERE last_updated_ts BETWEEN ? AND ?",
        since_ns / 1e9 - 1,
        until_ns / 1e9 + 1,
    )
    # A float becomes a time as it does in Home Assistant itself.
    times = [(key, nanoseconds(datetime.fromtimestamp(at, UTC)), state or REMOVED) for key, at, state in rows]
    return {(key, at): state for key, at, state in times if since_ns <= at <= until_ns}


def pauses(config: Path) -> list[tuple[int, int]]:
    """From when to when the recorder did not run, between its runs."""
    runs = _asked(config, 'SELECT start, "end" FROM recorder_runs ORDER BY start')
    times = [[None if at is None else nanoseconds(datetime.fromisoformat(f"{at}+00:00")) for at in run] for run in runs]
    return [(ended, begun) for (_, ended), (begun, _) in pairwise(times) if ended is not None and begun is not None]


def stored(rows: Sequence[Row], since_ns: int, until_ns: int) -> dict[Key, str]:
    """The states of that time in a store; AssertionError when one is there twice."""
    within = [row for row in rows if since_ns <= row.time <= until_ns]
    found = {(row.tags["entity_id"], row.time): row.fields["state_value"] for row in within}
    assert len(found) == len(within), "a state is stored twice"
    return found


def came(rows: Sequence[Row]) -> set[Key]:
    """What a store has of the history."""
    return {(row.tags["entity_id"], row.time) for row in rows if row.fields.get("origin") == "backfill"}


NEVER = "9999-12-31T00:00:00Z"
"""When a span ends that has no end yet."""


def times(keys: Iterable[Key]) -> dict[str, list[int]]:
    """The times of each entity's states."""
    found = defaultdict(list)
    for entity_id, at in keys:
        found[entity_id].append(at)
    return found


def inside(span: Mapping[str, Any], of: Mapping[str, Sequence[int]]) -> int:
    """How many of these times lie within a span of the ledger, as `gaps export` tells it."""
    after, before = (nanoseconds(datetime.fromisoformat(span[end] or NEVER)) for end in ("after", "before"))
    return sum(after < at < before for at in of.get(span["entity_id"], ()))


def reasons(beyond: Iterable[Key], config: Path, purged_ns: int = 0) -> Counter[str]:
    """Why a store has states that the recorder has not, which has purged what is older than that."""
    stood = pauses(config)
    return Counter(_reason(entity_id, at, stood, purged_ns) for entity_id, at in beyond)


def _reason(entity_id: str, at: int, stood: list[tuple[int, int]], purged_ns: int) -> str:
    if entity_id.startswith(EXCLUDED):
        return "excluded from the recorder"
    if at < purged_ns:
        return "purged"
    return "after the recorder stopped" if any(start <= at <= end for start, end in stood) else "unexplained"
