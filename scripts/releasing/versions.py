"""Where the version is named. It is one, and stands in `ingest/__init__.py`; all else follows it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from packaging.version import InvalidVersion, Version

from scripts.releasing.tools import Unready

SOURCE: Final = "ingest/__init__.py"

NAMED: Final = {
    SOURCE: r'^__version__ = "([^"]+)"$',
    "docs/reference/api.md": r'"service": "homeiq-ingest", "version": "([^"]+)"',
    "docs/reference/websocket.md": r'"Connected to homeiq-ingest".*?"version": "([^"]+)"',
}
"""Files, and how the version stands in them: the only group. What else needs it reads it there, or out of the wheel."""


def _places(root: Path) -> Iterator[tuple[Path, re.Pattern[str]]]:
    for name, said in NAMED.items():
        yield root / name, re.compile(said, re.MULTILINE)


def current(root: Path) -> str:
    """The version of a checkout."""
    (found,) = re.findall(NAMED[SOURCE], (root / SOURCE).read_text("utf-8"), re.MULTILINE)
    return str(found)


def named(root: Path) -> dict[str, set[str]]:
    """What each place says."""
    return {
        path.relative_to(root).as_posix(): set(said.findall(path.read_text("utf-8"))) for path, said in _places(root)
    }


def disagreeing(root: Path) -> dict[str, set[str]]:
    """The places that do not say what `ingest/__init__.py` says."""
    return {place: said for place, said in named(root).items() if said != {current(root)}}


def write(root: Path, version: str) -> None:
    """Name another version everywhere. Raises Unready for one that is no version, or an older one."""
    try:
        if Version(version) < Version(current(root)) or str(Version(version)) != version:
            raise Unready(f"{version} is no version after {current(root)}, or is not written as one: 1.2.3, 1.3.0rc1")
    except InvalidVersion as error:
        raise Unready(f"{error}: a version is three numbers, such as 1.2.3") from error
    for path, said in _places(root):
        path.write_text(said.sub(lambda found: found[0].replace(found[1], version), path.read_text("utf-8")), "utf-8")
