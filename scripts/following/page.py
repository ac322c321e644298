"""A page of the tutorial as what a reader does with it, in its order.

A reader sees, and the follower does:

* a block marked `console`, in the terminal that bold words named last before it (`**In terminal 2:**`; the first one at first):
  - `$ words`: the words are typed;
  - `# again` and when, before such a line: where something else comes by its end, it is typed again a second later, a few times;
  - `question: answer⏎`: the program asks, and is answered with what stands after the last `: `;
  - `^C`, `^Z`: this key is pressed;
  - `…` alone: any lines, or none; at the end of a block: it goes on, and nobody waits for its end;
  - any other line: this is seen (`scripts/following/shown.py` says what may differ);
* `<http://…>` in the text: that page is opened.

A block whose first line is none of the first two goes on with what runs in its terminal. Other blocks (`sh`, `text`) are
not followed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

_FENCE = re.compile(r" *(`{3,})(\w*) *$")
_TERMINAL = re.compile(r"\*\*[^*]*\bterminal (\d)\b[^*]*\*\*")
_OPENED = re.compile(r"<(https?://[^>\s]+)>")

ENTER = "⏎"
ANY = "…"
AGAIN = "# again"
KEYS = {"^C": "\x03", "^Z": "\x1a"}


class Unclear(Exception):  # noqa: N818  it is the page that is
    """The page says something that nobody can follow; the text says where and what."""


@dataclass(frozen=True)
class Typed:
    """A command, and the line of the page that says it; `again`: it may take more than one look until that is seen."""

    line: int
    text: str
    again: bool = False


@dataclass(frozen=True)
class Answered:
    """What a program asks, and what it is told."""

    line: int
    question: str
    answer: str


@dataclass(frozen=True)
class Pressed:
    """A key, by the name that a terminal shows for it."""

    line: int
    key: str


@dataclass(frozen=True)
class Shown:
    """A line that is seen."""

    line: int
    text: str


@dataclass(frozen=True)
class Skipped:
    """Any lines, or none."""

    line: int


Step: TypeAlias = Typed | Answered | Pressed | Shown | Skipped


@dataclass(frozen=True)
class Block:
    """What is done and seen in one terminal, one after the other."""

    terminal: int
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Opened:
    """An address that is opened in a browser."""

    line: int
    address: str


Part: TypeAlias = Block | Opened


def read(text: str) -> list[Part]:
    """What the page has its reader do. Raises `Unclear`."""
    return list(_parts(text.splitlines()))


def _parts(lines: list[str]) -> Iterator[Part]:
    terminal, fence, kind = 1, "", ""
    inside: list[tuple[int, str]] = []
    for number, line in enumerate(lines, 1):
        mark = _FENCE.match(line)
        if not fence and mark:
            fence, kind, inside = mark[1], mark[2], []
        elif fence and mark and mark[1] == fence and not mark[2]:
            if kind == "console":
                yield Block(terminal, tuple(_steps(inside, number)))
            fence = ""
        elif fence:
            inside.append((number, line))
        else:
            for named in _TERMINAL.finditer(line):
                terminal = int(named[1])
            yield from (Opened(number, address) for address in _OPENED.findall(line))
    if fence:
        raise Unclear(f"{len(lines)}: a block is not closed")


def _steps(inside: list[tuple[int, str]], end: int) -> Iterator[Step]:
    steps: list[Step] = []
    again = False
    for number, line in inside:
        if again and not line.startswith("$ "):
            raise Unclear(f"{number}: only a command is typed again")
        if line.startswith(AGAIN):
            again = True
            continue
        steps.append(_step(number, line.rstrip(), again=again))
        again = False
    if again or not steps or isinstance(steps[-1], Answered):
        raise Unclear(f"{end}: a block ends before anything is seen")
    yield from steps


def _step(number: int, line: str, *, again: bool) -> Step:
    if line.startswith("$ "):
        return Typed(number, line[2:], again)
    if line in KEYS:
        return Pressed(number, line)
    if line == ANY:
        return Skipped(number)
    if line.endswith(ENTER):
        question, colon, answer = line.removesuffix(ENTER).rpartition(": ")
        if not colon:
            raise Unclear(f"{number}: no question ends with a colon and a blank before the answer")
        return Answered(number, question + ":", answer)
    return Shown(number, line)
