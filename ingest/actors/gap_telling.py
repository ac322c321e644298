"""Telling the database about the gaps: what changed in the ledger goes with the next batch.

The ledger is looked at now and then, so that a gap that is being filled is written a few times, not with every batch.
If nothing comes from the home, an empty frame carries the news. What is not told at the stop is told at the next start,
together with everything else: the same points once more. `actors/retelling.py` knows what has to be told again before
then. What the filter leaves out of some entities is not a gap of the home.
"""

from __future__ import annotations

import trio

from ingest.core.coverage import Cause
from ingest.core.gap_points import Telling
from ingest.core.point import PointFrame
from ingest.edge.ledger import Ledger
from ingest.runtime.link import Sender

LOOK = 10.0
"""Seconds between two looks."""


async def tell_gaps(ledger: Ledger, telling: Telling, store: Sender[PointFrame]) -> None:
    """Look at the ledger, for ever; closes its end of the link."""
    with store:
        while True:
            telling.look(gap for gap in ledger.gaps if gap.cause is not Cause.FILTERED)
            if telling:
                await store.ready()
                store.put(PointFrame((), 0))
            await trio.sleep(LOOK)
