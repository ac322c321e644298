"""What an audience is made of: clients, the groups of those that want the same, and the frames that wait for them."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Final, TypeAlias

import trio
from attrs import define, field, frozen

from ingest.core.channels import Wants
from ingest.edge.websocket_server import Shared

REASONS: Final[Mapping[str, str]] = {
    "slow": "it does not read as fast as the home changes",
    "stalled": "it does not read",
    "memory": "too much waits for all of them, and most of it for this one",
    "full": "there are as many as may be",
    "broken": "the live events broke: look at the log, and report it",
}
"""Why a client is dropped, or not let in."""

Since: TypeAlias = tuple[int, int]
"""Events of the next frame, and omitted ones, that came before."""

START: Final[Since] = (0, 0)


@frozen
class Bounds:
    """Seconds between two frames; events and bytes of a frame; frames and bytes that wait for one client.

    `held`: bytes that wait for all of them together, each frame counted once.
    """

    every: float = 0.25
    events: int = 2000
    frame: int = 512 * 1024
    frames: int = 32
    waiting: int = 2 * 1024 * 1024
    held: int = 16 * 1024 * 1024


@define(eq=False)
class Frame:
    """A message that waits for `holders` clients."""

    text: Shared
    holders: int = 0


@define(eq=False)
class Group:
    """The clients that want the same, since when each does, and what came for them since the last frame."""

    wants: Wants
    clients: dict[Client, Since] = field(factory=dict)
    events: list[bytes] = field(factory=list)
    size: int = 0
    omitted: int = 0

    @property
    def now(self) -> Since:
        """What is new for somebody who comes now begins here."""
        return len(self.events), self.omitted

    def takes(self, event: bytes, bounds: Bounds) -> bool:
        """Add it to the next frame; False when that is full."""
        if len(self.events) >= bounds.events or self.size + len(event) > bounds.frame:
            return False
        self.events.append(event)
        self.size += len(event)
        return True


@define(eq=False)
class Client:
    """One client. `dropped` is why, once it is."""

    queue: deque[Frame] = field(factory=deque)
    size: int = 0
    group: Group | None = None
    dropped: str | None = None
    woken: trio.Event = field(factory=trio.Event)
