"""What is known of the home's registries, for health: a fold over reports, in seconds of a clock that never goes back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TypeAlias, assert_never

from attrs import define, field, frozen

from ingest.core import reports
from ingest.core.state import moment_at

UNREAD, KEPT = "unread", "state file"

RegistriesReport: TypeAlias = (
    reports.CatalogLoaded | reports.CatalogKept | reports.CatalogChanged | reports.CatalogFailed
    | reports.RegistryFailed | reports.RegistryWorks
)  # fmt: skip


@frozen
class RegistriesHealth:
    """How many entries there are, where they come from, and when that was true.

    `source` is `registries`, `templates`, `state file` (what an earlier run knew) or `unread`. `reason` says why the
    last reading failed, `partly` which commands do. `seconds` is how long the last reading took, `skipped` how many
    entries it could not read, `changes` how many readings of single changes there were.
    """

    source: str = UNREAD
    as_of: datetime | None = None
    entities: int = 0
    devices: int = 0
    areas: int = 0
    floors: int = 0
    labels: int = 0
    skipped: int = 0
    seconds: float | None = None
    changes: int = 0
    readings: int = 0
    reason: str = ""
    partly: tuple[str, ...] = ()


@define
class RegistriesFold:
    """Remembers the last of each kind of report. Times in seconds of the clock that `add` is given."""

    _loaded: reports.CatalogLoaded | None = None
    _at: float = 0.0
    _kept: reports.CatalogKept | None = None
    _reason: str = ""
    _partly: dict[str, str] = field(factory=dict)
    _changes: int = 0
    _readings: int = 0

    def add(self, report: RegistriesReport, now: float) -> None:
        """Take the next report of the registries."""
        match report:
            case reports.CatalogLoaded(source=source):
                self._loaded, self._at = report, now
                self._readings += 1
                if source == "registries":
                    self._reason = ""
            case reports.CatalogKept():
                self._kept = report
            case reports.CatalogChanged():
                self._at = now
                self._changes += 1
            case reports.CatalogFailed(reason=reason):
                self._reason = reason
            case reports.RegistryFailed(command=command, reason=reason):
                self._partly[command] = reason
            case reports.RegistryWorks(command=command):
                self._partly.pop(command, None)
            case _:
                assert_never(report)

    def health(self, moment: Callable[[float], datetime]) -> RegistriesHealth:
        """As a value; `moment` makes UTC of seconds."""
        partly = tuple(f"{command}: {reason}" for command, reason in self._partly.items())
        loaded, kept = self._loaded, self._kept
        if loaded is None:
            at = None if kept is None else moment_at(kept.as_of_ns)
            source, entities = (UNREAD, 0) if kept is None else (KEPT, kept.entities)
            return RegistriesHealth(source, at, entities, reason=self._reason, partly=partly)
        return RegistriesHealth(
            source=loaded.source,
            as_of=moment(self._at),
            entities=loaded.entities,
            devices=loaded.devices,
            areas=loaded.areas,
            floors=loaded.floors,
            labels=loaded.labels,
            skipped=loaded.skipped,
            seconds=loaded.seconds,
            changes=self._changes,
            readings=self._readings,
            reason=self._reason,
            partly=partly,
        )
