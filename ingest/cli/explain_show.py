"""What is known of one entity, for a person and for a program."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import attrs

from ingest.cli.moments import iso, shown
from ingest.config.kinds import shown_duration
from ingest.core.coverage import FOREVER, Cause, Progress
from ingest.core.explaining import Explanation
from ingest.core.ledger import SpanFate
from ingest.core.line_types import series
from ingest.core.rule_names import NO_PATTERN
from ingest.core.treatment import Treatment
from ingest.core.words import counted, printable

WIDTH: Final = 16


def screen(found: Explanation) -> Iterator[str]:
    """The lines that a person reads."""
    verdict = "stored" if found.decision.passed else "left out"
    yield f"{found.entity_id}: {verdict}" + ("" if found.certain else ", as far as can be told without a state")
    yield from _rules(found)
    yield from _state(found)
    yield _row("registries", ", ".join(f"{name} {_text(value)}" for name, value in _facts(found).items()))
    yield from _written(found)
    yield from _kept(found)


def _row(name: str, text: str) -> str:
    return f"  {name:<{WIDTH}}{printable(text)}"


def _rules(found: Explanation) -> Iterator[str]:
    decision = found.decision
    yield _row("rule", _why(found))
    if others := [each for each in found.agreeing if each != decision.rule]:
        yield _row("also agrees", "; ".join(others))
    for each in found.overrides:
        yield _row("override", each)
    if decision.treatment != Treatment():
        yield _row("written", ", ".join(f"{name} {_text(value)}" for name, value in _treatment(found).items()))
    if decision.heartbeat_ns is not None:
        yield _row("heartbeat", f"every {shown_duration(decision.heartbeat_ns / 1e9)}")


def _why(found: Explanation) -> str:
    rule = found.decision.rule
    if rule == NO_PATTERN:
        return f"no pattern and no exception agrees, and then it is {'stored' if found.decision.passed else 'left out'}"
    return f"{rule} (of those that agree the first, exceptions before patterns)"


def _state(found: Explanation) -> Iterator[str]:
    point = found.point
    if point is not None:
        unit = f" {point.attributes.unit}" if point.attributes.unit else ""
        yield _row("state", f"{point.state}{unit}, since {shown(point.time_ns, 'milliseconds')}")
    elif found.there:
        yield _row("state", "none: Home Assistant knows the entity, and it has no state (disabled, or not loaded)")
    else:
        yield _row("state", "none: Home Assistant does not know the entity any more")


def _written(found: Explanation) -> Iterator[str]:
    if found.line is None:
        return
    if not found.line:
        yield _row("line", "none: the schema does not write such a state")
        return
    if found.store != "embedded":
        measurement, tags = series(found.line.encode())
        yield _row("measurement", measurement)
        yield _row("tags", ", ".join(f"{name}={value}" for name, value in tags.items()) or "none")
    what = "row" if found.store == "embedded" else "line"
    yield _row(what if found.decision.passed else f"{what}, if stored", found.line)


def _kept(found: Explanation) -> Iterator[str]:
    last = found.last
    if last is None:
        yield _row("last write", "nothing of it is stored")
    else:
        yield _row("last write", shown(last.time_ns, "milliseconds") + (f": {last.state}" if last.state else ""))
    if found.mark is not None:
        yield _row("known since", shown(found.mark.oldest_ns, "milliseconds"))
    if found.since_ns is not None:
        yield _row("home since", shown(found.since_ns, "milliseconds"))
    for cause, each in found.spans:
        yield _row(
            "gap", f"{_time(each.span.after_ns)} to {_time(each.span.before_ns)}: {cause.value}; {_fate(cause, each)}"
        )
    if found.unnamed:
        yield _row("other gaps", f"{found.unnamed:,}: whose states were missing is not known, or not kept any more")
    elif not found.spans and found.mark is not None:
        yield _row("gaps", "none")


def _fate(cause: Cause, told: SpanFate) -> str:
    if cause is Cause.FILTERED:
        return "`homeiq-ingest backfill` brings it"
    if told.filled is None:
        return Progress.OPEN.value
    return f"{counted(told.filled, 'state')} filled{f', {told.why}' if told.why else ''}"


def _time(time_ns: int) -> str:
    return shown(time_ns, "milliseconds") if time_ns < FOREVER else "now"


def _facts(found: Explanation) -> Mapping[str, Any]:
    """What rules may ask, as far as it is known."""
    known = attrs.asdict(found.facts, recurse=False)
    looked_at = {name: getattr(found.attributes, name) for name in ("device_class", "unit", "state_class")}
    return {name: value for name, value in (known | looked_at).items() if value}


def _treatment(found: Explanation) -> Mapping[str, Any]:
    return {name: value for name, value in attrs.asdict(found.decision.treatment, recurse=False).items() if value}


def _text(value: object) -> str:
    if value is True:
        return "yes"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def as_object(found: Explanation) -> Mapping[str, Any]:
    """The same for a program. Times are in UTC, ISO 8601; what is not known is null."""
    decision, last, point = found.decision, found.last, found.point
    has_line = bool(found.line) and found.store != "embedded"
    measurement, tags = series((found.line or "").encode()) if has_line else (None, None)
    return {
        "entity_id": found.entity_id,
        "stored": decision.passed,
        "certain": found.certain,
        "rule": decision.rule,
        "agreeing": found.agreeing,
        "overrides": found.overrides,
        "treatment": _treatment(found),
        "heartbeat": None if decision.heartbeat_ns is None else decision.heartbeat_ns / 1e9,
        "known_to_home_assistant": found.there,
        "state": None if point is None else {"state": point.state, "time": iso(point.time_ns)},
        "facts": _facts(found),
        "store": found.store,
        "measurement": measurement,
        "tags": tags,
        "line": found.line or None,
        "last_write": None if last is None else {"time": iso(last.time_ns), "state": last.state},
        "known_since": None if found.mark is None else iso(found.mark.oldest_ns),
        "home_since": None if found.since_ns is None else iso(found.since_ns),
        "gaps": [
            {
                "cause": cause.name.lower(),
                "after": iso(each.span.after_ns),
                "before": iso(each.span.before_ns) if each.span.before_ns < FOREVER else None,
                "filled": None if cause is Cause.FILTERED else each.filled,
                "why": each.why,
            }
            for cause, each in found.spans
        ],
        "other_gaps": found.unnamed,
    }
