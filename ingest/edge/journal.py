"""The log: one line a fact, a fold over reports. The one module that knows `structlog`.

Where it goes to systemd's journal, a line is its priority and its sentence: the journal has the time, and a person reads it
there. Who asks for JSON gets that, with the priority in front of it, which the journal takes off.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal, TextIO

import attrs

from ingest.core.calm import Calm
from ingest.core.reports import Report
from ingest.core.secret import masked
from ingest.core.words import LAYOUT, printable
from ingest.edge.journald import PRIORITIES, is_journal, one_line
from ingest.runtime.uninstalled import uninstalled

# It would render tracebacks with rich, 4 MB, where it is installed. We give it sentences.
with uninstalled("rich"):
    import structlog

if TYPE_CHECKING:
    from structlog.typing import EventDict, FilteringBoundLogger, Processor

Format = Literal["auto", "console", "json"]

NAMES = 20
"""Entities that one line names at most."""


_LEVELS = logging.getLevelNamesMapping()

_JSON: tuple[Processor, ...] = (
    structlog.processors.EventRenamer("message"),
    structlog.processors.JSONRenderer(default=str),
)


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
        """Write it, if it is worth a line. Who wants to see everything sees every attempt, too."""
        self._calm.hear(report)
        if _LEVELS[report.level.upper()] < self._threshold:
            return
        left_out = self._calm.left_out(report, all_attempts=self._threshold <= logging.DEBUG)
        if left_out is None:
            return
        sentence, more = report.text(), {}
        if left_out:
            sentence, more = (
                f"{sentence} (and {left_out:,} more of these since the last such line)",
                {"left_out": left_out},
            )
        with suppress(OSError):  # a log that nobody reads any more, or a full disk, must not stop the storing
            getattr(self._logger, report.level)(sentence, **_fields(report), **more)


def open_journal(
    level: str,
    form: Format,
    stream: TextIO | None = None,
    clock: Callable[[], float] = time.monotonic,
    environ: Mapping[str, str] = os.environ,
) -> Journal:
    """A sink for reports that writes log lines to `stream` (standard error).

    `auto`: JSON, unless it is a terminal or, as the environment says, systemd's journal.
    """
    out = stream or sys.stderr
    processors = _for_the_journal(form) if is_journal(out, environ) else _processors(form, out)
    logger: FilteringBoundLogger = structlog.wrap_logger(
        structlog.PrintLogger(out),
        processors=processors,
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


def _for_the_journal(form: Format) -> list[Processor]:
    def line(_logger: object, method: str, event: EventDict) -> str:
        return f"<{PRIORITIES[method]}>{one_line(str(event['event']))}"

    def prefixed(_logger: object, method: str, rendered: Any) -> str:
        return f"<{PRIORITIES[method]}>{rendered}"

    if form == "json":
        return [structlog.processors.add_log_level, *_JSON, prefixed, _without_secrets]
    return [line, _without_secrets]


def _processors(form: Format, out: TextIO) -> list[Processor]:
    shared: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if form == "json" or (form == "auto" and not out.isatty()):
        return [*shared, *_JSON, _without_secrets]
    console = structlog.dev.ConsoleRenderer(colors=out.isatty(), pad_event_to=0)
    return [*shared, _sentence_only, console, _without_secrets]


def _without_secrets(_logger: object, _method: str, line: Any) -> str:
    return masked(str(line))


def _sentence_only(_logger: object, _method: str, event: EventDict) -> EventDict:
    """A sentence may quote a server, and its words may hold what a terminal would obey."""
    said = printable(str(event["event"]), LAYOUT)
    return {"event": said, "level": event["level"], "timestamp": event["timestamp"]}
