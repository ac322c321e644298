"""What a terminal shows: as much of an emulator as a progress bar and a live display need, on a page without a lower end."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_PART = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])|(\r)|(\n)|(\x1b[^\[])|([^\x1b\r\n]+)")
_UNFINISHED = re.compile(r"\x1b(\[[?\d;]*)?\Z")


@dataclass
class Screen:
    """Lines of any length; the cursor moves as programs move it."""

    rows: list[str] = field(default_factory=lambda: [""])
    row: int = 0
    column: int = 0
    _rest: str = ""

    def feed(self, text: str) -> None:
        """What a program wrote; a sequence may come in pieces."""
        text = self._rest + text
        cut = _UNFINISHED.search(text)
        self._rest = cut[0] if cut else ""
        for found in _PART.finditer(text.removesuffix(self._rest) if self._rest else text):
            self._take(found)

    def _take(self, found: re.Match[str]) -> None:
        numbers, letter, back, feed, _, text = found.groups()
        if back:
            self.column = 0
        elif feed:
            self.row += 1
        elif letter == "A":
            self.row = max(0, self.row - int(numbers or 1))
        elif letter == "K":
            kept = "" if numbers == "2" else self.rows[self.row][: self.column]
            self.rows[self.row] = kept
        elif text:
            self._write(text.replace("\x07", "").replace("\x08", ""))
        self.rows += [""] * (self.row + 1 - len(self.rows))

    def _write(self, text: str) -> None:
        line = self.rows[self.row].ljust(self.column)
        end = self.column + len(text)
        self.rows[self.row] = line[: self.column] + text + line[end:]
        self.column = end
