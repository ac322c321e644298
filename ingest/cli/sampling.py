"""Home Assistant's history in samples: it cannot be asked how many states it has.

It is asked for those of some short windows, evenly spread and without attributes; what they hold, times what they are a
part of, is about what all hold.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from attrs import frozen
from msgspec import Raw

from ingest.actors.connection import Connection, within
from ingest.actors.history import History
from ingest.cli.home_asked import silent
from ingest.cli.present import ANSWER
from ingest.core import history, history_query, wire
from ingest.core.coverage import Span
from ingest.core.forecast import Sampled
from ingest.core.history_query import Query
from ingest.errors import Transient

WINDOWS: Final = 24
LONGEST_NS: Final = 600 * 10**9
"""How many windows are looked at, and how long each is at most."""

TOGETHER: Final = 200
"""Entities in one question."""


@frozen
class Sample:
    """The rows of each window by entity. A window is `width_ns` long and stands for `stride_ns`. `rows` are some of them."""

    windows: Sequence[Mapping[str, int]]
    stride_ns: int
    width_ns: int
    rows: Sequence[Sampled] = ()

    @property
    def count(self) -> int:
        """About how many states there are in all of the time."""
        return sum(sum(each.values()) for each in self.windows) * self.stride_ns // self.width_ns

    @property
    def exact(self) -> bool:
        """True when the windows are all of the time."""
        return self.stride_ns == self.width_ns


async def sampled(bulk: Connection, spans: Sequence[Span], keep: int = 0) -> Sample:
    """Look at spans, of which there is one at least; about so many rows are kept, evenly. Raises as the history does."""
    first, last = min(each.after_ns for each in spans), max(each.before_ns for each in spans)
    stride = _ceil(last - first, WINDOWS)
    width = min(stride, LONGEST_NS)
    await History(bulk, silent, time.time_ns).recorder()
    windows, kept = list[Mapping[str, int]](), list[Sampled]()
    for number in range(WINDOWS):
        middle = first + number * stride + (stride - width) // 2
        found = await rows_in(bulk, middle, middle + width, spans)
        counts = Counter[str]()
        for span, rows in found:
            counts[span.entity_id] += len(history.changes_of(span, rows))
        windows.append(counts)
        room = keep * (number + 1) // WINDOWS - len(kept)
        kept += [_state(span, row) for span, rows in found for row in rows if row.state is not None][: max(0, room)]
    return Sample(windows, stride, width, kept)


def _ceil(whole: int, parts: int) -> int:
    """So much that the parts reach to the end."""
    return -(-whole // parts)


def _state(span: Span, row: history.Row) -> Sampled:
    return Sampled(span.entity_id, row.state or "", row.time_ns)


async def rows_in(
    bulk: Connection, from_ns: int, to_ns: int, spans: Iterable[Span]
) -> list[tuple[Span, list[history.Row]]]:
    """The rows of the spans in a window, without attributes. Raises as the history does."""
    there = [each for each in spans if each.after_ns < to_ns and each.before_ns > from_ns]
    found: list[tuple[Span, list[history.Row]]] = []
    for start in range(0, len(there), TOGETHER):
        query = Query(there[start : start + TOGETHER], from_ns, to_ns, to_ns - from_ns)
        with within(ANSWER, "no answer to the history", bulk.socket.where):
            result = await bulk.ask(history_query.COMMAND, **{**query.fields(), "no_attributes": True})
        told = dict(_listed(bulk, result))
        found += [(each, _inside(told.get(each.entity_id, []), from_ns, to_ns)) for each in query.spans]
    return found


def _inside(raws: list[Raw] | wire.Malformed, from_ns: int, to_ns: int) -> list[history.Row]:
    """The rows that lie in the window, each once: a question reaches over it, and windows touch."""
    if not isinstance(raws, list):
        return []
    rows = history.in_order(each for each in history.rows_of(raws) if isinstance(each, history.Row))
    return [each for each in rows if from_ns < each.time_ns <= to_ns]


def _listed(bulk: Connection, result: Raw) -> list[history.Listed]:
    try:
        return list(history.listed(result))
    except wire.Malformed as problem:
        raise Transient(f"the answer of the history cannot be read: {problem}", where=bulk.socket.where) from problem
