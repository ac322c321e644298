"""Tables and small plots as plain text: pure. Nothing but characters: they survive a log, a mail and a pipe.

What is in a cell or names a lane may be the text of a state: what a terminal would obey is not let through.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from ingest.core.words import printable

BLOCKS = " ▁▂▃▄▅▆▇█"
BRAILLE = 0x2800
DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
"""The bits of a braille character: left and right column, from the top down."""

GAP = "  "


def table(head: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> list[str]:
    """Lines of a table with its columns aligned; `right` names the columns that are set to the right."""
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(len(row[at]) for row in [head, *rows]) for at in range(len(head))]
    return [_aligned(row, widths, right) for row in [head, *rows]]


def _aligned(row: Sequence[str], widths: Sequence[int], right: Sequence[int]) -> str:
    cells = (
        cell.rjust(width) if at in right else cell.ljust(width)
        for at, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return GAP.join(cells).rstrip()


def number(value: float | None) -> str:
    """Short enough for a column: four significant digits after the thousands; `–` for what is not known."""
    if value is None:
        return "–"
    text = f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return "0" if text == "-0" else text


def columns(width: int, labels: Sequence[str]) -> int:
    """How many values a plot of `width` characters can show beside its labels."""
    return max(2, 2 * (width - max(map(len, labels)) - len(" ┤")))


def curve(values: Sequence[float | None], labels: tuple[str, str], height: int = 8) -> list[str]:
    """A line in braille dots, two values to a character; None leaves a hole. Labels: of the greatest and the least."""
    known = [value for value in values if value is not None]
    low, high = (min(known), max(known)) if known else (0.0, 0.0)
    dots = 4 * height
    levels = [None if value is None else _level(value, low, high, dots) for value in values]
    canvas = [[0] * ((len(values) + 1) // 2) for _ in range(height)]
    for at, (before, level) in enumerate(pairwise([None, *levels])):
        for dot in _strokes(before, level):
            canvas[dot // 4][at // 2] |= DOTS[at % 2][dot % 4]
    return [_labelled(line, row, labels, height) for row, line in enumerate(canvas)]


def _level(value: float, low: float, high: float, dots: int) -> int:
    """The dot's distance from the top; a flat line lies in the middle."""
    if high <= low:
        return dots // 2
    return round((dots - 1) * ((high - value) / (high - low)))


def _strokes(before: int | None, level: int | None) -> Sequence[int]:
    if level is None:
        return ()
    if before is None or before == level:
        return (level,)
    return range(before + 1, level + 1) if before < level else range(level, before)


def _labelled(line: Sequence[int], row: int, labels: tuple[str, str], height: int) -> str:
    width = max(map(len, labels))
    label = {0: labels[0], height - 1: labels[1]}.get(row, "")
    dots = "".join(chr(BRAILLE + cell) if cell else " " for cell in line)
    return f"{label:>{width}} {'┤' if label else '│'}{dots}".rstrip()


def lanes(shares: Sequence[Mapping[str, float]], states: Sequence[str]) -> list[str]:
    """One line a state; each character is as full as the share (0 to 1) of its time that the state had."""
    width = max(map(len, states), default=0)
    return [
        f"{printable(state):>{width}} │{''.join(_block(share.get(state, 0.0)) for share in shares)}".rstrip()
        for state in states
    ]


def _block(share: float) -> str:
    full = len(BLOCKS) - 1
    # A moment must be seen: anything is at least the lowest block.
    return BLOCKS[0] if share <= 0 else BLOCKS[max(1, min(full, round(share * full)))]


def lasting(seconds: float) -> str:
    """A duration in its two greatest units: `3 h 20 min`."""
    if seconds < 1:
        return f"{seconds:.2g} s"
    left, parts = round(seconds), list[str]()
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        amount, left = divmod(left, size)
        if amount:
            parts.append(f"{amount} {unit}")
        elif parts:
            break
    return " ".join(parts[:2])
