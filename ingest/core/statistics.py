"""Home Assistant's long-term statistics: what has some, which questions to ask for them, and the lines they become.

    home_assistant_statistics,registry_id=…,source=recorder,statistic_id=sensor.power mean=21.5,min=20.9,max=22,unit="W"  from
    └──────────────────── a series a statistic ────────────────────────┘ └──── what the hour has ────────┘                time

The recorder keeps one row an hour, for years. Whether a statistic has a mean is said by `has_mean`, by `mean_type` (0: none,
1: arithmetic, 2: of angles), or by both, as the release is; a row's `start` is milliseconds, and was ISO text once. A
statistic of an entity is called like it; `domain:name` is one that an integration brought, of no entity.

Numbers come in the unit that the entity is shown in at present. So the unit is a field: the same hour is the same point,
whatever its unit, and a second import in another unit takes the place of the first.
Source: answers recorded from 2024.3.3, 2025.4.4 and 2026.11.0.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec
from attrs import frozen
from msgspec import Raw

from ingest.core.attributes import GREEK_MU, MICRO_SIGN
from ingest.core.lineprotocol import decimal, quote, tag, utf8
from ingest.core.state import EPOCH, HOUR_NS, moment_at, nanoseconds
from ingest.core.wire import Malformed, decoded

LIST: Final = "recorder/list_statistic_ids"
COMMAND: Final = "recorder/statistics_during_period"

NO_STATISTICS: Final = "Home Assistant has no long-term statistics: its recorder cannot be asked for them"

MEASUREMENT: Final = "home_assistant_statistics"

WINDOW_NS: Final = 14 * 24 * HOUR_NS
TOGETHER: Final = 20
"""The time and the statistics of one question: 6,720 rows at most, about a megabyte."""

TYPES: Final = ("mean", "min", "max", "state", "sum")


@frozen
class Statistic:
    """What has statistics. `mean`: its hours have a mean; `total`: they have a sum. `unit` is the one of its numbers."""

    statistic_id: str
    source: str
    unit: str | None
    mean: bool
    total: bool

    @property
    def external(self) -> bool:
        """True for one that an integration brought: it is of no entity."""
        return ":" in self.statistic_id


@frozen
class Hour:
    """One row: what is None the statistic does not have. `time_ns` is when the hour began."""

    time_ns: int
    mean: float | None
    min: float | None
    max: float | None
    state: float | None
    sum: float | None


@frozen
class Question:
    """The hours of some statistics that begin at `from_ns` or later, and before `to_ns`."""

    statistic_ids: Sequence[str]
    from_ns: int
    to_ns: int

    def fields(self) -> Mapping[str, object]:
        """The fields of the command `recorder/statistics_during_period` beside its id and type."""
        return {
            "start_time": _iso(self.from_ns),
            "end_time": _iso(self.to_ns),
            "statistic_ids": list(self.statistic_ids),
            "period": "hour",
            "types": list(TYPES),
        }


@frozen
class _Listed:
    statistic_id: str
    source: str = ""
    has_sum: bool = False
    has_mean: bool | None = None
    mean_type: int | None = None
    display_unit_of_measurement: str | None = None
    statistics_unit_of_measurement: str | None = None


@frozen
class _Row:
    start: int | float | str
    mean: float | None = None
    min: float | None = None
    max: float | None = None
    state: float | None = None
    sum: float | None = None


_parts = msgspec.json.Decoder(list[Raw])
_object = msgspec.json.Decoder(dict[str, Raw])
_listed = msgspec.json.Decoder(_Listed)
_row = msgspec.json.Decoder(_Row)  # it refuses numbers that are not finite, too


def listed(result: Raw) -> Iterator[Statistic | Malformed]:
    """What an answer to `recorder/list_statistic_ids` names, of either form. Raises `Malformed` when it is none."""
    for raw in decoded("statistics", _parts, result):
        try:
            read = decoded("statistic", _listed, raw)
        except Malformed as problem:
            yield problem
            continue
        unit = read.display_unit_of_measurement or read.statistics_unit_of_measurement
        unit = unit.replace(MICRO_SIGN, GREEK_MU) if unit else None
        mean = bool(read.has_mean) if read.mean_type is None else read.mean_type > 0
        yield Statistic(read.statistic_id, read.source, unit, mean, read.has_sum)


def rows_of(result: Raw) -> Iterator[tuple[str, Hour | Malformed]]:
    """The rows of an answer to `recorder/statistics_during_period`. Raises `Malformed` when it is none."""
    for statistic_id, raw in decoded("statistics", _object, result).items():
        try:
            rows = decoded("hours of a statistic", _parts, raw)
        except Malformed as problem:
            yield statistic_id, problem
            continue
        for each in rows:
            yield statistic_id, _hour(each)


def _hour(raw: Raw) -> Hour | Malformed:
    try:
        read = decoded("hour of a statistic", _row, raw)
        time_ns = _time_ns(read.start)
    except Malformed as problem:
        return problem
    except (ValueError, OverflowError) as problem:
        return Malformed("hour of a statistic", f"no time: {problem}", raw)
    return Hour(time_ns, read.mean, read.min, read.max, read.state, read.sum)


def _time_ns(start: float | str) -> int:
    """A start in nanoseconds. Raises ValueError or OverflowError for what is none."""
    if not isinstance(start, str):
        return nanoseconds(EPOCH + timedelta(milliseconds=start))
    read = datetime.fromisoformat(start)
    if read.tzinfo is None:
        raise ValueError(f"{start!r} has no offset")
    return nanoseconds(read)


def questions(statistic_ids: Sequence[str], from_ns: int, to_ns: int) -> Iterator[Question]:
    """All there is to ask: time goes on slowly and the statistics take turns, so that a database writes a fortnight at a time.

    From the hour that holds `from_ns` until the last one that was over at `to_ns`.
    """
    from_ns -= from_ns % HOUR_NS
    to_ns -= to_ns % HOUR_NS
    for begin in range(from_ns, to_ns, WINDOW_NS):
        for first in range(0, len(statistic_ids), TOGETHER):
            yield Question(statistic_ids[first : first + TOGETHER], begin, min(begin + WINDOW_NS, to_ns))


def head(statistic: Statistic, registry_id: str | None, home: str = "") -> bytes:
    """What a statistic's lines begin with: the measurement and its tags, sorted by key; a `home` where there is one."""
    known = {"registry_id": registry_id, "source": statistic.source, "statistic_id": statistic.statistic_id}
    tags = {"home": home, **known}
    return utf8(MEASUREMENT + "".join(f",{key}={tag(value)}" for key, value in tags.items() if value) + " ")


def line(begin: bytes, unit: str | None, hour: Hour) -> bytes | None:
    """An hour as a line, after its `head`, with its unit where there is one; None when it has no number."""
    values = zip(TYPES, (hour.mean, hour.min, hour.max, hour.state, hour.sum), strict=True)
    fields = ",".join(f"{name}={decimal(value)}" for name, value in values if value is not None)
    if not fields:
        return None
    text = f",unit={quote(unit)}" if unit else ""
    return begin + utf8(f"{fields}{text} {hour.time_ns}")


def _iso(time_ns: int) -> str:
    return moment_at(time_ns).isoformat()
