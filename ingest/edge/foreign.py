"""Other programs: each has a time to end in, no terminal and nothing of our environment, and what it says is text."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, TypeAlias

from ingest.core.secret import masked
from ingest.errors import Refused, Transient

SURROUNDINGS: Final[Mapping[str, str]] = MappingProxyType(
    {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
)
"""What they are told of the world. A person's variables would say other things than the service is told."""

LAST: Final = 600
"""Characters of what a program complained of that are handed on: its last words say why."""

Runner: TypeAlias = Callable[[Sequence[str], float], str]
"""Runs a program, which has so many seconds; what it wrote to standard output. Raises as `run`."""


class Failed(Refused):
    """A program ended with another code than 0. `words` are the last that it said."""

    words: str = ""


def run(command: Sequence[str], seconds: float) -> str:
    """What a program writes to standard output. Blocking, for at most `seconds`.

    Raises `Failed` when it does not end with 0, `Refused` when it cannot be started, `Transient` when it does not end.
    """
    try:
        done = subprocess.run(  # noqa: S603  no shell
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            env=dict(SURROUNDINGS),
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        remedy = "Try it by hand to see what it waits for."
        raise Transient(f"it did not end within {seconds:g} s", where=" ".join(command), remedy=remedy) from error
    except OSError as error:
        what, remedy = f"it cannot be started: {error.strerror}", "See that it is installed."
        raise Refused(what, where=" ".join(command), remedy=remedy) from error
    if done.returncode:
        words = masked((done.stderr.strip() or done.stdout.strip())[-LAST:])
        failed = Failed(f"it ended with exit code {done.returncode}: {words}", where=" ".join(command))
        failed.words = words
        raise failed
    return done.stdout
