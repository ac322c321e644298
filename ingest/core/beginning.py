"""Where a gap begins, and what is missing when the marks before it are read late. Times in nanoseconds, Home Assistant's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import frozen

from ingest.core.coverage import FOREVER, Cause, Mark, Missed, Span
from ingest.core.marks import mark_of, missing_since, named, newest

LAG_NS: Final = 65_000_000_000
"""So far the newest mark may be beyond what was written down as heard, which is done once a minute.

By that much a future goes unnoticed.
"""


def known_until(newest_ns: int, heard_ns: int) -> int:
    """Until when everything is known of a run that is over: until its newest mark, 0 without any, or until `heard_ns`.

    A mark far beyond what was heard may be from a future that Home Assistant's clock was set back from. In a home that was
    silent for long it may be right. But a gap that begins too late hides what the recorder has thrown away; one that begins
    too early does not.
    """
    return newest_ns if 0 < newest_ns <= heard_ns + LAG_NS else heard_ns % FOREVER


@frozen
class Beginning:
    """Of a gap that is listed `from_ns` on. Where no state is known before it, it may have begun earlier: at `since_ns`.

    The newest state that is known before it is of `newest_ns`: that may be later.
    """

    from_ns: int = 0
    since_ns: int = 0
    newest_ns: int = 0

    @classmethod
    def after(cls, newest_ns: int, heard_ns: int = FOREVER) -> Beginning:
        """What begins after the newest state of the marks, 0 without any; everything was known until `heard_ns`."""
        from_ns = known_until(newest_ns, heard_ns)
        return cls(from_ns, min(from_ns, heard_ns), max(from_ns, newest_ns))


def missed_before(marks: Mapping[str, Mark], firsts: Mapping[str, Mark], from_ns: int) -> list[Span]:
    """What may be missing between the marks and who was seen first afterwards, in a gap that begins at `from_ns`."""
    names, seen = named(marks), {first.entity_id for first in firsts.values()} | firsts.keys()
    spans = []
    for key, first in firsts.items():
        after = missing_since(mark_of(marks, names, key, first.entity_id), from_ns, first.time_ns)
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
