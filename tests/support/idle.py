"""How long trio's loop waited: what an end that shall come at once may cost is waiting, not a busy machine's slowness."""

from __future__ import annotations

import trio
from attrs import define


@define(eq=False, slots=False)
class Idle(trio.abc.Instrument):
    """Counts the seconds of the real clock in which every task waited, from `begin` on until `end`."""

    seconds: float = 0.0
    _since: float = 0.0

    @classmethod
    def begin(cls) -> Idle:
        made = cls()
        trio.lowlevel.add_instrument(made)
        return made

    def end(self) -> float:
        trio.lowlevel.remove_instrument(self)
        return self.seconds

    def before_io_wait(self, timeout: float) -> None:
        self._since = trio.current_time()

    def after_io_wait(self, timeout: float) -> None:
        self.seconds += trio.current_time() - self._since
