"""Which entities are stored, as values: what the configuration says, before the filter compiles it."""

from __future__ import annotations

from typing import Literal

from attrs import frozen


@frozen
class Pattern:
    """One rule: a glob on `entity_id`, exact texts on the rest; None means "not asked".

    `match` says whether all of the given keys must agree, or any of them (HomeIQ's reading). With a `heartbeat` the
    entities that it lets through have their value said again every so many seconds.
    """

    entity_id: str | None = None
    domain: str | None = None
    device_class: str | None = None
    area_id: str | None = None
    match: Literal["all", "any"] = "all"
    heartbeat: float | None = None


@frozen
class FilterSettings:
    """`exclude` drops what a pattern names, `include` keeps only that; an exception wins over both.

    `drop_replays` leaves out what merely repeats an entity's last known value after a restart of Home Assistant.
    """

    mode: Literal["include", "exclude"] = "exclude"
    patterns: tuple[Pattern, ...] = ()
    exceptions: tuple[Pattern, ...] = ()
    drop_replays: bool = False
