"""What an end that shall come at once may cost: what it waited and what it worked, but not what a busy machine let it stand."""

from __future__ import annotations

import time

import trio
from attrs import define, field


@define(eq=False, slots=False)
class Spent(trio.abc.Instrument):
    """Counts, from `begin` on until `end`, the seconds in which every task waited and those of processor time, in trio's thread."""

    _waited: float = 0.0
    _since: float = 0.0
    _worked: float = field(factory=time.thread_time)

    @classmethod
    def begin(cls) -> Spent:
        made = cls()
        trio.lowlevel.add_instrument(made)
        return made

    def end(self) -> float:
        trio.lowlevel.remove_instrument(self)
        return self._waited + time.thread_time() - self._worked

    def before_io_wait(self, timeout: float) -> None:
        self._since = time.monotonic()

    def after_io_wait(self, timeout: float) -> None:
        self._waited += time.monotonic() - self._since
