"""A point: what is known of one change, before any store's schema.

A point's fields are a function of the state, its predecessor and the catalog; `kind` besides of what was before a restart
of Home Assistant, which forgets predecessors. What a source does not know stays None: never empty, never invented.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from attrs import frozen
from msgspec import Struct

from ingest.core.coverage import NO_NOTE, Note
from ingest.core.state import Context, Source
from ingest.core.treatment import USUAL, Treatment


class Kind(Enum):
    """The nature of a change. A snapshot knows only `ATTRIBUTES` and `RESTORED`: otherwise None, as where it may be any.

    `STARTUP` and `RESTORED` are what a start of Home Assistant or of the entity made: no change of the home.
    """

    CHANGED = "changed"
    ATTRIBUTES = "attributes"
    STARTUP = "startup"
    RESTORED = "restored"
    REMOVED = "removed"


@frozen
class Facts:
    """What the registries know of an entity. `registry_id` is constant for its life (a rename keeps it).

    `labels` are its own, its device's and its area's, sorted.
    """

    registry_id: str
    device_id: str | None = None
    area_id: str | None = None
    entity_category: str | None = None
    platform: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    sw_version: str | None = None
    floor_id: str | None = None
    labels: tuple[str, ...] = ()
    disabled: bool = False
    hidden: bool = False


class Attributes(Struct, frozen=True, gc=False):
    """An entity's attributes without what is secret or volatile.

    `json` is the text to store, empty when there is no state (a removal); the others are looked at by schemas and
    rules, and for a removed or unavailable entity they are those of its last point.
    """

    json: str = "{}"
    device_class: str | None = None
    unit: str | None = None
    friendly_name: str | None = None
    restored: bool = False
    state_class: str | None = None


class Point(Struct, frozen=True, gc=False):
    """One stored change. `time_ns` is nanoseconds since the epoch; `duration` the seconds the previous state lasted."""

    entity_id: str
    time_ns: int
    state: str
    facts: Facts
    attributes: Attributes
    value: float | None = None
    previous_state: str | None = None
    duration: float | None = None
    kind: Kind | None = None
    context: Context | None = None
    origin: Source | None = None
    """None for a live change; where a point came from otherwise. It is a field, never a tag or a time."""
    treatment: Treatment = USUAL


@frozen
class PointFrame:
    """The points of one frame that passed the filter, in order: the unit on a store's link. `size` in bytes.

    `note` is what becomes true of the coverage when they are safe, beside the marks that they move themselves.
    """

    points: Sequence[Point]
    size: int
    note: Note = NO_NOTE
