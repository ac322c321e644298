"""Does what a page says, in its order, and looks whether everything comes as it is shown."""

from __future__ import annotations

import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from scripts.following.page import ANY, KEYS, Answered, Block, Opened, Pressed, Shown, Skipped, Typed, read
from scripts.following.shown import Reader, Seen, compared, filled
from scripts.following.terminal import Terminal

PATIENCE = 180.0
"""Seconds for everything that is waited for; making an environment takes the longest."""

LOOK = 0.1
TIMES = 5
"""How often a command is typed that may be typed again."""

PAUSE = 1.0
"""Seconds before it is."""

ROWS = 8
"""What is told of a terminal that shows something else."""

STOPPED = 148
"""What bash says of a command that Ctrl-Z stopped."""


_KEY = re.compile(r"^\^[CZ]")


class Failed(Exception):  # noqa: N818  a page that cannot be followed
    """Something did not come as the page shows it; the text says where, what was shown and what was got."""


@dataclass
class Seat:
    """A terminal, how much of it was looked at, what is to be seen next, and the line that said so.

    `again`: the last command, while it may be typed again.
    """

    terminal: Terminal
    at: int = 0
    again: Typed | None = None
    wanted: list[Shown | Skipped] = field(default_factory=list)
    line: int = 0

    def rows(self) -> list[str]:
        """What was not looked at yet, without the name of a key that the terminal writes before what comes of it."""
        first, *rest = self.terminal.rows()[self.at :] or [""]
        first = _KEY.sub("", first)
        return [first, *rest] if first.strip() or (rest and not self._is_key()) else rest

    def take(self, rows: int) -> None:
        """So many of `rows` were looked at."""
        self.at += rows + self._is_key()

    def _is_key(self) -> bool:
        """True when the next line is the name of a key, and nothing else."""
        rows = self.terminal.rows()[self.at :]
        return bool(rows and _KEY.fullmatch(rows[0].rstrip()))

    def press(self, key: str) -> None:
        """What is written from now on is looked at, after what stands in the line already."""
        self.at = self.terminal.screen.row + bool(self.terminal.screen.column)
        self.terminal.send(KEYS[key])


@dataclass
class Follower:
    """Somebody who reads one page. `opened` makes a terminal; `reader` learns on the way."""

    name: str
    opened: Callable[[], Terminal]
    reader: Reader
    say: Callable[[str], None] = print
    patience: float = PATIENCE
    seats: dict[int, Seat] = field(default_factory=dict)

    def follow(self, text: str) -> None:
        """Do all of it. Raises `Failed`; `Unclear` before anything is done."""
        parts = read(text)
        try:
            for part in parts:
                if isinstance(part, Opened):
                    self._open(part)
                else:
                    self.play(part)
            for seat in self.seats.values():
                self._end(seat)
        finally:
            for seat in self.seats.values():
                seat.terminal.close()

    def play(self, block: Block) -> None:
        """Do and see what a block says, in its terminal. Raises `Failed`."""
        if block.terminal not in self.seats:
            self.seats[block.terminal] = Seat(self.opened())
        seat = self.seats[block.terminal]
        for step in block.steps:
            seat.line = step.line
            match step:
                case Typed():
                    self._end(seat)
                    self._type(seat, step, block.terminal)
                    seat.again = step if step.again else None
                case Answered():
                    self._answer(seat, step)
                case Pressed():
                    self._see(seat)
                    seat.press(step.key)
                case _:
                    seat.wanted.append(step)
        if isinstance(block.steps[-1], Skipped):
            self._see(seat)
        else:
            self._end(seat)

    # ---- hands ------------------------------------------------------------------------------------------------------

    def _type(self, seat: Seat, step: Typed, number: int) -> None:
        self.say(f"{self.name}:{step.line}: terminal {number} $ {step.text}")
        self._enter(seat, step)

    def _enter(self, seat: Seat, step: Typed) -> None:
        seat.terminal.send(self._filled(step) + "\r")
        seat.at = len(seat.terminal.screen.rows)
        # The prompt that was answered must not be taken for the next one.
        for _ in self._until(seat):
            if len(seat.terminal.screen.rows) > seat.at:
                return
        raise self._failed(step.line, "the terminal does not take this", step.text, seat.rows())

    def _answer(self, seat: Seat, step: Answered) -> None:
        wanted = [*seat.wanted, Shown(step.line, step.question)]
        for _ in self._until(seat):
            if compared(wanted, seat.rows(), self.reader, whole=True).agrees:
                break
            if seat.terminal.status() is not None:
                raise self._failed(step.line, "it is not asked", step.question, seat.rows())
        else:
            raise self._failed(step.line, "it is not asked", step.question, seat.rows())
        seat.at, seat.wanted = len(seat.terminal.screen.rows), []
        seat.terminal.send(self._filled(step) + "\r")

    def _filled(self, step: Typed | Answered) -> str:
        text = step.text if isinstance(step, Typed) else step.answer
        try:
            return filled(text, self.reader.known)
        except KeyError as name:
            raise Failed(f"{self.name}:{step.line}: nobody has said what {name.args[0]} is") from None

    def _open(self, part: Opened) -> None:
        self.say(f"{self.name}:{part.line}: opens {part.address}")
        if urlsplit(part.address).hostname not in {"127.0.0.1", "localhost"}:
            raise Failed(f"{self.name}:{part.line}: {part.address} is not on this machine")
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        wish = urllib.request.Request(part.address, headers={"Accept": "text/html"})
        end, problem = time.monotonic() + self.patience, ""
        while time.monotonic() < end:
            try:
                with direct.open(wish, timeout=self.patience) as answer:
                    if "html" in answer.headers.get("Content-Type", ""):
                        return
                    problem = "it is no page"
            except (urllib.error.URLError, OSError) as error:
                problem = str(error)
            time.sleep(LOOK)
        raise Failed(f"{self.name}:{part.line}: {part.address}: {problem}")

    # ---- eyes -------------------------------------------------------------------------------------------------------

    def _see(self, seat: Seat) -> None:
        """Wait for all that is to be seen by now; what runs goes on."""
        seen = Seen(0)
        for _ in self._until(seat):
            ended = seat.terminal.status() is not None
            seen = compared(seat.wanted, seat.rows(), self.reader, whole=False)
            if seen.agrees:
                break
            if ended:
                raise self._differs(seat, seen)
        else:
            raise self._differs(seat, seen)
        self._learn(seat, seen)
        seat.wanted = seat.wanted[-1:] if seat.wanted and isinstance(seat.wanted[-1], Skipped) else []

    def _end(self, seat: Seat) -> None:
        """Wait for the end of what runs, which must have shown what is to be seen and nothing else, and be no failure.

        What may be typed again is, until it does or has been often enough.
        """
        step, seat.again = seat.again, None
        for left in reversed(range(TIMES if step else 1)):
            try:
                self._see_the_end(seat)
                break
            except Failed:
                if not left or not step or seat.terminal.status() is None:
                    raise
            for _ in self._until(seat, PAUSE):
                pass
            self._enter(seat, step)

    def _see_the_end(self, seat: Seat) -> None:
        for _ in self._until(seat):
            if (status := seat.terminal.status()) is not None:
                break
        else:
            seen = compared(seat.wanted, seat.rows(), self.reader, whole=False)
            if not seen.agrees:
                raise self._differs(seat, seen)
            raise self._failed(seat.line, "it does not end", "", seat.rows())
        seen = compared(seat.wanted, seat.rows(), self.reader, whole=True)
        if not seen.agrees:
            raise self._differs(seat, seen)
        if status not in {0, STOPPED}:
            raise self._failed(seat.line, f"it ended with {status}", "", seat.rows())
        self._learn(seat, seen)
        seat.wanted = []

    def _learn(self, seat: Seat, seen: Seen) -> None:
        seat.take(seen.rows)
        self.reader = self.reader.knowing(seen.learnt)

    def _until(self, seat: Seat, patience: float | None = None) -> Iterator[None]:
        """A turn after every look at the terminal, until patience (seconds; else all of it) is at its end."""
        end = time.monotonic() + (self.patience if patience is None else patience)
        while True:
            seat.terminal.look(LOOK)
            for other in self.seats.values():
                other.terminal.look(0)  # a terminal that nobody reads holds up what writes to it
            yield
            if time.monotonic() >= end:
                return

    def _differs(self, seat: Seat, seen: Seen) -> Failed:
        rows = seat.rows()[seen.rows :]
        if seen.missing is None:
            return self._failed(seat.line, "there is more than is shown", "", rows)
        return self._failed(seen.missing.line, "this is not seen", seen.missing.text, rows)

    def _failed(self, line: int, what: str, shown: str, rows: Sequence[str]) -> Failed:
        """What a person needs to mend page or program; what is the reader's own, such as a token, is not told."""
        got = "\n".join(f"    {self._veiled(row)}" for row in rows[:ROWS]) or "    (nothing)"
        return Failed(
            f"{self.name}:{line}: {what}" + (f"\n  shown:\n    {shown}" if shown else "") + f"\n  got:\n{got}"
        )

    def _veiled(self, row: str) -> str:
        for name, value in self.reader.known.items():
            row = row.replace(value, name)
        return row


@contextmanager
def beside(terminal: Terminal, command: str, shown: Sequence[str], reader: Reader) -> Iterator[Reader]:
    """A command that runs in a terminal of its own while the block does; what was learnt of the lines that it shows."""
    follower = Follower("beside", lambda: terminal, reader, say=lambda _: None)
    seat = follower.seats[1] = Seat(terminal)
    try:
        seen = (Skipped(0) if line == ANY else Shown(0, line) for line in shown)
        follower.play(Block(1, (Typed(0, command), *seen, Skipped(0))))
        yield follower.reader
    finally:
        seat.terminal.close()
