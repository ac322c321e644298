"""A release, rehearsed: everything up to its publishing, in a copy of what is committed and what is not yet."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import ingest
from scripts.releasing import artifacts, changelog
from scripts.releasing.tools import ROOT, Unready, python, run
from tests.package.apart import wall
from tests.test_locks import pins

pytestmark = pytest.mark.package

PERSON = ("-c", "user.name=anybody", "-c", "user.email=anybody@localhost", "-c", "commit.gpgsign=false")
NEXT = "99.1.0"


@pytest.fixture
def copy(sources: Path) -> Path:
    """This checkout in another folder, everything in it committed."""
    folder = sources / "copy"
    run("git", "clone", "--quiet", ROOT, folder)
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z").split("\0")
    for name in filter(None, listed):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
        else:
            (folder / name).unlink(missing_ok=True)
    commit(folder)
    return folder


def commit(folder: Path) -> None:
    run("git", "add", "--all", at=folder)
    run("git", *PERSON, "commit", "--quiet", "--allow-empty", "--message=all", at=folder)


def test_the_page_shows_what_the_fragments_come_to() -> None:
    page = (ROOT / changelog.PAGE).read_text("utf-8")
    if changelog.fragments(ROOT):
        again = changelog.with_section(page, changelog.rendered(ROOT, changelog.NEXT, "not released yet"))
        assert page == again, "run ./scripts/release changelog and commit what it changes"
    else:
        assert changelog.section(page, changelog.NEXT) is None


def test_a_release_is_rehearsed_from_the_version_to_the_sums(copy: Path, sources: Path) -> None:
    into = sources / "dist"
    if not changelog.fragments(copy):
        (copy / changelog.FRAGMENTS / "+rehearsed.changed.md").write_text("It can be rehearsed.\n", "utf-8")
        commit(copy)
    said = python("scripts.releasing", "rehearse", NEXT, "--into", into, at=copy)
    names = {path.name for path in into.iterdir()}
    assert names == {
        f"homeiq_ingest-{NEXT}-py3-none-any.whl",
        f"homeiq_ingest-{NEXT}.tar.gz",
        "homeiq-ingest.cdx.json",
        "NOTES.md",
        "SHA256SUMS",
    }
    assert all(name in said for name in names)
    lines = (into / "SHA256SUMS").read_text("ascii").splitlines()
    sums = {name: digest for digest, name in (line.split("  ") for line in lines)}
    assert sums.keys() == names - {"SHA256SUMS"}
    for name, digest in sums.items():
        assert hashlib.sha256((into / name).read_bytes()).hexdigest() == digest
    assert (into / "NOTES.md").read_text("utf-8").startswith("### ")
    # The copy it was rehearsed from is as it was.
    assert run("git", "status", "--porcelain", at=copy) == ""


def test_what_is_not_committed_and_a_tag_that_is_another_version_stand_in_the_way(copy: Path) -> None:
    call = (sys.executable, "-m", "scripts.releasing")

    def refused(*arguments: str) -> str:
        done = subprocess.run([*call, *arguments], cwd=copy, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        return done.stderr

    said = refused("check", f"v{NEXT}")
    assert f"the tag v{NEXT} is not v{ingest.__version__}" in said
    (copy / "README.md").write_text("other\n", "utf-8")
    assert "not committed" in refused("prepare", NEXT)


def test_the_bill_of_materials_names_what_is_pinned_with_its_licence(wheel: Path, tmp_path: Path) -> None:
    bill = json.loads(artifacts.bill_of_materials(wheel, tmp_path / "bill.json").read_text("utf-8"))
    assert bill["metadata"]["component"]["name"] == "homeiq-ingest"
    assert bill["metadata"]["component"]["licenses"] == [{"license": {"acknowledgement": "declared", "id": "MIT"}}]
    found = {each["name"].lower().replace("_", "-"): each for each in bill["components"]}
    found.pop("homeiq-ingest", None)
    pinned = pins("requirements.txt")
    assert {name: each["version"] for name, each in found.items()}.items() <= pinned.items()
    assert {"trio", "influxdb-client", "msgspec", "starlette"} <= found.keys()
    assert [name for name, each in found.items() if not each.get("licenses")] == []


def test_where_nobody_says_whether_a_package_has_weaknesses_the_audit_fails(tmp_path: Path) -> None:
    told = {**os.environ, **wall().environment, "XDG_CACHE_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    command = [*wall().before, sys.executable, "-m", "scripts.releasing", "audit"]
    done = subprocess.run(command, cwd=ROOT, env=told, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "or the index does not say whether it has" in done.stderr


def test_into_a_folder_with_other_files_nothing_is_built(tmp_path: Path) -> None:
    (tmp_path / "old.whl").touch()
    with pytest.raises(Unready, match="is not empty"):
        artifacts.everything(ROOT, tmp_path)
