"""Dead letters on their way to disk.

What a store refused is written before its batch leaves the spool: a crash in between repeats, and a line is kept once.
What broke a pure function comes as a report and waits here until `run` writes it.

A file that cannot be written is no error of the pipeline: the letters wait in memory, with a bound of their own, and are
tried again. What does not fit is counted and reported: a letter is never lost without a word.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence

import trio
from attrs import define, field

from ingest.core import reports
from ingest.core.reports import Emit, Report
from ingest.core.store import Rejection
from ingest.edge.letter_file import Bound, Letter, Letters
from ingest.edge.spool_rows import Key
from ingest.edge.spool_trouble import FAILURES
from ingest.runtime.lane import Lane

IN_MEMORY = Bound(2_000, 4 * 1024 * 1024)

RETRY = 5.0
"""Seconds between two attempts to write what waits."""


@define(eq=False)
class DeadLetters:
    """One home's letters of one store and of the stages before it."""

    letters: Letters
    key: Key
    lane: Lane
    now_ns: Callable[[], int]
    emit: Emit
    bound: Bound = IN_MEMORY
    failing: bool = False
    _reason: str = ""
    on_disk: int | None = None
    _waiting: deque[Letter] = field(factory=deque)
    _writing: Sequence[Letter] = ()
    _size: int = 0
    _turn: trio.Lock = field(factory=trio.Lock)
    _came: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot)

    @property
    def waiting(self) -> int:
        """Letters that are not on disk yet."""
        return len(self._waiting) + len(self._writing)

    @property
    def kept(self) -> int | None:
        """How many letters there are; None before the file was looked into."""
        return None if self.on_disk is None else self.on_disk + self.waiting

    async def look(self) -> None:
        """Count those on disk; how many is not known where the file cannot be read."""
        try:
            self.on_disk = await self.lane(self.letters.count)
        except FAILURES:
            self.on_disk = None

    async def bring(self, letters: Sequence[Letter]) -> int:
        """Add those from another file that are not there; returns how many. Raises as `Letters.bring`."""
        # Counted anew each time: in between the store may refuse lines, and their letters are written, too.
        came, used = await self.lane(self.letters.bring, letters)
        self.on_disk = used.letters
        return came

    async def bury(self, rejections: Sequence[Rejection]) -> None:
        """Write what the store refused. When this returns it is on disk, or waits for it, or its loss is told."""
        self._keep(self._letter(self.key.store, each.line, each.reason) for each in rejections)
        await self.flush()  # what memory has no room for goes when the disk did not take it

    def hear(self, report: Report) -> None:
        """Take the change that broke a pure function out of the stream of reports."""
        if isinstance(report, reports.DeadLetter):
            self._keep([self._letter(report.store, report.json, report.traceback)])
            self._shed()

    async def run(self) -> None:
        """Write what waits, whenever something does; for ever."""
        while True:
            if not self._waiting:
                await self._came.park()
            await self.flush()
            if self._waiting:
                await trio.sleep(RETRY)

    async def flush(self) -> None:
        """Try once to write everything that waits."""
        async with self._turn:
            if not self._waiting:
                return
            taken, self._waiting, self._size = self._waiting, deque(), 0
            self._writing = taken
            try:
                dropped, self.on_disk = await self.lane(self._add, taken)
            except FAILURES as error:
                self._give_back(taken)
                self._failed(error)
            except BaseException:
                self._give_back(taken)
                raise
            else:
                self._worked()
                if dropped:
                    self.emit(reports.LettersDropped(dropped, "there is room for so many on disk"))
            finally:
                self._writing = ()

    def _add(self, letters: Sequence[Letter]) -> tuple[int, int]:
        return self.letters.add(letters), self.letters.count()

    async def end(self) -> None:
        """Try once more; what is left then, or when this is cancelled, is gone with the process, and said to be."""
        try:
            await self.flush()
        finally:
            if self._waiting:
                self.emit(reports.LettersDropped(len(self._waiting), "the service ended before they could be written"))

    def _letter(self, store: str, line: str, reason: str) -> Letter:
        return Letter(0, self.key.home, store, self.now_ns(), line, reason)

    def _keep(self, letters: Iterable[Letter]) -> None:
        for letter in letters:
            self._waiting.append(letter)
            self._size += letter.size
        self._came.unpark_all()

    def _give_back(self, taken: Iterable[Letter]) -> None:
        """In front of what came meanwhile."""
        came, self._waiting, self._size = self._waiting, deque(), 0
        self._keep([*taken, *came])
        self._shed()

    def _shed(self) -> None:
        dropped = 0
        while len(self._waiting) > 1 and (len(self._waiting) > self.bound.letters or self._size > self.bound.size):
            self._size -= self._waiting.popleft().size
            dropped += 1
        if dropped:
            self.emit(reports.LettersDropped(dropped, "there is room for so many in memory"))

    def _failed(self, error: Exception) -> None:
        if str(error) != self._reason:  # another reason asks for something else of whoever can mend it
            self.failing, self._reason = True, str(error)
            self.emit(reports.LettersFailing(str(error), len(self._waiting)))

    def _worked(self) -> None:
        if self.failing:
            self.failing, self._reason = False, ""
            self.emit(reports.LettersRecovered())
