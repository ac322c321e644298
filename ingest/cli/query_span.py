"""The span and the rows of `query`: where they begin, and what they are read from."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import click
from attrs import frozen

from ingest.cli.moments import SECOND_NS, check_past, local, parse_moment, parse_span
from ingest.core.rollup import Bucket, fold
from ingest.core.state import HOUR_NS, nanoseconds
from ingest.edge.embedded_read import Entity, Reader

STEPS = tuple(
    minutes * 60 * SECOND_NS for minutes in (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1_440, 10_080, 43_200)
)
"""Spans that read well as rows of a table, in nanoseconds."""

ROWS = 25
LONG_NS = 8 * 24 * HOUR_NS
"""Longer spans are read from the roll-up."""


@frozen
class Window:
    """The span and the step of a table, in nanoseconds."""

    start_ns: int
    end_ns: int
    every_ns: int


def window(since: str, until: str | None, every: str | None) -> Window:
    """The span that is asked for, from the beginning of a row on. Raises click.BadParameter."""
    now = datetime.now(UTC)
    start_ns = nanoseconds(parse_moment(since, now))
    check_past(since, start_ns, now)
    # What holds now is not known to hold later.
    end_ns = min(nanoseconds(parse_moment(until, now, "--until")), nanoseconds(now)) if until else nanoseconds(now)
    if start_ns >= end_ns:
        raise click.BadParameter("--since is not before --until")
    every_ns = _every(every) if every else _step(end_ns - start_ns)
    return Window(_aligned(start_ns, every_ns, end_ns - start_ns), end_ns, every_ns)


def _every(text: str) -> int:
    span = parse_span(text)
    if span is None or span.total_seconds() < 1:
        raise click.BadParameter(f"--every {text!r} is not a duration of at least a second, such as 30s, 5m, 1h or 1d")
    return int(span.total_seconds()) * SECOND_NS


def _step(length_ns: int) -> int:
    return next((step for step in STEPS if length_ns <= step * ROWS), STEPS[-1])


def _aligned(start_ns: int, every_ns: int, length_ns: int) -> int:
    """Back to where a row begins on a local clock; to a full hour of UTC where kept hours will be read."""
    offset = local(start_ns).utcoffset()
    offset_ns = int(offset.total_seconds()) * SECOND_NS if offset else 0
    start_ns -= (start_ns + offset_ns) % every_ns
    return start_ns - start_ns % HOUR_NS if length_ns > LONG_NS else start_ns


def is_kept(asked: Window) -> bool:
    """Whether the rows are read from kept hours: every one of them has to begin where an hour of UTC does."""
    whole = asked.start_ns % HOUR_NS == 0 and asked.every_ns % HOUR_NS == 0
    return whole and asked.end_ns - asked.start_ns > LONG_NS


def buckets_of(reader: Reader, entity: Entity, asked: Window) -> Iterator[Bucket]:
    """The rows of an entity, in order of time. May raise as the reader does."""
    ids, start_ns, end_ns = entity.ids, asked.start_ns, asked.end_ns
    parts = (reader.hours if is_kept(asked) else reader.changes)(ids, start_ns, end_ns)
    return fold(parts, start_ns, end_ns, asked.every_ns, reader.before(ids, start_ns))


def units_of(reader: Reader, entity: Entity, asked: Window) -> list[str]:
    """The units of an entity's values in the rows, in the order in which it had them. May raise as the reader does."""
    return reader.units(entity.ids, asked.start_ns, asked.end_ns, kept=is_kept(asked))
