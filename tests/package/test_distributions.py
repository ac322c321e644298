"""What is in the wheel and in the sdist, what they say of themselves, and that the same commit gives the same bytes."""

from __future__ import annotations

import os
import shutil
import tarfile
import tomllib
import zipfile
from configparser import ConfigParser
from pathlib import Path, PurePosixPath

import pytest
import trove_classifiers
from packaging.metadata import Metadata
from packaging.requirements import Requirement

import ingest
from scripts.releasing import artifacts
from scripts.releasing.tools import ROOT, python, run

pytestmark = pytest.mark.package

DECLARED = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PROJECT = DECLARED["project"]
SDIST = DECLARED["tool"]["hatch"]["build"]["targets"]["sdist"]
ABOUT = f"homeiq_ingest-{ingest.__version__}.dist-info"


def tracked(*below: str) -> set[str]:
    """The files of the commit, with what is changed and new but not ignored."""
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", *below)
    return {name for name in listed.split("\0") if name and (ROOT / name).is_file()}


def metadata(wheel: Path) -> Metadata:
    with zipfile.ZipFile(wheel) as archive:
        return Metadata.from_email(archive.read(f"{ABOUT}/METADATA"), validate=True)


def test_their_names_say_what_they_are(distributions: dict[str, Path]) -> None:
    assert sorted(path.name for path in distributions.values()) == [
        f"homeiq_ingest-{ingest.__version__}-py3-none-any.whl",
        f"homeiq_ingest-{ingest.__version__}.tar.gz",
    ]


def test_the_wheel_holds_the_package_whole_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        licence = archive.read(f"{ABOUT}/licenses/LICENSE")
    ours = {name for name in names if not name.startswith(f"{ABOUT}/")}
    assert ours == tracked("ingest")
    assert {"ingest/py.typed", "ingest/web/page/index.html", "ingest/web/page/style.css"} <= ours
    assert names - ours == {
        f"{ABOUT}/{each}" for each in ("METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE")
    }
    assert licence == (ROOT / "LICENSE").read_bytes()


def test_the_sdist_holds_what_is_tracked_of_what_a_packager_needs(distributions: dict[str, Path]) -> None:
    with tarfile.open(distributions[".gz"]) as archive:
        members = [each for each in archive if each.isfile()]
    names = {str(PurePosixPath(*PurePosixPath(each.name).parts[1:])) for each in members}
    wanted = tracked(*SDIST["only-include"], "pyproject.toml", "README.md", "LICENSE")
    assert names - {"PKG-INFO", ".gitignore"} == wanted
    assert {".changes", ".ci", ".github", "docs", "ingest", "scripts", "tests"} <= set(SDIST["only-include"])
    assert {(each.uid, each.gid, each.uname) for each in members} == {(0, 0, "")}


def test_the_metadata_is_valid_and_says_what_pyproject_says(wheel: Path) -> None:
    said = metadata(wheel)
    assert (said.name, str(said.version)) == ("homeiq-ingest", ingest.__version__)
    assert str(said.requires_python) == PROJECT["requires-python"]
    assert {str(each) for each in said.requires_dist or ()} == {
        str(Requirement(each)) for each in PROJECT["dependencies"]
    }
    assert (said.license_expression, said.license_files) == ("MIT", ["LICENSE"])
    assert said.classifiers == PROJECT["classifiers"]
    assert set(PROJECT["classifiers"]) <= trove_classifiers.classifiers
    assert (said.description, said.description_content_type) == (
        (ROOT / "README.md").read_text("utf-8"),
        "text/markdown",
    )


def test_it_brings_one_command(wheel: Path) -> None:
    said = ConfigParser()
    with zipfile.ZipFile(wheel) as archive:
        said.read_string(archive.read(f"{ABOUT}/entry_points.txt").decode())
    assert {name: dict(said[name]) for name in said.sections()} == {
        "console_scripts": {"homeiq-ingest": "ingest.cli.main:main"}
    }


def test_the_readme_renders_and_an_index_would_take_both(distributions: dict[str, Path]) -> None:
    assert python("twine", "check", "--strict", *distributions.values()).count("PASSED") == 2


def test_nothing_is_in_the_wheel_that_usually_is_by_mistake(wheel: Path) -> None:
    run("check-wheel-contents", "--toplevel", "ingest", wheel)


def copied(folder: Path, umask: int) -> Path:
    """The checkout's files, as somebody else has them: other times, other rights."""
    before = os.umask(umask)
    try:
        for name in sorted(tracked()):
            (path := folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, path)
            os.utime(path, (umask, umask))
        person = ("-c", "user.name=anybody", "-c", "user.email=anybody@localhost", "-c", "commit.gpgsign=false")
        run("git", "init", "--quiet", at=folder)
        run("git", "add", "--all", at=folder)
        moment = artifacts.moment(ROOT)
        run("git", *person, "commit", "--quiet", "--message=a", at=folder, GIT_COMMITTER_DATE=f"{moment} +0000")
    finally:
        os.umask(before)
    return folder


def test_the_same_commit_gives_the_same_bytes(sources: Path) -> None:
    made = []
    for umask in (0o022, 0o077):
        folder = copied(sources / f"{umask}", umask)
        made.append(artifacts.distributions(folder, sources / f"dist-{umask}"))
    for one, other in zip(*made, strict=True):
        assert one.name == other.name
        assert one.read_bytes() == other.read_bytes()
