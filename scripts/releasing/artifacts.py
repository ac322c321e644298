"""What a release consists of: sdist, wheel, bill of materials, notes, sums."""

from __future__ import annotations

import hashlib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from scripts.releasing import changelog, versions
from scripts.releasing.tools import ROOT, Unready, python, run

PINNED: Final = ".ci/requirements.txt"


def moment(root: Path) -> str:
    """When the present commit was made, in seconds since 1970: whoever builds it again uses the same."""
    return run("git", "log", "-1", "--format=%ct", at=root).strip()


def distributions(root: Path, into: Path) -> list[Path]:
    """The sdist, and the wheel that is built from it. The same commit gives the same bytes."""
    into.mkdir(parents=True, exist_ok=True)
    arguments = ("--no-isolation", "--outdir", into, root)
    python("build", *arguments, at=into, SOURCE_DATE_EPOCH=moment(root), PYTHONPATH="")
    return sorted(each for each in into.iterdir() if each.name.endswith((".whl", ".tar.gz")))


def bill_of_materials(wheel: Path, into: Path) -> Path:
    """What is installed with a wheel when the pinned packages are, with versions and licences, as CycloneDX."""
    with TemporaryDirectory() as folder:
        environment = Path(folder) / "environment"
        run("uv", "venv", "--quiet", environment)
        install = ("uv", "pip", "install", "--quiet", "--no-deps", "--python", environment / "bin/python")
        run(*install, "--require-hashes", "--requirement", ROOT / PINNED)
        run(*install, wheel)
        told = ("--output-reproducible", "--pyproject", ROOT / "pyproject.toml", "--output-file", into)
        python("cyclonedx_py", "environment", *told, environment / "bin/python")
    return into


def must_be_empty(into: Path) -> None:
    """Raises Unready for a folder with files in it."""
    if into.exists() and any(into.iterdir()):
        raise Unready(f"{into} is not empty: remove what is there, so that nothing old is published")


def everything(root: Path, into: Path) -> list[Path]:
    """All files of a release. Raises Unready when there are other files already."""
    must_be_empty(into)
    version = versions.current(root)
    made = distributions(root, into)
    python("twine", "check", "--strict", *made)
    (wheel,) = (each for each in made if each.suffix == ".whl")
    made.append(bill_of_materials(wheel, into / "homeiq-ingest.cdx.json"))
    page = (root / changelog.PAGE).read_text("utf-8")
    made.append(into / "NOTES.md")
    made[-1].write_text(f"{changelog.section(page, version) or changelog.section(page, changelog.NEXT)}\n", "utf-8")
    sums = "".join(f"{hashlib.sha256(each.read_bytes()).hexdigest()}  {each.name}\n" for each in made)
    made.append(into / "SHA256SUMS")
    made[-1].write_text(sums, "ascii")
    return made


def audit() -> None:
    """Ask the package index which of the pinned packages have known weaknesses.

    Raises Unready when one has, and when it is not said of each: an index that knows nothing of weaknesses finds none.
    """
    quiet = ("--disable-pip", "--require-hashes", "--progress-spinner", "off")
    try:
        python("pip_audit", "--strict", *quiet, "--requirement", ROOT / PINNED)
    except Unready as error:
        raise Unready(f"{error}\nA package has a known weakness, or the index does not say whether it has.") from error
