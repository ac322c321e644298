"""Tables for whoever reads them: beside each other where there is room, else what is long in lines of its own.

a pipe               one line an entry with everything in it, however long: for `grep` and the like
a wide terminal      the same, when it fits
a narrow terminal    the short columns, and under each line what does not fit
"""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Sequence

from attrs import frozen

from ingest.core.plot import GAP, table
from ingest.core.words import LAYOUT, printable

INDENT = "    "


@frozen
class Columns:
    """The names of columns; `right` are those that are set to the right."""

    head: Sequence[str]
    right: Sequence[int] = ()


@frozen
class Entry:
    """One line of a table: all its cells; and, where that is too wide, the cells of a narrow one and what is said under them."""

    cells: Sequence[str]
    narrow: Sequence[str]
    under: Sequence[str]


def terminal() -> int | None:
    """How many characters a line may have; None when nobody looks at a terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def listing(whole: Columns, narrow: Columns, entries: Sequence[Entry], width: int | None) -> list[str]:
    """The lines of a table that is `width` wide at most. In a narrow one the first column gives way."""
    lines = table(whole.head, [each.cells for each in entries], whole.right)
    if width is None or max(map(len, lines)) <= width:
        return lines
    rows = [each.narrow for each in entries]
    rest = sum(len(GAP) + max(len(row[at]) for row in [narrow.head, *rows]) for at in range(1, len(narrow.head)))
    rows = [(shortened(first, max(width - rest, 1)), *others) for first, *others in rows]
    head, *lines = table(narrow.head, rows, narrow.right)
    return [head, *(part for line, each in zip(lines, entries, strict=True) for part in [line, *under(each, width)])]


def under(entry: Entry, width: int) -> list[str]:
    """What is said under a line: each on lines of its own."""
    return [INDENT + line for each in entry.under for line in wrapped(each, width - len(INDENT))]


def wrapped(text: str, width: int | None) -> list[str]:
    """The text in lines of so many characters; words stay whole, but for those that are longer than a line."""
    text = printable(text, LAYOUT)
    return [text] if width is None else textwrap.wrap(text, max(width, 1), break_on_hyphens=False)


def shortened(text: str, most: int) -> str:
    """At most so many characters: without the middle, because names differ in their ends."""
    if len(text) <= most:
        return text
    left = most // 2
    return f"{text[:left]}…{text[len(text) - (most - left - 1) :]}" if most > 1 else "…"
