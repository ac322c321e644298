"""Which spans are asked about now, and for how much of them. Pure: times in nanoseconds are Home Assistant's, in seconds of any clock."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import define, evolve, field

from ingest.core.coverage import FOREVER, Span
from ingest.core.importing import BETWEEN, whole_microseconds

FORGET: Final = 3600.0
"""So many seconds after the entity of a span that has no end could be asked about, that is forgotten."""


@define
class Gone:
    """Whose spans have no end: they may be back. Each is asked about `patience` seconds after it was looked at first."""

    patience: float
    _due: dict[int, float] = field(factory=dict)

    def __len__(self) -> int:
        return len(self._due)

    def forget(self, now: float) -> None:
        """Those that were due long ago."""
        self._due = {key: due for key, due in self._due.items() if due + FORGET > now}

    def is_due(self, span: Span, now: float, *, tells: bool) -> bool:
        """True when the recorder has written down what happened until it was missed, and the clock `tells` until when to ask."""
        if span.before_ns < FOREVER:
            self._due.pop(span.id, None)
            return True
        return self._due.setdefault(span.id, now + self.patience) <= now and tells


def until(now_ns: int, margin_ns: int) -> int:
    """Until when is asked for what has no end yet: `margin_ns` ago, where no state can be."""
    return whole_microseconds(now_ns - margin_ns) + BETWEEN


def rest(span: Span, until_ns: int, names: Mapping[str, str]) -> Span:
    """What is still to be read of a span; of one that has no end yet, until then. In `names` is who is asked about by another."""
    before_ns = until_ns if span.before_ns >= FOREVER else span.before_ns
    entity_id = names.get(span.registry_id, span.entity_id)
    return evolve(span, entity_id=entity_id, after_ns=span.rest_ns, before_ns=before_ns)
