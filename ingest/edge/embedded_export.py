"""The embedded store as points again: a page at a time, in order of time, whatever the size of the file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from typing import TypeVar

import msgspec
from attrs import define, field

from ingest.core.point import Attributes, Facts, Point
from ingest.core.rows import TAGS, Row, Tags, assembled, attributes_of, facts_of
from ingest.edge.sqlite import Connection

PAGE = 5_000
SHARED = 20_000
"""Facts, and attributes, that are kept to be shared by points; more are read again."""

K = TypeVar("K")
V = TypeVar("V")

_PAGE = """SELECT time_ns, entity, facts, attributes,
    state, value, previous_state, duration, kind, origin, context_id, context_parent_id, context_user_id
FROM change WHERE (time_ns, entity) > (?, ?) AND time_ns < ? {some} ORDER BY time_ns, entity LIMIT ?"""
_SOME = "AND entity IN (SELECT value FROM json_each(?))"

Position = tuple[int, int]
"""Where a reader is: the time and entity number of the last change that it has seen."""


@define
class Points:
    """All points of a store, or of the entities whose name, now or once, matches a glob.

    Points of an entity share their facts and attributes as objects, as a schema's cache likes them.
    """

    connection: Connection
    _facts: dict[int, tuple[Facts, Tags]] = field(factory=dict, init=False)
    _attributes: dict[tuple[int, int], Attributes] = field(factory=dict, init=False)

    def pages(self, after: Position, until_ns: int, glob: str | None = None) -> Iterator[tuple[Position, list[Point]]]:
        """Pages of points after a position and before a time, each with the position at its end."""
        some, entities = ("", []) if glob is None else (_SOME, [self._matching(glob)])
        query = _PAGE.format(some=some)
        while rows := self.connection.execute(query, (*after, until_ns, *entities, PAGE)).fetchall():
            after = (rows[-1][0], rows[-1][1])
            yield after, [self._point(*row) for row in rows]

    def _matching(self, glob: str) -> str:
        rows = self.connection.execute("SELECT DISTINCT entity, entity_id FROM facts")
        return msgspec.json.encode([entity for entity, name in rows if fnmatchcase(name, glob)]).decode()

    def _point(self, time_ns: int, _entity: int, facts_id: int, attributes_id: int, *rest: object) -> Point:
        facts, tags = _shared(self._facts, facts_id, self._read_facts)
        attributes = _shared(self._attributes, (facts_id, attributes_id), self._read_attributes)
        row = Row(time_ns, facts.registry_id, tags, attributes.json, *rest)  # type: ignore[arg-type]  # as selected
        return assembled(row, facts, attributes)

    def _read_facts(self, facts_id: int) -> tuple[Facts, Tags]:
        registry_id, *known, restored = self.connection.execute(
            f"SELECT registry_id, {', '.join(TAGS)} FROM facts JOIN entity ON entity.id = facts.entity"  # noqa: S608  our own column names
            " WHERE facts.id = ?",
            (facts_id,),
        ).fetchone()
        tags: Tags = (*known, bool(restored))
        return facts_of(registry_id, tags), tags

    def _read_attributes(self, ids: tuple[int, int]) -> Attributes:
        _, tags = self._facts[ids[0]]
        (json,) = self.connection.execute("SELECT json FROM attributes WHERE id = ?", ids[1:]).fetchone()
        return attributes_of(json, tags)


def _shared(memory: dict[K, V], key: K, read: Callable[[K], V]) -> V:
    if key not in memory:
        if len(memory) >= SHARED:
            memory.clear()
        memory[key] = read(key)
    return memory[key]
