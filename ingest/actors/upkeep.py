"""What is done from time to time beside the stream: the store is tidied, and the books are reported."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio

from ingest.core import reports
from ingest.core.reconcile import Reconciler
from ingest.core.reports import Emit
from ingest.edge.ledger import Ledger
from ingest.errors import IngestError
from ingest.runtime.garbage import look_now

FIRST_UPKEEP = 60.0
"""Seconds before the store is tidied: a service that is restarted every hour has to tidy, too."""

FIRST_BOOKS = 60.0
BOOKS = 3600.0
"""Seconds between two sentences about the books."""


FIRST_HEARD = 2.0
HEARD = 60.0
"""Seconds between two looks at how far the home is known."""


async def keep_up(
    upkeep: Callable[[], Awaitable[None]] | None, every: float, where: str, emit: Emit, give_back: Callable[[], None]
) -> None:
    """Do the upkeep of the store every so many seconds, soon for the first time. What fails is told, and tried again.

    Then garbage is looked for, and `give_back` called for what is free of the memory: by the first time, what reading a
    home has left.
    """
    await trio.sleep(min(every, FIRST_UPKEEP))
    while True:
        try:
            if upkeep is not None:
                await upkeep()
        except IngestError as problem:
            emit(reports.Notice(f"{where} could not be tidied: {problem}"))
        look_now()
        give_back()
        await trio.sleep(every)


async def keep_books(say: Callable[[], None]) -> None:
    """Say where everything is: after a minute, then every hour."""
    await trio.sleep(FIRST_BOOKS)
    while True:
        say()
        await trio.sleep(BOOKS)


async def keep_map(ledger: Ledger, reconciler: Reconciler) -> None:
    """Write down until when everything is known but the gaps: a run that is killed has its end there."""
    while True:
        await ledger.note(reconciler.note())  # what was dropped, when no change came since that could carry it
        heard_ns = reconciler.heard_ns
        if heard_ns is not None:
            await ledger.heard(heard_ns)
        await trio.sleep(FIRST_HEARD if heard_ns is None else HEARD)
