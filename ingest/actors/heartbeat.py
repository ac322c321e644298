"""Proving now and then that a session stood, so that what did not change can be said again.

Home Assistant answers a ping on the live connection after every change that it had queued for it. So when the answer is
here, all that happened a little before the question is on the link: up to there the filter may carry values forward. It
is asked when the next heartbeat is due and not oftener; a session that does not answer ends, and makes none.
"""

from __future__ import annotations

from typing import Final

import trio

from ingest.actors.connection import Connection, within
from ingest.core.heartbeat import next_after
from ingest.core.home_clock import HomeClock
from ingest.core.rules import Rules
from ingest.core.state import Frame, Source
from ingest.runtime.link import Sender
from ingest.runtime.watch import Watch

LATE_NS: Final = 5_000_000_000
"""How far behind our idea of Home Assistant's clock a heartbeat stays: that is known from what came, and may be off."""

LISTEN: Final = 10.0
"""Seconds between two looks whether that clock is known."""

PONG: Final = 30.0
"""Seconds that Home Assistant has to answer."""


async def prove(live: Connection, link: Sender[Frame], session: int, clock: HomeClock, rules: Watch[Rules]) -> None:
    """Do so for ever, while the rules have heartbeats. `clock` is Home Assistant's.

    Raises `Transient` when no answer comes.
    """
    while not clock.known:  # noqa: ASYNC110  the first change is not worth an event of its own
        await trio.sleep(LISTEN)
    while True:
        await rules.until(lambda now: bool(now.intervals))
        until_ns = clock.now_ns() - LATE_NS
        with within(PONG, "no answer to a ping", live.socket.where):
            await live.ask("ping")
        await link.ready()
        link.put(Frame((), 0, Source.HEARTBEAT, session, until_ns=until_ns))
        # Other rules may have come while it was asked.
        due_ns = min((next_after(until_ns, each) for each in rules.value.intervals), default=until_ns)
        with trio.move_on_after(max(1.0, (due_ns + LATE_NS - clock.now_ns()) / 1e9)):
            await rules.changed()
