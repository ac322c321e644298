"""Work that goes on when the task that asked for it leaves.

    session ──wants──▶ errand ──▶ lane ──▶ a disk that hangs
       └── is cancelled: the work goes on, in a nursery that outlives the session

A lane's work cannot be cancelled, so a task that waits for it hangs with it. Here another task waits, and sees the work
through: what it writes is written once, and is noted. Its result is not handed to the next one that asks, which may
want something else by then.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar, TypeVarTuple

import trio
from attrs import define, field

T = TypeVar("T")
Args = TypeVarTuple("Args")


@define(eq=False)
class Errand:
    """Does one piece of work at a time in `nursery`, where an error of it arrives; who comes meanwhile waits."""

    nursery: trio.Nursery
    _over: trio.Event = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._over = trio.Event()
        self._over.set()

    async def __call__(self, work: Callable[[*Args], Awaitable[T]], *args: *Args) -> T:
        """What the work returns. Who is cancelled leaves at once; what was not begun by then is not begun.

        Raises `trio.BrokenResourceError` when the nursery has ended before the work.
        """
        while not self._over.is_set():
            await self._over.wait()
        over = self._over = trio.Event()
        found: list[T] = []

        async def see_through() -> None:
            try:
                found.append(await work(*args))
            finally:
                over.set()

        self.nursery.start_soon(see_through, name="errand")
        await over.wait()
        if not found:
            # Who is in the nursery is cancelled with it.
            await trio.lowlevel.checkpoint_if_cancelled()
            raise trio.BrokenResourceError("nobody is left who could see this through")
        return found[0]
