"""A ledger in a state file, for tests."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from ingest.core.coverage import Cause, Gap, Mark, Progress, Span
from ingest.core.ledger import Opening
from ingest.edge.ledger_bounds import BOUND, Bound
from ingest.edge.ledger_file import LedgerFile
from ingest.edge.spool_rows import Key
from ingest.edge.state_file import open_state

KEY = Key("home", "influxdb")


@contextmanager
def ledger_in(path: Path, bound: Bound = BOUND, key: Key = KEY) -> Iterator[LedgerFile]:
    connection, _ = open_state(path, lambda: 0)
    with closing(connection):
        yield LedgerFile(connection, path, key, bound)


def span(name: str, after: int, before: int) -> Span:
    """As it is before it is in the ledger."""
    return Span(f"sensor.{name}", name, after, before)


def mark(name: str, time_ns: int) -> Mark:
    return Mark(name, f"sensor.{name}", time_ns)


def opening(from_ns: int, to_ns: int, *names: str, cause: Cause = Cause.CONNECTION, why: str = "") -> Opening:
    """A gap in which these entities miss everything."""
    return Opening(cause, from_ns, to_ns, [span(name, from_ns, to_ns) for name in names], why)


def told(gap: Gap) -> tuple[int, int, Progress, int, int, int]:
    """What matters of a gap: from, to, how far, its spans, how many of them are left, states filled."""
    return gap.from_ns, gap.to_ns, gap.progress, gap.spans, gap.left, gap.filled


def next_spans(ledger: LedgerFile, most: int, but: Collection[int] = ()) -> list[Span]:
    """The next spans to fill of all gaps, gap by gap as they come, without those in `but`."""
    found: list[Span] = []
    while len(found) < most and (turn := ledger.next_gap(most - len(found), {*but, *(each.id for each in found)})):
        found += turn[1]
    return found
