"""Where a gap begins, and what is missing when the marks before it are read late. Times in nanoseconds, Home Assistant's."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from ingest.core.coverage import FOREVER, Cause, Mark, Missed, Span
from ingest.core.marks import mark_of, missing_since, named, newest


@frozen
class Beginning:
    """Of a gap that is listed `from_ns` on. Where no state is known before it, it may have begun earlier: at `since_ns`."""

    from_ns: int = 0
    since_ns: int = 0

    @classmethod
    def after(cls, newest_ns: int, heard_ns: int = FOREVER) -> Beginning:
        """What begins after the newest state of the marks, 0 without any; everything was known until `heard_ns`."""
        from_ns = newest_ns or heard_ns % FOREVER
        return cls(from_ns, min(from_ns, heard_ns))


def missed_before(marks: Mapping[str, Mark], firsts: Mapping[str, Mark], from_ns: int) -> list[Span]:
    """What may be missing between the marks and who was seen first afterwards, in a gap that begins at `from_ns`."""
    names, seen = named(marks), {first.entity_id for first in firsts.values()} | firsts.keys()
    spans = []
    for key, first in firsts.items():
        after = missing_since(mark_of(marks, names, key, first.entity_id), from_ns)
        if first.time_ns > after:
            spans.append(Span(first.entity_id, key, after, first.time_ns))
    gone = [mark for key, mark in marks.items() if not seen & {key, mark.entity_id}]
    return spans + [Span(mark.entity_id, mark.registry_id, missing_since(mark, from_ns), FOREVER) for mark in gone]


def missed_late(cause: Cause, marks: Mapping[str, Mark], firsts: Mapping[str, Mark], heard_ns: int) -> list[Missed]:
    """The gap before those that were seen first, when the marks of before are read late; everything is known until `heard_ns`."""
    begins = Beginning.after(newest(marks), heard_ns)
    if not begins.from_ns:
        return []
    to_ns = max((first.time_ns for first in firsts.values()), default=begins.from_ns)
    return [Missed(cause, begins.from_ns, to_ns, tuple(missed_before(marks, firsts, begins.since_ns)))]
