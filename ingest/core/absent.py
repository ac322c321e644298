"""Who was not in a snapshot: since when each is missing, until it comes back, in one session. Times in nanoseconds, Home Assistant's."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import define, field

from ingest.core.coverage import Mark, Span


@define
class Absent:
    """`since` says by names for life after when, and `returned` who came back since and when: from then on it comes live."""

    since: dict[str, int] = field(factory=dict)
    returned: dict[str, int] = field(factory=dict)

    def __contains__(self, key: str) -> bool:
        return key in self.since

    def begin(self, gone: Iterable[Mark]) -> None:
        """These are not there, each after the time of its mark."""
        self.since = {mark.registry_id: mark.time_ns for mark in gone}

    def come_back(self, mark: Mark, known_as: str, end_ns: int) -> tuple[Span, ...]:
        """What is missing of an entity, of which this state came live; it had `known_as`, if it has another id by now."""
        spans = self.end(mark, mark.registry_id if mark.registry_id in self.since else known_as, end_ns)
        if spans:
            self.returned[mark.registry_id] = end_ns
        return spans

    def end(self, mark: Mark, key: str, end_ns: int) -> tuple[Span, ...]:
        """What is missing of that entity until then; nothing of who is not absent."""
        after_ns = self.since.pop(key, None)
        return () if after_ns is None else (Span(mark.entity_id, key, after_ns, max(end_ns, after_ns + 1)),)
