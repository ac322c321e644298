"""What is to be said of one entity: whether it is stored and why, what is written of it, what is known of it. Values."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from ingest.core.coverage import Cause, Mark
from ingest.core.ledger import SpanFate
from ingest.core.point import Attributes, Facts, Point
from ingest.core.rules import Decision


@frozen
class Stored:
    """The newest state that is stored or safe on its way: its time in nanoseconds, and itself where the store is read."""

    time_ns: int
    state: str | None = None


@frozen
class Explanation:
    """`there`: Home Assistant knows the entity; `point` is its present state, None: it has none.

    `agreeing` are all rules that agree with it, of which `decision` names the first; `overrides` all that do. `certain`: a
    state could not change that. `line` is what `store` would be given of the point: None without one, empty where the
    schema writes no such point. `since_ns`: since when the home is known. `unnamed`: gaps that may be this entity's, too.
    """

    entity_id: str
    there: bool
    point: Point | None
    facts: Facts
    attributes: Attributes
    decision: Decision
    agreeing: Sequence[str]
    overrides: Sequence[str]
    certain: bool
    store: str
    line: str | None
    last: Stored | None
    since_ns: int | None
    mark: Mark | None
    spans: Sequence[tuple[Cause, SpanFate]]
    unnamed: int
