"""Long names become short numbers: registry ids, tags and attribute texts, each stored once.

What was looked up is remembered, up to a bound. After a transaction that failed, `forget`: its numbers do not exist.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TypeVar

import msgspec

from ingest.core.rows import TAGS, Tags
from ingest.edge.embedded_schema import WEEK_NS
from ingest.edge.sqlite import Connection

K = TypeVar("K")
V = TypeVar("V")

REMEMBERED = 100_000
"""Entries in each memory: 41,000 entities fit; a full one is emptied."""

_ADD_FACTS = (
    f"INSERT INTO facts (entity, digest, {', '.join(TAGS)}) "  # noqa: S608  our own column names
    f"VALUES (?, ?{', ?' * len(TAGS)}) RETURNING id"
)


class Names:
    """The numbers of one file, inside the caller's transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._entities: dict[str, int] = {}
        self._facts: dict[tuple[int, Tags], int] = {}
        self._current: dict[int, tuple[int, int]] = {}
        self._attributes: dict[tuple[int, bytes], int] = {}

    def forget(self) -> None:
        """Look everything up again."""
        for memory in (self._entities, self._facts, self._current, self._attributes):
            memory.clear()

    def entity(self, registry_id: str) -> int:
        """The entity's number, for life."""
        known = self._entities.get(registry_id)
        return known if known is not None else _remember(self._entities, registry_id, self._find_entity(registry_id))

    def _find_entity(self, registry_id: str) -> int:
        return self._number(
            ("SELECT id FROM entity WHERE registry_id = ?", (registry_id,)),
            ("INSERT INTO entity (registry_id) VALUES (?) RETURNING id", (registry_id,)),
        )

    def facts(self, entity: int, tags: Tags, time_ns: int) -> int:
        """The number of what was true of the entity at that time; the newest becomes what is true now."""
        known = self._facts.get((entity, tags))
        if known is None:
            known = _remember(self._facts, (entity, tags), self._find_facts(entity, tags))
        current, since_ns = self._current.get(entity) or self._find_current(entity)
        if known != current and time_ns > since_ns:
            self._connection.execute("UPDATE entity SET facts = ?, facts_ns = ? WHERE id = ?", (known, time_ns, entity))
            _remember(self._current, entity, (known, time_ns))
        return known

    def _find_facts(self, entity: int, tags: Tags) -> int:
        digest = _digest(msgspec.json.encode(tags))
        return self._number(
            ("SELECT id FROM facts WHERE entity = ? AND digest = ?", (entity, digest)),
            (_ADD_FACTS, (entity, digest, *tags)),
        )

    def _find_current(self, entity: int) -> tuple[int, int]:
        row: tuple[int, int] = self._connection.execute(
            "SELECT facts, facts_ns FROM entity WHERE id = ?", (entity,)
        ).fetchone()
        return _remember(self._current, entity, row)

    def attributes(self, json: str, time_ns: int) -> int:
        """The number of the text in the week of that time."""
        key = (time_ns // WEEK_NS, _digest(json.encode()))
        known = self._attributes.get(key)
        return known if known is not None else _remember(self._attributes, key, self._find_attributes(key, json))

    def _find_attributes(self, key: tuple[int, bytes], json: str) -> int:
        return self._number(
            ("SELECT id FROM attributes WHERE week = ? AND digest = ?", key),
            ("INSERT INTO attributes (week, digest, json) VALUES (?, ?, ?) RETURNING id", (*key, json)),
        )

    def _number(self, find: tuple[str, tuple[object, ...]], add: tuple[str, tuple[object, ...]]) -> int:
        row = self._connection.execute(*find).fetchone() or self._connection.execute(*add).fetchone()
        return int(row[0])


def _digest(text: bytes) -> bytes:
    return blake2b(text, digest_size=16).digest()


def _remember(memory: dict[K, V], key: K, value: V) -> V:
    if len(memory) >= REMEMBERED:
        memory.clear()
    memory[key] = value
    return value
