"""Which Pythons this machine has: each Home Assistant runs on few of them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path


def _named(minor: int) -> Iterator[Path]:
    """Where an interpreter may be: on PATH, or beside the chosen one when pyenv keeps several."""
    if found := shutil.which(f"python3.{minor}"):
        yield Path(found)
    versions = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    yield from sorted(versions.glob(f"3.{minor}.*/bin/python3.{minor}"))


def _runs(python: Path, minor: int) -> bool:
    """A pyenv shim on PATH may name a version that is not enabled."""
    asked = f"import sys, venv; sys.exit(sys.version_info[:2] != (3, {minor}))"
    return subprocess.run([python, "-c", asked], capture_output=True, check=False).returncode == 0


def find(minors: range) -> Path | None:
    """The first working interpreter 3.x for an x of `minors`, or None."""
    return next((python for minor in minors for python in _named(minor) if _runs(python, minor)), None)
