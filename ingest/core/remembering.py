"""What a new run begins with: what the last one left behind."""

from __future__ import annotations

from ingest.core.coverage import Cause, Note
from ingest.core.ledger import Remembered
from ingest.core.marks import newest
from ingest.core.reconcile import Reconciler


def reconciler(remembered: Remembered, *, loaded: bool = True) -> Reconciler:
    """What a new run begins with: the marks of the last one, and how that ended; not `loaded`, they come late."""
    made = Reconciler()
    _remember(made, remembered)
    if not loaded:
        made.forget_nothing()
    return made


def remembered_late(known: Reconciler, remembered: Remembered) -> Note:
    """Add what could not be read at the start; returns what becomes true with it."""
    _remember(known, remembered)
    return known.note()


def _remember(known: Reconciler, remembered: Remembered) -> None:
    marks, coverage = {mark.registry_id: mark for mark in remembered.marks}, remembered.coverage
    known.excluded.remember(remembered.excluded)
    known.remember(marks, ended(remembered), newest(marks) if coverage is None else coverage.heard_ns)


def ended(remembered: Remembered) -> Cause:
    """Whether the last run was stopped or killed; a first run counts as after a stop."""
    stopped = remembered.coverage is None or remembered.coverage.stopped
    return Cause.STOPPED if stopped else Cause.KILLED
