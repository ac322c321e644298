"""Which entities are stored, as values: what the configuration says, before the filter compiles it."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from attrs import frozen

from ingest.core.treatment import Kept

Asked: TypeAlias = str | tuple[str, ...] | None
"""A text, or several of which one must agree. None: not asked."""


@frozen
class Pattern:
    """One rule: a glob on `entity_id`, exact texts on the rest; None means "not asked".

    `integration` is what the entity registry calls the platform. A `label` may be the entity's, its device's or its area's.
    `match` says whether all of the given keys must agree, or any of them (HomeIQ's reading). With a `heartbeat` the
    entities that it lets through have their value said again every so many seconds. `mode` is what this one does with
    whom it names where that is not what the filter's mode says; an exception has none.
    """

    entity_id: Asked = None
    domain: Asked = None
    device_class: Asked = None
    area_id: Asked = None
    floor_id: Asked = None
    label: Asked = None
    device_id: Asked = None
    integration: Asked = None
    entity_category: Asked = None
    unit: Asked = None
    state_class: Asked = None
    disabled: bool | None = None
    hidden: bool | None = None
    match: Literal["all", "any"] = "all"
    heartbeat: float | None = None
    mode: Literal["include", "exclude"] | None = None


OF_THE_STATE: Final = ("device_class", "unit", "state_class")
"""The keys that only a state's attributes answer; the registries answer the others."""

KEYS: Final = (
    "entity_id", "domain", "device_class", "area_id", "floor_id", "label", "device_id", "integration", "entity_category",
    "unit", "state_class", "disabled", "hidden",
)  # fmt: skip
"""What a pattern may ask."""


@frozen
class Override:
    """What is different for the entities that a pattern names, if they are stored. None: this one does not say.

    `attributes`, `measurement` and `ignore` are a `Treatment`'s; of several overrides the first that says a thing counts.
    `heartbeat` is in seconds; a pattern's own comes before it.
    """

    pattern: Pattern
    attributes: Kept | None = None
    measurement: str | None = None
    ignore: tuple[str, ...] | None = None
    heartbeat: float | None = None


@frozen
class FilterSettings:
    """`exclude` drops what a pattern names, `include` keeps only that; an exception wins over both.

    The first pattern that names an entity decides; one with a `mode` of its own decides as that says.
    `drop_replays` leaves out what merely repeats an entity's last known value after a restart of Home Assistant.
    """

    mode: Literal["include", "exclude"] = "exclude"
    patterns: tuple[Pattern, ...] = ()
    exceptions: tuple[Pattern, ...] = ()
    overrides: tuple[Override, ...] = ()
    drop_replays: bool = False

    def passing(self, pattern: Pattern) -> bool:
        """Whether what this pattern (no exception) names is stored."""
        return (pattern.mode or self.mode) == "include"


def texts(asked: Asked) -> tuple[str, ...]:
    """What is asked, each text of it."""
    return (asked,) if isinstance(asked, str) else asked or ()
