"""What a release is made of, as far as it can be seen without the programs that make it: versions, changes, what is claimed."""

from __future__ import annotations

import ast
import re
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest

import ingest
from scripts.releasing import changelog, versions
from scripts.releasing.__main__ import unready
from scripts.releasing.tools import ROOT, Unready
from tests.live.ha_install import RELEASES

DECLARED: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
KINDS = [each["directory"] for each in DECLARED["tool"]["towncrier"]["type"]]
FRAGMENTS = sorted(path for path in (ROOT / changelog.FRAGMENTS).iterdir() if path.name != ".gitignore")
PAGE = "# What changed\n\n<!-- the next release comes below this line -->\n"
RELEASED = "## 0.9.0 (2026-01-02)\n\n### Added\n\n- Old.\n"
COMING = "## Next (not released yet)\n\n### Added\n\n- New.\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The files that name a version, alone."""
    for name in [*versions.NAMED, changelog.PAGE]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, tmp_path / name)
    return tmp_path


# ---- the version ---------------------------------------------------------------------------------------------------


def test_everything_that_names_the_version_agrees() -> None:
    assert versions.current(ROOT) == ingest.__version__
    assert versions.disagreeing(ROOT) == {}
    assert set(versions.named(ROOT)) == set(versions.NAMED)
    assert DECLARED["tool"]["hatch"]["version"] == {"path": versions.SOURCE}


def test_no_document_names_it_that_would_be_forgotten() -> None:
    naming = f'"version": "{ingest.__version__}"'
    documents = {
        path.relative_to(ROOT).as_posix() for path in ROOT.glob("docs/**/*.md") if naming in path.read_text("utf-8")
    }
    assert documents <= set(versions.NAMED)


def test_another_version_is_named_everywhere_at_once(checkout: Path) -> None:
    versions.write(checkout, "7.8.9rc1")
    assert set(map(frozenset, versions.named(checkout).values())) == {frozenset({"7.8.9rc1"})}
    (checkout / versions.SOURCE).write_text('"""x"""\n\n__version__ = "7.8.9"\n', "utf-8")
    assert set(versions.disagreeing(checkout)) == set(versions.NAMED) - {versions.SOURCE}


@pytest.mark.parametrize("version", ["0.0.1", "0.1.0.dev1", "nonsense", "v1.0.0", "1.0.0-rc1"])
def test_what_is_no_later_version_is_refused(checkout: Path, version: str) -> None:
    with pytest.raises(Unready, match=re.escape(version)):
        versions.write(checkout, version)
    assert versions.current(checkout) == ingest.__version__


# ---- the changes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [pytest.param(path, id=path.name) for path in FRAGMENTS])
def test_a_fragment_is_a_paragraph_for_users_that_stands_on_the_page(path: Path) -> None:
    assert re.fullmatch(rf"\+[a-z0-9-]+\.({'|'.join(KINDS)})\.md", path.name), (
        f"its name says of what kind it is: {KINDS}"
    )
    text = path.read_text("utf-8")
    assert re.fullmatch(r"(?:\*\*)?[A-Z`](?:[^\n]+\n)+", text), "one paragraph, which begins like a sentence"
    assert text.endswith(".\n")
    # The page is elsewhere, and the release's page on the forge is nowhere near it.
    assert "](" not in text
    page = " ".join((ROOT / changelog.PAGE).read_text("utf-8").split())
    assert " ".join(text.split()) in page, "run ./scripts/release changelog"


def test_what_comes_next_stands_above_what_was_released_and_once() -> None:
    page = changelog.with_section(f"{PAGE}\n{RELEASED}", "## Next (not released yet)\n\n- Draft.\n")
    assert changelog.with_section(page, COMING) == f"{PAGE}\n{COMING}\n{RELEASED}"
    assert changelog.section(page, changelog.NEXT) == "- Draft."


def test_a_release_takes_the_place_of_what_came_next() -> None:
    page = changelog.with_section(f"{PAGE}\n{COMING}\n{RELEASED}", "## 1.0.0 (2026-02-03)\n\n- New.\n")
    assert changelog.section(page, changelog.NEXT) is None
    assert changelog.section(page, "1.0.0") == "- New."
    assert changelog.section(page, "0.9.0") == "### Added\n\n- Old."
    assert changelog.section(page, "0.9") is None


def test_a_page_without_its_mark_is_left_alone() -> None:
    with pytest.raises(Unready, match="put it back"):
        changelog.with_section("# What changed\n", COMING)


def test_a_version_is_released_once_and_only_with_changes(checkout: Path) -> None:
    page = checkout / changelog.PAGE
    page.write_text(f"{PAGE}\n{RELEASED}", "utf-8")
    with pytest.raises(Unready, match="released already"):
        changelog.release(checkout, "0.9.0", "2026-02-03")
    with pytest.raises(Unready, match="has no fragment"):
        changelog.release(checkout, "1.0.0", "2026-02-03")
    assert page.read_text("utf-8") == f"{PAGE}\n{RELEASED}"


def test_the_page_is_where_its_program_is_told() -> None:
    told = DECLARED["tool"]["towncrier"]
    assert (told["filename"], told["directory"]) == (changelog.PAGE, changelog.FRAGMENTS)
    assert told["start_string"] in (ROOT / changelog.PAGE).read_text("utf-8")


def test_what_stands_in_the_way_of_a_release_is_said(checkout: Path) -> None:
    version = ingest.__version__
    page = checkout / changelog.PAGE
    page.write_text(f"{PAGE}\n## {version} (2026-02-03)\n\n- New.\n", "utf-8")
    assert unready(checkout, f"v{version}") == []
    assert "is not v" in unready(checkout, "v99.0.0")[0]
    page.write_text(f"{PAGE}\n{COMING}", "utf-8")
    (checkout / changelog.FRAGMENTS).mkdir()
    (checkout / changelog.FRAGMENTS / "+a.added.md").touch()
    (checkout / "docs/reference/api.md").write_text("", "utf-8")
    said = unready(checkout, f"v{version}")
    assert [each.partition(" ")[0] for each in said] == ["other", changelog.PAGE, f"{changelog.FRAGMENTS}/"]


# ---- what is claimed -----------------------------------------------------------------------------------------------


def rows(heading: str) -> dict[str, str]:
    """A table of the page of what it works with: its first column, and the rest of each row."""
    page = (ROOT / "docs/reference/compatibility.md").read_text("utf-8")
    (part,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    return dict(re.findall(r"^\| ([^|]+?) \| (.*) \|$", part, re.MULTILINE))


def test_every_python_that_is_tested_has_a_row_and_only_those_that_ran_are_claimed() -> None:
    told = rows("Python")
    (written,) = re.findall(r"^PYTHONS = (.*)$", (ROOT / "noxfile.py").read_text("utf-8"), re.MULTILINE)
    tested: list[str] = ast.literal_eval(written)
    assert [each for each in told if each.startswith("3.")] == tested
    ran = {name for name, rest in told.items() if name.startswith("3.") and not rest.startswith("never")}
    prefix = "Programming Language :: Python :: "
    claimed = {
        each.removeprefix(prefix) for each in DECLARED["project"]["classifiers"] if each.startswith(f"{prefix}3.")
    }
    assert claimed == ran
    assert DECLARED["project"]["requires-python"] == f">={tested[0]}"


def test_every_home_assistant_that_the_tests_know_has_a_row() -> None:
    assert set(RELEASES) <= set(rows("Home Assistant"))


@pytest.mark.parametrize("name", ["SECURITY.md", "CONTRIBUTING.md"])
def test_the_forge_finds_what_it_shows_to_who_reports_or_contributes(name: str) -> None:
    assert (ROOT / "docs" / name).is_file()
    assert f"({name})" in (ROOT / "docs/README.md").read_text("utf-8")
