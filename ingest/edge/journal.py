"""The log: one line a fact, a fold over reports. The one module that knows `structlog`."""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal, TextIO

import attrs
import structlog

from ingest.core import reports
from ingest.core.reports import Emit, Report

if TYPE_CHECKING:
    from structlog.typing import EventDict, FilteringBoundLogger, Processor

Format = Literal["auto", "console", "json"]

_ONCE_A_KIND = (reports.MalformedMessage, reports.UnexpectedMessage)


def open_journal(level: str, form: Format, stream: TextIO | None = None) -> Emit:
    """A sink for reports that writes log lines to `stream` (standard error). `auto`: JSON unless it is a terminal."""
    out = stream or sys.stderr
    logger: FilteringBoundLogger = structlog.wrap_logger(
        structlog.PrintLogger(out),
        processors=_processors(form, out),
        wrapper_class=structlog.make_filtering_bound_logger(logging.NOTSET),
        cache_logger_on_first_use=True,
    )
    levels = logging.getLevelNamesMapping()
    threshold = levels[level.upper()]
    seen: set[tuple[type[Report], str]] = set()

    def write(report: Report) -> None:
        if levels[report.LEVEL.upper()] < threshold:
            return
        if isinstance(report, _ONCE_A_KIND):
            key = (type(report), report.kind)
            if key in seen:
                return
            seen.add(key)
        with suppress(OSError):  # a log that nobody reads any more, or a full disk, must not stop the storing
            getattr(logger, report.LEVEL)(report.text(), **_fields(report))

    return write


def _fields(report: Report) -> dict[str, Any]:
    """A report as what a line of JSON carries beside its sentence."""
    return {"report": type(report).__name__, **attrs.asdict(report, value_serializer=_plain)}


def _plain(_report: object, _field: object, value: Any) -> Any:
    return value.value if isinstance(value, Enum) else value


def _processors(form: Format, out: TextIO) -> list[Processor]:
    shared: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if form == "json" or (form == "auto" and not out.isatty()):
        return [*shared, structlog.processors.EventRenamer("message"), structlog.processors.JSONRenderer(default=str)]
    return [*shared, _sentence_only, structlog.dev.ConsoleRenderer(colors=out.isatty(), pad_event_to=0)]


def _sentence_only(_logger: object, _method: str, event: EventDict) -> EventDict:
    return {name: event[name] for name in ("event", "level", "timestamp")}
