"""What the configuration and the state file say about points that our side may lack."""

from __future__ import annotations

import re
from collections.abc import Iterator

from attrs import evolve

from ingest.cli.database import DATABASE
from ingest.config.settings import Settings
from ingest.core.comparison_reasons import Known
from ingest.core.rules import Rules
from ingest.core.words import entity_of
from ingest.edge.ledger_file import LedgerFile
from ingest.edge.ledger_rows import all_gaps
from ingest.edge.letter_file import Letters
from ingest.edge.spool_rows import Key
from ingest.edge.sqlite import Connection, translated
from ingest.edge.state_read import Absent, state_read, waiting


def known(settings: Settings) -> Known:
    """All of it; without a state file what the configuration says. The service may run. Raises as `state_read`."""
    bare = Known(
        Rules(settings.filter),
        dropped=settings.attributes.drop,
        dropped_by_domain=settings.attributes.drop_by_domain,
        numeric_only=settings.influxdb.numeric_only,
    )
    try:
        with state_read(settings.spool.path) as connection, translated(settings.spool.path):
            return _of_state(bare, settings, connection)
    except Absent:
        return bare


def _of_state(bare: Known, settings: Settings, connection: Connection) -> Known:
    key, path = Key(settings.home, DATABASE), settings.spool.path
    coverage = LedgerFile(connection, path, key).load().coverage
    spans = [each for each in waiting(connection) if each.key == key]
    return evolve(
        bare,
        gaps=all_gaps(connection, key),
        since_ns=coverage.since_ns if coverage else None,
        waiting=(min(each.oldest_ns for each in spans), max(each.newest_ns for each in spans)) if spans else None,
        refused=frozenset(_refused(Letters(connection, path), key)),
    )


def _refused(letters: Letters, key: Key) -> Iterator[tuple[str, int]]:
    for letter in letters.listed(key.store):
        if letter.home == key.home and letter.is_line:
            yield _entity(letter.line), int(letter.line.rpartition(" ")[2])


def _entity(line: str) -> str:
    """Whose line it is: one schema has the whole id as a tag, the other its two parts."""
    parts = re.search(r",domain=([^, ]+).*?,entity_id=([^, ]+)", line)
    return entity_of(line) or (f"{parts[1]}.{parts[2]}" if parts else "")
