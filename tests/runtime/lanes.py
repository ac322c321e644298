"""A lane that hangs as a dead disk does: nobody who waits for it can be cancelled."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

import trio
from attrs import define

from ingest.runtime.lane import Lane

T = TypeVar("T")
Args = TypeVarTuple("Args")


@define(eq=False)
class Hanging:
    """Another lane, after `seconds` in which it hangs. `begun` counts the work that did."""

    lane: Lane
    seconds: float = 0.0
    begun: int = 0

    async def __call__(self, work: Callable[[*Args], T], *args: *Args) -> T:
        """Do the work, then."""
        with trio.CancelScope(shield=True):
            if self.seconds:
                self.begun += 1
                await trio.sleep(self.seconds)
            return await self.lane(work, *args)
        raise AssertionError("nobody cancels the shield")
