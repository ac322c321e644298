"""A change and what became of it in the filter: what everybody is told who looks on."""

from __future__ import annotations

from msgspec import Struct

from ingest.core.point import Point
from ingest.core.state import Change, Source


class Judged(Struct, frozen=True, gc=False):
    """One change. `verdict` is its point when it is stored, the name of the rule that leaves it out, or None: stored already.

    Its raw parts keep the whole frame alive: who keeps one beyond the call that tells it copies what it needs.
    """

    change: Change
    source: Source
    verdict: Point | str | None
