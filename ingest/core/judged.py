"""What came together, and what became of it in the filter: what everybody is told who looks on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from attrs import frozen

from ingest.core.point import Point
from ingest.core.state import Change, Source

Verdict: TypeAlias = Point | str | None
"""A change's point when it is stored, the name of the rule that leaves it out, or None: stored already."""


@frozen
class Judged:
    """Changes in their order, with a verdict for each. `rules` are the names of those that let points through, one for each.

    The changes' raw parts keep the whole frame alive: who keeps one beyond the call that tells it copies what it needs.
    """

    source: Source
    changes: Sequence[Change]
    verdicts: Sequence[Verdict]
    rules: Sequence[str] = ()
