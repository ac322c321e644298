"""What the documents point at exists: files, headings, scripts, nox sessions."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
FENCED = re.compile(r"^( *)```.*?^\1```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^()\s]+)\)")
HEADING = re.compile(r"^#+ +(.*)$", re.MULTILINE)
documents = pytest.mark.parametrize("document", [pytest.param(p, id=str(p.relative_to(ROOT))) for p in DOCUMENTS])


def anchors(text: str) -> set[str]:
    """The anchors that a reader's browser gets: lower case, punctuation dropped, a hyphen for each blank."""
    prose = FENCED.sub("", text)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in HEADING.findall(prose)}


def broken(document: Path) -> Iterator[str]:
    for link in LINK.findall(FENCED.sub("", document.read_text("utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = document.parent / name if name else document
        if not target.exists() or (anchor and anchor not in anchors(target.read_text("utf-8"))):
            yield link


@documents
def test_links_lead_somewhere(document: Path) -> None:
    assert list(broken(document)) == []


@documents
def test_scripts_that_are_named_can_be_run(document: Path) -> None:
    named = set(re.findall(r"(?<![\w/])(?:\./)?(scripts/[a-z-]+)(?![\w./-])", document.read_text("utf-8")))
    assert [script for script in sorted(named) if shutil.which(ROOT / script) is None] == []


@documents
def test_sessions_that_are_named_exist(document: Path) -> None:
    sessions = set(re.findall(r"^def ([a-z]+)\(session", (ROOT / "noxfile.py").read_text("utf-8"), re.MULTILINE))
    assert set(re.findall(r"\bnox -s ([a-z]+)", document.read_text("utf-8"))) <= sessions
