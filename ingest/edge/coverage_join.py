"""The spool and the ledger of one state file, each of which hears of what the other writes."""

from __future__ import annotations

from ingest.edge.disk_spool import DiskSpool
from ingest.edge.ledger import Ledger


def join(spool: DiskSpool, ledger: Ledger) -> None:
    """Have both know each other, before either is used.

    The ledger hears what became of gaps with what the spool wrote, is read before the spool writes, and has the notes of what
    it finds late go with the next batch.
    """
    spool.notes.noted, spool.recall = ledger.noted, ledger.recall
    ledger.owe, ledger.takes_notes = spool.notes.owe, spool.notes.taken
