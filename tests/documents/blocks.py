"""What stands between fences in the documents, and where."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
FENCE = re.compile(r"( *(?:(?:[-*+]|\d+[.)]) +)?)(`{3,}|~{3,}) *([^`]*)$")
NAMED = re.compile(r"\ba file `([\w.-]+)`")
ITEM = re.compile(r" *([-*+]|\d+[.)]) ")


@frozen
class Block:
    """A fenced block: its page, the line of its fence, the word behind the fence, its text without the indent.

    `file` is the file that the reader is told to write it into: "a file `NAME`" stands in the line above.
    """

    page: str
    line: int
    language: str
    text: str
    file: str = ""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: str, text: str) -> Iterator[Block]:
    """The blocks of a page. One that is never closed is a ValueError that says where."""
    lines, above = enumerate(text.splitlines(), start=1), ""
    for number, line in lines:
        if opened := FENCE.match(line):
            indent, fence, language = opened.groups()
            inside: list[str] = []
            for _, each in lines:
                if re.fullmatch(rf" *{fence[0]}{{{len(fence)},}} *", each):
                    break
                inside.append(each.removeprefix(" " * len(indent)))
            else:
                raise ValueError(f"{page}:{number}: this fence is never closed")
            told = NAMED.search(above)
            shown = "".join(f"{each}\n" for each in inside)
            yield Block(page, number, language.strip(), shown, told[1] if told else "")
        above = line if line.strip() else above


def indented(page: str, text: str) -> Iterator[str]:
    """Where a page shows code by four blanks and not between fences, so that nobody knows in which language it is."""
    inside, above, listed = "", "", False
    for number, line in enumerate(text.splitlines(), start=1):
        fence = FENCE.match(line)
        if inside or fence:
            inside = "" if inside and line.strip().startswith(inside) else inside or (fence[2] if fence else "")
        elif line.startswith("    ") and not above and not listed:
            yield f"{page}:{number}: {line.strip()}"
        if line.strip() and not line.startswith(" "):
            listed = bool(ITEM.match(line))
        above = line.strip()


def all_blocks(*languages: str) -> list[Block]:
    """Every block of the documents that is in one of these languages; of all, when none is named."""
    found = [block for page in PAGES for block in blocks(str(page.relative_to(ROOT)), page.read_text("utf-8"))]
    return [block for block in found if not languages or block.language in languages]
