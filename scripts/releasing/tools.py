"""Calls the programs that a release is made with."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]


class Unready(Exception):  # noqa: N818  it says what stands in the way, and what to do
    """Something stands in the way of a release."""


def run(*command: str | Path, at: Path = ROOT, **environment: str) -> str:
    """What a program says on standard output; what it says on standard error goes through. Raises Unready when it fails."""
    environ = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", **environment}
    done = subprocess.run(command, cwd=at, env=environ, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise Unready(f"{done.stdout}{' '.join(map(str, command))}: it failed with {done.returncode}")
    return done.stdout


def python(*arguments: str | Path, at: Path = ROOT, **environment: str) -> str:
    """The same for a module of this environment."""
    return run(sys.executable, "-m", *arguments, at=at, **environment)
