"""What trio logs of listeners that cannot let anybody in, as reports.

It logs ten times a second, with a traceback and past the journal, for as long as there is no file descriptor left.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from ingest.core.reports import NotAccepting, Report

_LOGGER: Final = "trio.serve_listeners"
_FILES: Final = "End what keeps connections to it open, or raise its limit of open files (LimitNOFILE= of its unit)."
_REMEDIES: Final = {
    "EMFILE": _FILES,
    "ENFILE": "The machine has no file descriptors left: see which program holds them (lsof), or raise fs.file-max.",
    "ENOMEM": "Free some memory.",
    "ENOBUFS": "Free some memory.",
}


class _Handler(logging.Handler):
    def __init__(self, report: Callable[[Report], None]) -> None:
        super().__init__()
        self._report = report

    def emit(self, record: logging.LogRecord) -> None:
        """Report it in a sentence; what trio says in another way one day is quoted, without its traceback."""
        match record.args:
            case (str(code), str(why), *_):
                remedy = f" {_REMEDIES[code]}" if code in _REMEDIES else ""
            case _:
                why, remedy = record.getMessage(), ""
        self._report(NotAccepting(f"new connections to this service wait, everything else goes on: {why}.{remedy}"))


@contextmanager
def accepting(report: Callable[[Report], None]) -> Iterator[None]:
    """For the time of a block, what trio says of listeners is a report and nothing else."""
    logger, handler = logging.getLogger(_LOGGER), _Handler(report)
    before = logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = before
