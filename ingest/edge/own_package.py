"""What this very program consists of: its own files and the distributions that it needs, as they are imported now."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Final

from attrs import frozen

import ingest
from ingest import __version__

NAME: Final = "homeiq-ingest"
_NAMED: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_MADE_ELSEWHERE: Final = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"}
"""What the installer of the other environment said of itself."""


@frozen
class Needed:
    """A distribution that is installed here: its name and version, and the files that it put among the packages.

    None: nobody wrote down which those are, as with Debian's own.
    """

    name: str
    version: str
    files: tuple[tuple[Path, PurePosixPath], ...] | None

    @property
    def pin(self) -> str:
        """As pip is told of it: `name==version`."""
        return f"{self.name}=={self.version}"


def own_files() -> Iterator[tuple[Path, PurePosixPath]]:
    """The files of this package, and where each belongs among the packages of an environment."""
    root = Path(ingest.__file__).parent
    for path in sorted(root.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path, PurePosixPath("ingest", *path.relative_to(root).parts)


def own_metadata() -> str:
    """What the packages of another environment are told of this one: also of a checkout, which has no such file."""
    lines = ["Metadata-Version: 2.1", f"Name: {NAME}", f"Version: {__version__}"]
    return "\n".join([*lines, *(f"Requires-Dist: {each}" for each in _requirements()), ""])


def needed() -> tuple[Needed, ...]:
    """Every distribution that this program needs, and those that they need, by name.

    A requirement that is not installed here is for another system or another Python.
    """
    found: dict[str, Needed] = {}
    todo = list(_requirements())
    while todo:
        requirement = todo.pop()
        match = _NAMED.match(requirement)
        if match is None or "extra ==" in requirement or (name := _normal(match[0])) in found:
            continue
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        found[name] = Needed(name, distribution.version, _files(distribution))
        todo += distribution.requires or ()
    return tuple(found[name] for name in sorted(found))


def fingerprint(needed: tuple[Needed, ...]) -> str:
    """Tells this program, with those, from every other."""
    digest = hashlib.sha256()
    for path, place in own_files():
        digest.update(f"{place} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    digest.update("\n".join(each.pin for each in needed).encode())
    return digest.hexdigest()


def _requirements() -> list[str]:
    """A checkout says it itself: an environment beside it may have been made for another one."""
    checkout = Path(ingest.__file__).parents[1] / "pyproject.toml"
    if checkout.is_file():
        return list(tomllib.loads(checkout.read_text(encoding="utf-8"))["project"]["dependencies"])
    return [each for each in metadata.requires(NAME) or () if "extra ==" not in each]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _files(distribution: metadata.Distribution) -> tuple[tuple[Path, PurePosixPath], ...] | None:
    """Without its scripts, which lie outside, and what Python compiled."""
    if distribution.files is None:
        return None
    places = [PurePosixPath(each) for each in distribution.files]
    kept = [each for each in places if ".." not in each.parts and "__pycache__" not in each.parts]
    wanted = [each for each in kept if each.name not in _MADE_ELSEWHERE and not each.is_absolute()]
    return tuple((path, each) for each in wanted if (path := Path(str(distribution.locate_file(each)))).is_file())
