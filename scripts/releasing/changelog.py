"""The page of changes: made by towncrier from fragments, a file for each change that a user notices."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from scripts.releasing.tools import Unready, python

PAGE: Final = "docs/changelog.md"
FRAGMENTS: Final = ".changes"
NEXT: Final = "Next"
"""What the version is called that the fragments will be in: which one it is turns out when it is released."""

_START: Final = "<!-- the next release comes below this line -->\n"


def fragments(root: Path) -> list[Path]:
    """What was changed since the last release."""
    return sorted((root / FRAGMENTS).glob("*.md"))


def _pattern(version: str) -> re.Pattern[str]:
    return re.compile(rf"^## {re.escape(version)} \((.*?)\)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)


def section(page: str, version: str) -> str | None:
    """What a version's section says, without its heading; None where it has none."""
    found = _pattern(version).search(page)
    return found[2].strip() if found else None


def with_section(page: str, text: str) -> str:
    """The page with another section above all versions, in place of the one for what comes next. Raises Unready without the mark."""
    head, mark, rest = page.partition(_START)
    if not mark:
        raise Unready(f"{PAGE} has no line {_START!r}: put it back above the newest release")
    kept = _pattern(NEXT).sub("", rest).strip()
    return "\n".join(filter(None, [f"{head}{mark}", f"{text.strip()}\n", kept and f"{kept}\n"]))


def rendered(root: Path, version: str, when: str) -> str:
    """What the fragments come to, as the section of a version. Raises Unready without any."""
    if not fragments(root):
        raise Unready(f"nothing was changed since the last release: {FRAGMENTS}/ has no fragment")
    return python("towncrier", "build", "--draft", "--version", version, "--date", when, "--dir", root, at=root)


def draft(root: Path) -> None:
    """Write what will be in the next release into the page; the fragments stay. Raises Unready as `rendered` and `with_section` do."""
    page = root / PAGE
    page.write_text(with_section(page.read_text("utf-8"), rendered(root, NEXT, "not released yet")), "utf-8")


def release(root: Path, version: str, day: str) -> None:
    """Write the section of a version that comes out, and take the fragments away. Raises Unready for one that has a section."""
    page = root / PAGE
    before = page.read_text("utf-8")
    if section(before, version) is not None:
        raise Unready(f"{PAGE} has a section {version}: that version is released already")
    page.write_text(with_section(before, rendered(root, version, day)), "utf-8")
    for path in fragments(root):
        path.unlink()
