"""A forecast for a person and for a program."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from ingest.cli.forecast import Forecast
from ingest.core.forecast import Entity, Limit
from ingest.core.plot import table
from ingest.core.rule_names import is_exception
from ingest.core.words import entities

TOP: Final = 10
MEGA: Final = 1e6


def screen(found: Forecast) -> Iterator[str]:
    """The lines that a person reads."""
    left_out = f", {entities(found.left_out)} left out by the filter" if found.left_out else ""
    unwritten = f", and the schema writes nothing of {found.unwritten:,} of them now" if found.unwritten else ""
    stored = len(found.entities) + found.unwritten
    yield f"{entities(stored)} {'are' if stored != 1 else 'is'} stored{left_out}{unwritten}."
    yield from _sums(found)
    yield ""
    yield from _by_domain(found)
    yield ""
    yield from _talkers(found)
    if found.limits:
        yield ""
        yield from map(_limit, found.limits)


def _sums(found: Forecast) -> Iterator[str]:
    if not found.seconds:
        yield "Home Assistant's history has nothing in samples of the last day: nothing can be said yet of how much comes."
        return
    yield f"About {found.points:,.0f} points a day ({found.seconds / 3600:.1f} hours of the last day were counted, in samples):"
    if found.lines is not None and found.sent is not None:
        yield f"  {_mega(found.lines)} MB of lines, {_mega(found.sent)} MB as they are sent, gzipped"
        yield f"  {_mega(found.disk)} MB on disk: {_mega(found.disk * 365)} MB a year"
        yield f"  {found.series:,} series"
    else:
        yield f"  {_mega(found.disk)} MB in the embedded store: {_mega(found.disk * 365)} MB a year"


def _by_domain(found: Forecast) -> Iterator[str]:
    rows = [
        (name, f"{count:,}", f"{made:,.0f}", _mega(size), _share(made, found))
        for name, count, made, size in domains(found.entities)
        if made
    ]
    quiet = [count for _, count, made, _ in domains(found.entities) if not made]
    if quiet:
        rows.append((f"{len(quiet)} others", f"{sum(quiet):,}", "0", _mega(0), _share(0, found)))
    yield from table(("domain", "entities", "points/day", "MB/day", "share"), rows, right=(1, 2, 3, 4))


def _talkers(found: Forecast) -> Iterator[str]:
    rows = [
        (each.entity_id, f"{each.points:,.0f}", _mega(each.size), _share(each.points, found), dropped(each, found))
        for each in talkers(found.entities)
    ]
    head = ("the most talkative", "points/day", "MB/day", "share", "leave it out with, in filter.patterns")
    yield from table(head, rows, right=(1, 2, 3))


def dropped(entity: Entity, found: Forecast) -> str:
    """The line of `filter.patterns` that would leave the entity out; or what keeps it in whatever stands there."""
    if found.include or is_exception(entity.rule):
        return f"(kept by {entity.rule.partition(':')[0]})"
    return f'{{entity_id = "{entity.entity_id}"}}'


def domains(entities: Sequence[Entity]) -> list[tuple[str, int, float, float]]:
    """Entities, points and bytes a day of each domain, the one with the most points first."""
    sums: defaultdict[str, list[float]] = defaultdict(lambda: [0, 0.0, 0.0])
    for each in entities:
        total = sums[each.entity_id.partition(".")[0]]
        total[0], total[1], total[2] = total[0] + 1, total[1] + each.points, total[2] + each.size
    found = [(name, int(count), made, size) for name, (count, made, size) in sums.items()]
    return sorted(found, key=lambda row: (-row[2], row[0]))


def talkers(entities: Sequence[Entity]) -> list[Entity]:
    """Those that make the most points, ten at most."""
    return sorted((each for each in entities if each.points), key=lambda each: (-each.points, each.entity_id))[:TOP]


def _limit(limit: Limit) -> str:
    verdict = "WARNING" if limit.is_near else "ok"
    return f"{verdict:<8} {limit.whose}: {limit.taken:,} of {limit.most:,} {limit.what}"


def _share(part: float, found: Forecast) -> str:
    return f"{100 * part / found.points:.1f} %" if found.points else "–"


def _mega(size: float) -> str:
    return f"{size / MEGA:,.1f}" if size >= MEGA else f"{size / MEGA:,.3f}"


def as_object(found: Forecast) -> Mapping[str, Any]:
    """The same for a program. Sizes in bytes a day; what the store has none of is null."""
    return {
        "entities": len(found.entities) + found.unwritten,
        "left_out": found.left_out,
        "unwritten": found.unwritten,
        "seconds_counted": found.seconds,
        "points_per_day": round(found.points, 1),
        "series": found.series,
        "line_bytes_per_day": _rounded(found.lines),
        "sent_bytes_per_day": _rounded(found.sent),
        "disk_bytes_per_day": _rounded(found.disk),
        "domains": [
            {"domain": name, "entities": count, "points_per_day": round(made, 1), "bytes_per_day": round(size)}
            for name, count, made, size in domains(found.entities)
        ],
        "most_talkative": [
            {
                "entity_id": each.entity_id,
                "points_per_day": round(each.points, 1),
                "bytes_per_day": round(each.size),
                "leave_out": dropped(each, found),
            }
            for each in talkers(found.entities)
        ],
        "limits": [
            {"database": each.whose, "what": each.what, "taken": each.taken, "most": each.most, "near": each.is_near}
            for each in found.limits
        ],
    }


def _rounded(size: float | None) -> int | None:
    return None if size is None else round(size)
