"""A Python that a service may run: a user of systemd's own sees neither the homes nor /tmp."""

from __future__ import annotations

import json
import os
import stat
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from attrs import frozen

from ingest.edge.foreign import Runner
from ingest.errors import IngestError, Refused

OLDEST: Final = (3, 11)
NEWEST: Final = 14
"""The minor version of the newest Python 3 that is looked for by name."""

HIDDEN: Final = tuple(map(Path, ("/home", "/root", "/run/user", "/tmp", "/var/tmp")))  # noqa: S108  what ProtectHome= and PrivateTmp= hide
_FOLDERS: Final = ("/usr/bin", "/usr/local/bin")
_ASKED: Final = (
    "import json, sys, sysconfig, venv;"
    "print(json.dumps([sys.version_info[:2], sysconfig.get_config_var('SOABI') or '', sysconfig.get_path('stdlib')]))"
)
_PATIENCE: Final = 20.0


@frozen
class Interpreter:
    """One of the machine's: its version, and the tag that compiled modules for it bear."""

    path: Path
    version: tuple[int, int]
    tag: str

    @property
    def like_ours(self) -> bool:
        """True when what was compiled for the Python that runs this also works in it."""
        return (self.version, self.tag) == (sys.version_info[:2], sysconfig.get_config_var("SOABI") or "")


def hidden(path: Path) -> bool:
    """True when the service could not read it: it lies where nothing is seen, or others may not go there."""
    real = path.resolve()
    if any(real.is_relative_to(each) for each in HIDDEN):
        return True
    try:
        return not all(each.stat().st_mode & stat.S_IXOTH for each in real.parents) or not real.stat().st_mode & 0o004
    except OSError:
        return True


def choose(named: Path | None, run: Runner) -> Interpreter:
    """The `named` one, else the best: one like ours, so that nothing has to be fetched; else the newest.

    Raises `Refused` where there is none.
    """
    found = []
    for path in (named,) if named else candidates():
        interpreter = _asked(path, run)
        if interpreter is not None and interpreter.like_ours:
            return interpreter
        if interpreter is not None:
            found.append(interpreter)
    if not found:
        raise _none(named)
    return max(found, key=lambda each: each.version)


def candidates() -> Iterator[Path]:
    """The one that runs this, and those of the system, the likeliest first."""
    yield Path(getattr(sys, "_base_executable", "") or sys.executable)
    minors = [sys.version_info.minor, *range(NEWEST, OLDEST[1] - 1, -1)]
    yield from (Path(folder, f"python3.{minor}") for minor in dict.fromkeys(minors) for folder in _FOLDERS)
    yield from (Path(folder, "python3") for folder in _FOLDERS)


def _asked(path: Path, run: Runner) -> Interpreter | None:
    """What it says of itself; None where it is not one that will do."""
    if not os.access(path, os.X_OK) or hidden(path):
        return None
    try:
        version, tag, library = json.loads(run((str(path), "-I", "-c", _ASKED), _PATIENCE))
    except (IngestError, ValueError):
        return None
    fits = tuple(version) >= OLDEST and not hidden(Path(library))
    return Interpreter(path, (version[0], version[1]), tag) if fits else None


def _none(named: Path | None) -> Refused:
    what = "no Python 3.11 or newer that the service could run"
    remedy = (
        "The service sees no home folder and no /tmp, so one of pyenv or uv does not do. Install the system's"
        " (Debian, Ubuntu: sudo apt-get install python3), or name one with --python."
    )
    return Refused(what, where=str(named or "/usr/bin, /usr/local/bin"), remedy=remedy)
