"""The log: one line a fact, a fold over reports. The one module that knows `structlog`."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal, TextIO

import attrs

from ingest.core import reports
from ingest.core.reports import Report
from ingest.core.secret import masked
from ingest.runtime.absent import absent

# It would render tracebacks with rich, 4 MB, where it is installed. We give it sentences.
with absent("rich"):
    import structlog

if TYPE_CHECKING:
    from structlog.typing import EventDict, FilteringBoundLogger, Processor

Format = Literal["auto", "console", "json"]

PAUSE = 10.0
"""Seconds between two lines about losses at the same place."""

KINDS = 1000
"""Kinds of unreadable messages that are told apart: a foreign server may invent any number."""

NAMES = 20
"""Entities that one line names at most."""


_LEVELS = logging.getLevelNamesMapping()


class Calm:
    """Decides which reports are worth a line. `clock` is in seconds.

    Of what cannot be read, one a kind. Of losses and of what a person moves, which come by the hundred a second when
    they come, the first at once and then one every `PAUSE` seconds; the books count them all.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._seen: set[tuple[type[Report], str]] = set()
        self._next: dict[tuple[type[Report], str], float] = {}

    def allows(self, report: Report) -> bool:
        """True when the report is to be written."""
        match report:
            case reports.MalformedMessage(kind=kind) | reports.UnexpectedMessage(kind=kind):
                return self._is_new((type(report), kind))
            case (
                reports.Shed(link=name)
                | reports.Evicted(store=name)
                | reports.DeadLetter(store=name)
                | reports.Purged(store=name)
                | reports.Made(store=name)
            ):
                return self._is_due((type(report), name))
            case _:
                return True

    def _is_new(self, key: tuple[type[Report], str]) -> bool:
        new = key not in self._seen and len(self._seen) < KINDS
        self._seen |= {key} if new else set()
        return new

    def _is_due(self, key: tuple[type[Report], str]) -> bool:
        now = self._clock()
        due = now >= self._next.get(key, now)
        if due:
            self._next[key] = now + PAUSE
        return due


class Journal:
    """A sink for reports that writes log lines; `logger` makes them, `calm` says which are worth one."""

    def __init__(self, logger: FilteringBoundLogger, calm: Calm, level: str) -> None:
        self._logger = logger
        self._calm = calm
        self.set_level(level)

    def set_level(self, level: str) -> None:
        """Write nothing less severe from now on. Raises `KeyError` for what is no level."""
        self._threshold = _LEVELS[level.upper()]

    def __call__(self, report: Report) -> None:
        """Write it, if it is worth a line."""
        if _LEVELS[report.level.upper()] < self._threshold or not self._calm.allows(report):
            return
        with suppress(OSError):  # a log that nobody reads any more, or a full disk, must not stop the storing
            getattr(self._logger, report.level)(report.text(), **_fields(report))


def open_journal(
    level: str, form: Format, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
) -> Journal:
    """A sink for reports that writes log lines to `stream` (standard error). `auto`: JSON unless it is a terminal."""
    out = stream or sys.stderr
    logger: FilteringBoundLogger = structlog.wrap_logger(
        structlog.PrintLogger(out),
        processors=_processors(form, out),
        wrapper_class=structlog.make_filtering_bound_logger(logging.NOTSET),
        cache_logger_on_first_use=True,
    )
    return Journal(logger, Calm(clock), level)


def _fields(report: Report) -> dict[str, Any]:
    """A report as what a line of JSON carries beside its sentence."""
    said = attrs.asdict(report, filter=lambda field, _: bool(field.repr), value_serializer=_plain)
    return {"report": type(report).__name__, **said}


def _plain(_report: object, _field: object, value: Any) -> Any:
    if isinstance(value, tuple):
        return value[:NAMES]
    return value.value if isinstance(value, Enum) else value


def _processors(form: Format, out: TextIO) -> list[Processor]:
    shared: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if form == "json" or (form == "auto" and not out.isatty()):
        json: list[Processor] = [
            structlog.processors.EventRenamer("message"),
            structlog.processors.JSONRenderer(default=str),
        ]
        return [*shared, *json, _without_secrets]
    console = structlog.dev.ConsoleRenderer(colors=out.isatty(), pad_event_to=0)
    return [*shared, _sentence_only, console, _without_secrets]


def _without_secrets(_logger: object, _method: str, line: Any) -> str:
    return masked(str(line))


def _sentence_only(_logger: object, _method: str, event: EventDict) -> EventDict:
    return {name: event[name] for name in ("event", "level", "timestamp")}
