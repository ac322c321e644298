"""An environment with this very program in it, under /opt, where the service's user can read it.

What is imported now is copied where it fits the new environment's Python: it is what was tried, and no network is
needed. Where compiled modules do not fit, pip fetches the same versions.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from attrs import frozen

from ingest import __version__
from ingest.edge.foreign import Failed, Runner
from ingest.edge.interpreters import Interpreter
from ingest.edge.own_package import NAME, Needed, fingerprint, needed, own_files, own_metadata
from ingest.errors import IngestError, Refused

MARK: Final = ".made-from"
"""Holds what an environment was made from, and is written last: one without it is not whole."""

_MAKING: Final = 120.0
_FETCHING: Final = 600.0
_LOOKING: Final = 20.0
_SCRIPT: Final = """\
#!{python} -I
from ingest.cli.main import main

main()
"""


@frozen
class Recipe:
    """What an environment is made of. `mark` tells it from every other."""

    interpreter: Interpreter
    needed: tuple[Needed, ...]
    mark: str

    @property
    def copied(self) -> bool:
        """True when nothing has to be fetched."""
        return self.interpreter.like_ours and all(each.files is not None for each in self.needed)


def recipe(interpreter: Interpreter) -> Recipe:
    """One for the program that runs now."""
    found = needed()
    return Recipe(interpreter, found, f"{fingerprint(found)} {interpreter.path} {interpreter.tag}\n")


def made_from(folder: Path) -> str:
    """The mark of an environment; empty where there is none, or not a whole one."""
    try:
        return (folder / MARK).read_text(encoding="utf-8")
    except OSError:
        return ""


def free_name(versions: Path) -> Path:
    """A folder for one more: of each version there may be several."""
    number = 1
    while (folder := versions / f"{__version__}-{number}").exists():
        number += 1
    return folder


def build(folder: Path, chosen: Recipe, run: Runner) -> None:
    """Make the environment. Blocking, for seconds. What is half made is taken away again.

    Raises `IngestError`, where the disk, the interpreter or the network does not do it.
    """
    try:
        _build(folder, chosen, run)
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError):
            remedy = "Look for free space with df."
            what = f"the environment cannot be made: {error.strerror}"
            raise Refused(what, where=str(folder), remedy=remedy) from error
        raise


def _build(folder: Path, chosen: Recipe, run: Runner) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    _check_runs(folder.parent)
    run((str(chosen.interpreter.path), "-I", "-m", "venv", "--without-pip", str(folder)), _MAKING)
    python = folder / "bin" / "python"
    packages = folder / "lib" / "python{}.{}".format(*chosen.interpreter.version) / "site-packages"
    _put(packages, own_files())
    about = packages / f"{NAME.replace('-', '_')}-{__version__}.dist-info" / "METADATA"
    about.parent.mkdir()
    about.write_text(own_metadata(), encoding="utf-8")
    if chosen.copied:
        for each in chosen.needed:
            _put(packages, each.files or ())
    else:
        _fetch(python, chosen, run)
    # The service cannot write there: what is not compiled now would be compiled at every start.
    run((str(python), "-I", "-m", "compileall", "-q", str(packages)), _MAKING)
    script = folder / "bin" / NAME
    script.write_text(_SCRIPT.format(python=python), encoding="utf-8")
    script.chmod(0o755)
    run((str(script), "--version"), _LOOKING)
    # A power cut after the switch would find files that are there and empty.
    os.sync()
    (folder / MARK).write_text(chosen.mark, encoding="utf-8")


def _check_runs(folder: Path) -> None:
    if os.statvfs(folder).f_flag & os.ST_NOEXEC:
        remedy = (
            "Mount it without noexec, or mount something else there: sudo mount -o remount,exec, and in /etc/fstab."
        )
        raise Refused("nothing can be run from there: it is mounted noexec", where=str(folder), remedy=remedy)


def _put(packages: Path, files: Iterable[tuple[Path, PurePosixPath]]) -> None:
    for path, place in files:
        target = packages / place
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)


def _fetch(python: Path, chosen: Recipe, run: Runner) -> None:
    """Have the first installer that is here bring the versions that run now."""
    pins = [each.pin for each in chosen.needed]
    for looked_for, command in _installers(python, chosen.interpreter):
        try:
            run(looked_for, _LOOKING)
        except IngestError:
            continue
        try:
            run((*command, "--no-deps", *pins), _FETCHING)
        except Failed as error:
            remedy = "Is the package index reachable? Then run this again."
            raise Refused(f"the packages cannot be installed: {error.words}", remedy=remedy) from error
        return
    remedy = "Install one (Debian, Ubuntu: sudo apt-get install python3-pip), or name a --python like the one that runs this."
    what = f"what runs here does not fit {chosen.interpreter.path}, and there is no pip to fetch what does"
    raise Refused(what, remedy=remedy)


def _installers(python: Path, interpreter: Interpreter) -> Iterator[tuple[Sequence[str], Sequence[str]]]:
    """A command that tells whether one is here, and how it installs into the environment."""
    for each in (sys.executable, str(interpreter.path)):
        pip = (each, "-I", "-m", "pip")
        yield (*pip, "--version"), (*pip, "--python", str(python), "install", "--quiet", "--no-compile")
    yield ("uv", "--version"), ("uv", "pip", "install", "--quiet", "--python", str(python))
