"""What a page shows against what a terminal shows: every word, and a few things that are another each time.

In a shown line

* a number, with its commas and points, stands for any number (so do dates and times, which are made of numbers), one with a
  letter fixed to it only for one with the same letter; a sign before it, for any sign or none;
* the word after a number may lack its `s`: `5 states` stands for `1 state`, too;
* `http://HOST:PORT`, or with `ws`, stands for any host and port, what follows for itself;
* `/home/me` stands for the home folder;
* a run of blanks stands for any run of blanks, at the beginning of a line for none, too: columns are as wide as their numbers;
* the dots of a curve (braille) stand for any curve;
* `‹name›` stands for something of the reader's, one character or more. The same name is the same thing on the whole page, and
  typed it is that.

Everything else stands for itself, letter by letter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from scripts.following.page import Shown, Skipped

HOME = "/home/me"

_PART = re.compile(
    r"(?P<name>‹[^›]+›)"
    r"|(?P<address>(?:https?|wss?)://[\w.\-]+(?::\d+)?)"
    rf"|(?P<home>{HOME}(?![\w.\-]))"
    r"|(?P<curve> *[⠀-⣿](?:[⠀-⣿ ]*[⠀-⣿])?)"
    r"|(?P<plural>(?<=\d [a-z])[a-z]*s\b)"
    r"|(?P<zone>(?<=\d)[+\-]\d\d:\d\d)"
    r"|(?P<number>(?<![\w.])(?:[+\-−](?=\d))?\d+(?:[.,]\d+)*)"
    r"|(?P<digits>\d+)"
    r"|(?P<blanks> +)"
    r"|(?P<other>.)",
    re.DOTALL,
)
_ANY = {
    "address": r"(?:https?|wss?)://[\w.\-]+(?::\d+)?",
    "curve": r"[⠀-⣿ ]*",
    "zone": r"[+\-]\d\d:\d\d",
    "number": r"[+\-−]?\d+(?:[.,]\d+)*",
    "digits": r"\d+",
    "blanks": " +",
}
"""What a part of a shown line stands for that is another each time."""


@dataclass(frozen=True)
class Reader:
    """What is the reader's: the home folder, and the things that the page names."""

    home: str
    known: Mapping[str, str] = field(default_factory=dict)

    def knowing(self, more: Mapping[str, str]) -> Reader:
        """The same reader, who has learnt something."""
        return Reader(self.home, {**self.known, **more})


def pattern(text: str, reader: Reader) -> re.Pattern[str]:
    """What a line must be to be the one that is shown. Groups `n0`, `n1`, … are the things that are not known yet."""
    new: dict[str, str] = {}
    parts = (_part(str(found.lastgroup), found[0], reader, new) for found in _PART.finditer(text.strip()))
    return re.compile(f"\\s*{''.join(parts)}\\s*")


def _part(kind: str, text: str, reader: Reader, new: dict[str, str]) -> str:
    if kind == "home":
        return re.escape(reader.home)
    if kind == "plural":
        return f"{text}?"
    if kind != "name":
        return _ANY.get(kind) or re.escape(text)
    if text in reader.known:
        return re.escape(reader.known[text])
    if text in new:
        return f"(?P={new[text]})"
    new[text] = f"n{len(new)}"
    return rf"(?P<{new[text]}>\S(?:.*?\S)??)"


def names(text: str) -> list[str]:
    """The things of the reader's that a text names, each once, in their order."""
    return list(dict.fromkeys(re.findall(r"‹[^›]+›", text)))


def filled(text: str, known: Mapping[str, str]) -> str:
    """The text as it is typed. Raises KeyError with the name of what is not known."""
    return re.sub(r"‹[^›]+›", lambda found: known[found[0]], text)


@dataclass(frozen=True)
class Seen:
    """How far rows agree with what is shown: `rows` of them, and what was learnt of the reader's things.

    `missing` is the first shown line that they do not have; `more`: they have something that is not shown.
    """

    rows: int
    learnt: Mapping[str, str] = field(default_factory=dict)
    missing: Shown | None = None
    more: bool = False

    @property
    def agrees(self) -> bool:
        """True when everything that is shown is there, and what must be all is all."""
        return self.missing is None and not self.more


def compared(shown: Sequence[Shown | Skipped], rows: Sequence[str], reader: Reader, *, whole: bool) -> Seen:
    """The rows against the shown lines; `whole`: the rows are all that there will be, and must all be shown."""
    at, learnt = 0, dict[str, str]()
    chunks = list(_chunks(shown))
    closed = whole and not (shown and isinstance(shown[-1], Skipped))
    for index, (free, chunk) in enumerate(chunks):
        last = closed and index == len(chunks) - 1
        found = _placed(chunk, rows[at:], reader.knowing(learnt), free=free, last=last)
        if found.missing is not None:
            return Seen(at + found.rows, learnt, found.missing)
        at, learnt = at + found.rows, {**learnt, **found.learnt}
    return Seen(at, learnt, more=closed and at < len(rows))


def _chunks(shown: Sequence[Shown | Skipped]) -> Iterator[tuple[bool, list[Shown]]]:
    """Lines that follow each other at once, and whether there may be others before them."""
    free, chunk = False, list[Shown]()
    for step in shown:
        if isinstance(step, Shown):
            chunk.append(step)
            continue
        if chunk:
            yield free, chunk
        free, chunk = True, []
    if chunk:
        yield free, chunk


def _placed(chunk: Sequence[Shown], rows: Sequence[str], reader: Reader, *, free: bool, last: bool) -> Seen:
    """Where the chunk is among the rows: at their beginning, or anywhere; the `last` of all at their end.

    Where it is not, as far as it came at best.
    """
    begins = pattern(chunk[0].text, reader).fullmatch
    end = len(rows) - len(chunk)
    places = [end] if free and last else range(len(rows)) if free else [0]
    best = Seen(0, missing=chunk[0])
    for place in places:
        if 0 <= place < len(rows) and begins(rows[place]):
            found = _fitting(chunk, rows[place:], reader)
            if found.missing is None:
                return Seen(place + found.rows, found.learnt)
            best = max(best, Seen(place + found.rows, missing=found.missing), key=lambda seen: seen.missing.line)  # type: ignore[union-attr]
    return best


def _fitting(chunk: Sequence[Shown], rows: Sequence[str], reader: Reader) -> Seen:
    """How many lines of the chunk the rows begin with."""
    for fits, line in enumerate(chunk):
        if fits >= len(rows) or (found := pattern(line.text, reader).fullmatch(rows[fits])) is None:
            return Seen(fits, missing=line)
        new = [name for name in names(line.text) if name not in reader.known]
        reader = reader.knowing({name: found[f"n{index}"] for index, name in enumerate(new)})
    return Seen(len(chunk), reader.known)
