"""What was found, as a person reads it: in the terminal, and as Markdown to be kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from attrs import frozen

from ingest import __version__
from scripts.soaking.drift import LEAST, Drift, Quantity, Samples, judged
from scripts.soaking.service import Life, Sample
from scripts.soaking.soak import Soak

MIB = 2**20
WARM_UP = 0.2
"""The part of the last life that is not judged: caches fill, allocators settle."""

LAG = 'homeiq_ingest_lag_seconds_{}{{of="newest"}}'
GAPS = "homeiq_ingest_gaps{state="
QUOTED = '"}'
RECEIVED = 'homeiq_ingest_states_total{term="received"}'


def _lag(one: Sample, two: Sample) -> float | None:
    total, count = (_more(one, two, LAG.format(part)) for part in ("sum", "count"))
    return total / count * 1000 if count else None


def _cost(one: Sample, two: Sample) -> float | None:
    received = _more(one, two, RECEIVED)
    return (two.cpu - one.cpu) / received * 1e6 if received >= 20 else None


def _more(one: Sample, two: Sample, name: str) -> float:
    return two.metrics[name] - one.metrics[name] if name in one.metrics and name in two.metrics else 0.0


READ: tuple[tuple[Quantity, Callable[[Sample], float | None]], ...] = (
    (Quantity("resident memory", "MB", 2.0, 3.0), lambda sample: sample.resident / MIB),
    (Quantity("of it anonymous", "MB", 2.0, 3.0), lambda sample: sample.anonymous / MIB),
    (Quantity("file descriptors", "", 0.0, 0.5, 0), lambda sample: sample.files),
    (Quantity("threads", "", 0.0, 1.5, 0), lambda sample: sample.threads),
    (Quantity("tasks", "", 0.0, 0.5, 0), lambda sample: sample.metrics.get("homeiq_ingest_tasks")),
    (Quantity("state file and its log", "MB", 1.0, 2.0, 2), lambda sample: sample.on_disk / MIB),
    (Quantity("dead letters", "", 0.0, 0.5, 0), lambda sample: sample.metrics.get("homeiq_ingest_dead_letters")),
)
"""What is read of a sample, and how much it may grow, in an hour or at all."""

BETWEEN: tuple[tuple[Quantity, Callable[[Sample, Sample], float | None]], ...] = (
    (Quantity("lag of the newest state", "ms", 50.0, 150.0), _lag),
    (Quantity("processor time per change", "µs", 50.0, 150.0, 0, quiet=True), _cost),
)
"""The same between two samples."""

LONG = 4 * LEAST
"""Samples of a life from which each quantity should be known."""

GROWTH = 5.0
"""MB that a life may be heavier after its start than the first was."""


@frozen
class Row:
    """A line of the report: what, how it was, how much it grew, what was allowed, and whether that is well."""

    what: str
    found: str
    grew: str
    allowed: str
    well: bool


def drifts(samples: Sequence[Sample]) -> Iterator[Drift]:
    """Every quantity over the last life, its warm-up left out."""
    steady = samples[int(len(samples) * WARM_UP) :]
    for quantity, read in READ:
        yield judged(quantity, _known((sample.at, read(sample)) for sample in steady))
    for quantity, between in BETWEEN:
        yield judged(quantity, _known((two.at, between(one, two)) for one, two in pairwise(steady)))


def _known(pairs: Iterator[tuple[float, float | None]]) -> Samples:
    return [(at, value) for at, value in pairs if value is not None]


def rows(soak: Soak) -> list[Row]:
    """The whole report, as rows of cells."""
    long = len(soak.samples) >= LONG
    return [*(_drift(each, long=long) for each in drifts(soak.samples)), *_lives(soak.lives), *_stored(soak)]


def _drift(found: Drift, *, long: bool) -> Row:
    quantity = found.quantity
    allowed = f"{found.allowed:.{quantity.digits or 1}f}"
    if not found.known:
        # What cannot be read for a whole long life is not well: a metric that has another name would never drift.
        return Row(quantity.name, f"{found.count} samples are too few", "", allowed, well=quantity.quiet or not long)
    first, last = (f"{each:.{quantity.digits}f}" for each in (found.first, found.last))
    unit = f" {quantity.unit}" if quantity.unit else ""
    return Row(
        quantity.name, f"{first} → {last}{unit}", f"{found.growth:+.2f}{unit} ({found.hourly:+.2f} an hour)",
        allowed + unit, not found.drifts,
    )  # fmt: skip


def _lives(lives: Sequence[Life]) -> Iterator[Row]:
    if not lives:
        return
    first, last = lives[0], lives[-1]
    sizes = [f"{each.resident / MIB:.1f}" for each in lives]
    grew = (last.resident - first.resident) / MIB
    yield Row(
        f"memory after a start, {len(lives)} lives",
        f"{' '.join(sizes)} MB",
        f"{grew:+.1f} MB",
        f"{GROWTH} MB",
        grew <= GROWTH,
    )
    starts = [each.subscribed for each in lives]
    late = starts[-1] - starts[0]
    yield Row(
        "from a start to subscribed",
        f"{' '.join(f'{each:.1f}' for each in starts)} s",
        f"{late:+.1f} s",
        "3.0 s",
        late <= 3,
    )


def _stored(soak: Soak) -> Iterator[Row]:
    gaps = {name: int(count) for name, count in soak.last.items() if name.startswith(GAPS)}
    words = ", ".join(f"{count} {name[len(GAPS) :].strip(QUOTED)}" for name, count in gaps.items() if count) or "none"
    open_ = sum(count for name, count in gaps.items() if '"filled"' not in name)
    yield Row("gaps at the end", words, "", "all filled", soak.settled and not open_)
    found = soak.compared
    if found is None:
        yield Row("what the home did", "not compared: the soak was ended before", "", "all of it", well=False)
        return
    yield Row("changes of the home", f"{found.changes:,}", "", "", found.changes > 0)
    yield Row("not stored", f"{len(found.lost):,}", "", "0", not found.lost)
    yield Row("stored, and otherwise", f"{len(found.wrong):,}", "", "0", not found.wrong)
    yield Row("stored, and never happened", f"{len(found.invented):,}", "", "0", not found.invented)
    yield Row("stored twice, or in two series", f"{len(found.twice):,}", "", "0", not found.twice)


def heading(soak: Soak) -> str:
    """What was done, in a sentence."""
    met = ", ".join(f"{count} × {name}" for name, count in sorted(soak.met.items()))
    return (
        f"{soak.passed / 60:.0f} minutes of homeiq-ingest {__version__} with {soak.database.name}: {soak.entities:,} entities, "
        f"{soak.rate:g} changes a second and the home's own; a day is {soak.day / 60:g} minutes. What happened: {met or 'nothing'}."
    )


def plain(soak: Soak) -> str:
    """The report for the terminal."""
    found = rows(soak)
    widths = [max(len(getattr(row, name)) for row in found) for name in ("what", "found", "grew", "allowed")]
    lines = [_line(row, widths) for row in found]
    return "\n".join((heading(soak), "", *lines, *_examples(soak)))


def _line(row: Row, widths: Sequence[int]) -> str:
    cells = (row.what, row.found, row.grew, row.allowed)
    return "  ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)) + (
        "  ok" if row.well else "  NO"
    )


def _examples(soak: Soak) -> Iterator[str]:
    if soak.compared is not None:
        for name in ("lost", "wrong", "invented", "twice"):
            yield from (f"{name}: {each}" for each in getattr(soak.compared, name)[:5])


def markdown(soak: Soak) -> str:
    """The report to be kept, as Markdown."""
    lines = [
        f"| {row.what} | {row.found} | {row.grew} | {row.allowed} | {'ok' if row.well else '**no**'} |"
        for row in rows(soak)
    ]
    head = ["| | found | grew by | may | |", "|---|---|---|---|---|"]
    return "\n".join((heading(soak), "", *head, *lines, ""))
