"""`scripts/release`: a release, up to but not including its publishing."""

from __future__ import annotations

import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from scripts.releasing import artifacts, changelog, versions
from scripts.releasing.tools import ROOT, Unready, python, run

into = click.option(
    "--into",
    type=click.Path(path_type=Path, file_okay=False),
    default="dist",
    show_default=True,
    help="A folder that is empty or not there.",
)


@click.group()
def release() -> None:
    """Make a release ready. Nothing is published and nothing is pushed: the forge does that when it sees the tag."""


@release.command("changelog")
def draft() -> None:
    """Write what the fragments come to into docs/changelog.md, above all versions."""
    changelog.draft(ROOT)


@release.command()
@click.argument("version")
def prepare(version: str) -> None:
    """Name VERSION everywhere, and turn the fragments into its section of the changelog, dated today."""
    if run("git", "status", "--porcelain"):
        raise Unready("there are changes that are not committed: a release is made of what is")
    changelog.release(ROOT, version, datetime.now(UTC).date().isoformat())
    versions.write(ROOT, version)


@release.command()
@click.argument("tag")
def check(tag: str) -> None:
    """Whether what is here is what TAG says: the version, its changes, and nothing forgotten."""
    for problem in unready(ROOT, tag):
        raise Unready(problem)


@release.command()
@into
def build(into: Path) -> None:
    """Sdist, wheel, bill of materials, notes and sums."""
    for path in artifacts.everything(ROOT, into.absolute()):
        click.echo(f"{path.stat().st_size:>9,}  {path.name}")


@release.command()
def audit() -> None:
    """Ask the package index for known weaknesses of the pinned packages."""
    artifacts.audit()


@release.command()
@click.argument("version")
@into
def rehearse(version: str, into: Path) -> None:
    """All of it in a copy of the last commit, whose files remain: prepare, commit, tag, check, build."""
    artifacts.must_be_empty(into)
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        run("git", "clone", "--quiet", ROOT, copy)
        python("scripts.releasing", "prepare", version, at=copy)
        person = ("-c", "user.name=rehearsal", "-c", "user.email=rehearsal@localhost", "-c", "commit.gpgsign=false")
        run("git", *person, "commit", "--quiet", "--all", "--message", f"Release {version}", at=copy)
        python("scripts.releasing", "check", f"v{version}", at=copy)
        click.echo(python("scripts.releasing", "build", at=copy), nl=False)
        shutil.copytree(copy / "dist", into, dirs_exist_ok=True)


def unready(root: Path, tag: str) -> list[str]:
    """What stands in the way of the release that a tag names."""
    version = versions.current(root)
    found = []
    if tag != f"v{version}":
        found.append(f"the tag {tag} is not v{version}, the version that {versions.SOURCE} names")
    if differing := versions.disagreeing(root):
        found.append(f"other versions are named in {', '.join(differing)}: run ./scripts/release prepare {version}")
    if changelog.section((root / changelog.PAGE).read_text("utf-8"), version) is None:
        found.append(f"{changelog.PAGE} has no section {version}: run ./scripts/release prepare {version}")
    if changelog.fragments(root):
        found.append(
            f"{changelog.FRAGMENTS}/ has changes that are in no release: run ./scripts/release prepare {version}"
        )
    return found


if __name__ == "__main__":
    try:
        release()
    except Unready as error:
        sys.exit(f"release: {error}")
