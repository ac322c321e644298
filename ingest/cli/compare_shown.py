"""A comparison as a person reads it, and as a program does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from ingest.cli.comparing import Asked, Compared
from ingest.cli.moments import iso, shown
from ingest.core.comparison import Finding, Side
from ingest.core.comparison_fields import Why
from ingest.core.comparison_reasons import Because
from ingest.core.comparison_tally import Count, Tally
from ingest.core.influxql import Value
from ingest.core.plot import table
from ingest.core.secret import MASK
from ingest.core.words import counted, cut, printable, some

TITLES = {
    Side.THEIRS: "Only the original has",
    Side.OURS: "Only here",
    Side.BOTH: "Fields that differ, of points that both have",
}
LONGEST = 40
"""Characters of a state or a field that are shown."""

SILENCES = 10


def shown_comparison(asked: Asked, found: Compared) -> Iterator[str]:
    """The report of a comparison for the terminal, line by line, without line breaks."""
    tally = found.tally
    yield f"{shown(asked.from_ns, 'seconds')} to {shown(asked.to_ns, 'seconds')}"
    rows = [
        ("here", f"{asked.ours.where}, {asked.ours.bucket}", f"{tally.ours:,}"),
        ("the original", f"{asked.theirs.where}, {asked.theirs.bucket}", f"{tally.theirs:,}"),
        ("the same in both", "", f"{tally.same:,}"),
    ]
    yield from table(("", "", "points"), rows, right=(2,))
    for side, title in TITLES.items():
        yield from _side(title, tally, side)
    yield from _silences(found)
    if found.no_home:
        yield f"\nHome Assistant was not asked what its recorder has: {found.no_home}"
    yield f"\n{tally.verdict}"


def _side(title: str, tally: Tally, side: Side) -> Iterator[str]:
    found = list(tally.of(side))
    if not found:
        return
    yield f"\n{title}"
    for _, same in groupby(sorted(found, key=_order), key=lambda item: (item[0].reason, _named(side, item[0]))):
        yield from _reason(list(same))


def _order(item: tuple[Because, Count]) -> tuple[bool, str, str]:
    return item[0].explained, item[0].reason.name, item[0].about


def _named(side: Side, because: Because) -> str:
    """Fields of one reason stand together; a rule or a gap stands by itself."""
    return "" if side is Side.BOTH else because.about


def _reason(same: Sequence[tuple[Because, Count]]) -> Iterator[str]:
    because = same[0][0]
    points = sum(count.points for _, count in same)
    entities = {entity for _, count in same for entity in count.entities}
    about = f" ({some(each.about for each, _ in same)})" if because.about else ""
    mark = "" if because.explained else "! "
    yield f"{points:>9,}  {mark}{because.reason.value}{about}; {counted(len(entities), 'entity', 'entities')}"
    asked = sum(count.asked for _, count in same)
    if asked:
        recorded = sum(count.recorded for _, count in same)
        yield f"           of {asked:,} that Home Assistant's recorder was asked for it has {recorded:,}"
    for _, count in same[:1]:
        for found in count.examples:
            yield f"           {_example(found, because)}"


def _example(found: Finding, because: Because) -> str:
    where = f"{shown(found.time_ns, 'microseconds')}  {printable(found.entity_id)}"
    if found.side is not Side.BOTH:
        return f"{where}  {_state(found)}"
    each = next(each for each in found.fields if each.name == because.about)
    secret = because.reason is Why.SECRET
    return f"{where}  {printable(each.name)}: here {_value(each.ours, secret=secret)}, there {_value(each.theirs, secret=secret)}"


def _state(found: Finding) -> str:
    return printable(cut(found.state, LONGEST))


def _value(value: Value | None, *, secret: bool) -> str:
    if value is None:
        return "nothing"
    if secret:
        return MASK
    return cut(repr(value) if isinstance(value, str) else f"{value:g}", LONGEST)


def _silences(found: Compared) -> Iterator[str]:
    if not found.silences:
        return
    yield "\nThe original wrote nothing at all"
    for each in found.silences[:SILENCES]:
        span = f"{shown(each.from_ns, 'seconds')} to {shown(each.to_ns, 'seconds')}"
        yield f"           {span}, {counted(each.missed, 'change')}"
    if len(found.silences) > SILENCES:
        yield f"           and {len(found.silences) - SILENCES} times more"


def point_line(found: Finding, reasons: Sequence[Because], recorded: bool | None) -> str:
    """One point that differs as a line of the terminal: who has it, when, whose, its state, why."""
    said = "; ".join(f"{each.reason.value}{f' ({each.about})' if each.about else ''}" for each in reasons)
    known = "" if recorded is None else f"; {'in' if recorded else 'not in'} Home Assistant's recorder"
    return f"{found.side.value:6}  {shown(found.time_ns, 'microseconds')}  {printable(found.entity_id)}  {_state(found)}  {printable(said)}{known}"


def point_as_json(found: Finding, reasons: Sequence[Because], recorded: bool | None) -> Mapping[str, Any]:
    """One point that differs as a JSON object: who has it, whose it is, what differs and why; its time in UTC."""
    return {
        "side": found.side.value,
        "time": iso(found.time_ns),
        "entity_id": found.entity_id,
        "state": found.state,
        "reasons": [_because(each) for each in reasons],
        "fields": dict(_fields(found, reasons)),
        "recorded": recorded,
    }


def _fields(found: Finding, reasons: Sequence[Because]) -> Iterator[tuple[str, Mapping[str, Value | None]]]:
    for each, because in zip(found.fields, reasons, strict=False):
        values = {"ours": each.ours, "theirs": each.theirs}
        secret = because.reason is Why.SECRET
        yield each.name, {whose: MASK if secret and value is not None else value for whose, value in values.items()}


def _because(because: Because) -> Mapping[str, Any]:
    return {"reason": because.reason.name.lower(), "about": because.about, "explained": because.explained}


def as_json(asked: Asked, found: Compared) -> Mapping[str, Any]:
    """The whole result as a JSON object: what was compared, counts, reasons; times in UTC."""
    tally = found.tally
    return {
        "from": iso(asked.from_ns),
        "to": iso(asked.to_ns),
        "ours": {"url": asked.ours.where, "bucket": asked.ours.bucket, "points": tally.ours},
        "theirs": {"url": asked.theirs.where, "bucket": asked.theirs.bucket, "points": tally.theirs},
        "same": tally.same,
        "only_ours": [_counted(*each) for each in tally.of(Side.OURS)],
        "only_theirs": [_counted(*each) for each in tally.of(Side.THEIRS)],
        "fields": [_counted(*each) for each in tally.of(Side.BOTH)],
        "silences": [
            {"from": iso(each.from_ns), "to": iso(each.to_ns), "changes": each.missed} for each in found.silences
        ],
        "home_not_asked": found.no_home,
        "unexplained": tally.unexplained,
        "verdict": tally.verdict,
    }


def _counted(because: Because, count: Count) -> Mapping[str, Any]:
    examples = [
        {"time": iso(each.time_ns), "entity_id": each.entity_id, "state": each.state} for each in count.examples
    ]
    return {
        **_because(because),
        "points": count.points,
        "entities": len(count.entities),
        "asked": count.asked,
        "recorded": count.recorded,
        "examples": examples,
    }
