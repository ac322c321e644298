"""Lines for systemd's journal: with the priority in front that `sd-daemon(3)` describes, where standard error goes there.

`$JOURNAL_STREAM` has the device and inode of the journal's socket, as `systemd.exec(5)` says: who redirected the stream
elsewhere inherits the variable, and must not see `<3>` before every line.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, TextIO

VARIABLE: Final = "JOURNAL_STREAM"

PRIORITIES: Final = MappingProxyType({"critical": 2, "error": 3, "warning": 4, "info": 6, "debug": 7})


def is_journal(stream: TextIO, environ: Mapping[str, str] = os.environ) -> bool:
    """True when what is written there goes to the journal."""
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):  # no file, or a closed one
        return False
    return environ.get(VARIABLE, "") == f"{found.st_dev}:{found.st_ino}"


def marked(text: str, level: str, stream: TextIO | None = None) -> str:
    """Every line of a text with its priority; as it is, where the stream (standard error) does not go to the journal."""
    if not is_journal(stream or sys.stderr):
        return text
    return "\n".join(f"<{PRIORITIES[level]}>{line}" for line in text.splitlines())


def one_line(text: str) -> str:
    """The same in one line: the journal takes each for a message of its own."""
    return " ".join(text.splitlines())
