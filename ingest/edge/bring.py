"""From a state file that is damaged or was set aside into another: what is readable, once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, TypeAlias

from attrs import define

from ingest.edge.letter_file import Letters
from ingest.edge.salvage import Found, Salvage
from ingest.edge.spool_file import insert
from ingest.edge.sqlite import Connection, transaction, translated

TOGETHER: Final = 200
"""Batches in one transaction."""

_Known: TypeAlias = set[tuple[str, str, int, int, int, int]]


@define
class Brought:
    """What came back, and what was there already."""

    batches: int = 0
    points: int = 0
    known: int = 0
    letters: int = 0


def bring(salvage: Salvage, letters: Letters) -> Brought:
    """Bring batches and dead letters into the file of `letters`. Raises what `translated` says."""
    brought = Brought()
    with translated(letters.path):
        _bring(salvage.batches(), letters.connection, brought)
        found = list(salvage.letters())
        letters.add(found)
        brought.letters = len(found)
    return brought


def _bring(found: Iterator[Found], connection: Connection, brought: Brought) -> None:
    known: _Known = set(
        connection.execute("SELECT home, store, put_ns, oldest_ns, newest_ns, count FROM batch").fetchall()
    )
    while part := list(islice(found, TOGETHER)):
        with transaction(connection):
            _add(part, known, connection, brought)


def _add(found: Iterable[Found], known: _Known, connection: Connection, brought: Brought) -> None:
    for each in found:
        batch = each.batch
        signs = (each.key.home, each.key.store, each.put_ns, batch.oldest_ns, batch.newest_ns, batch.count)
        if signs in known:
            brought.known += 1
            continue
        known.add(signs)
        insert(connection, each.key, batch, each.put_ns)
        brought.batches += 1
        brought.points += batch.count
