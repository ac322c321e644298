"""Times as people write and read them: `1d`, `2026-11-20`, `2026-11-20T08:00`; local, and shown with their offset."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

import click

from ingest.core.state import EPOCH, moment_at, nanoseconds

UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800, "y": 31_536_000}
SECOND_NS = 10**9

EARLIEST: Final = EPOCH + timedelta(microseconds=1)
"""Nothing is stored of the time before: `1000y` means everything. 0 is a time that the ledger does not know."""

LATEST: Final = datetime(2262, 1, 1, tzinfo=UTC)
"""Nothing is stored of the time after; later that year nanoseconds since 1970 do not fit into the 64 bits of a file."""

_SPAN: Final = re.compile(r"\s*(\d+(?:\.\d{1,6})?)\s*([smhdwy])\s*")
_LONGEST: Final = 999_999.0 * UNITS["y"]
"""Seconds of a duration at most: no longer one is of any use, and this one can still be reckoned with."""


def parse_span(text: str) -> timedelta | None:
    """`90s`, `5m`, `1.5h`, `2d`, `1w`, `2y` (of 365 days); None for anything else."""
    match = _SPAN.fullmatch(text)
    return timedelta(seconds=min(float(match[1]) * UNITS[match[2]], _LONGEST)) if match else None


def parse_moment(text: str, now: datetime, option: str = "--since") -> datetime:
    """A duration before `now`, or an ISO 8601 time (local when it names no offset); `EARLIEST` and `LATEST` at the utmost.

    Raises click.BadParameter that names `option`.
    """
    span = parse_span(text)
    if span is not None:
        return now - min(span, now - EARLIEST)
    try:
        return _within(datetime.fromisoformat(text.strip()))
    except ValueError as error:
        raise click.BadParameter(
            f"{text!r} is neither a duration such as 90s, 5m, 2h, 1d, 1w or 2y nor a time such as 2026-11-20T08:00",
            param_hint=option,
        ) from error


def _within(moment: datetime) -> datetime:
    # The first and the last year of all have no other time zone.
    if moment.year < EARLIEST.year - 1:
        return EARLIEST
    return LATEST if moment.year > LATEST.year else min(max(moment.astimezone(UTC), EARLIEST), LATEST)


def check_past(since: str, start_ns: int, now: datetime) -> None:
    """Raises click.BadParameter when that is no time before `now`."""
    if start_ns > nanoseconds(now):
        raise click.BadParameter(f"{since!r} lies in the future", param_hint="--since")


def window(since: str | None, until: str | None) -> tuple[int, int]:
    """The nanoseconds that `--since` and `--until` mean now; without them everything. Raises click.BadParameter."""
    now = datetime.now(UTC)
    start = 0 if since is None else nanoseconds(parse_moment(since, now))
    if since is not None and until is None:
        check_past(since, start, now)
    # Without an end a clock that is a little ahead must not hide the newest changes.
    end = nanoseconds(now + timedelta(days=366)) if until is None else nanoseconds(parse_moment(until, now, "--until"))
    if start >= end:
        raise click.BadParameter("--since is not before --until")
    return start, end


def local(time_ns: int) -> datetime:
    """The moment in the local time zone, to the microsecond."""
    return moment_at(time_ns).astimezone()


def shown(time_ns: int, timespec: str = "minutes") -> str:
    """Local time with its offset, to the minute (`timespec` as in `datetime.isoformat`)."""
    return local(time_ns).isoformat(" ", timespec)


def iso(time_ns: int) -> str:
    """UTC in ISO 8601, to the microsecond."""
    return moment_at(time_ns).isoformat(timespec="microseconds").replace("+00:00", "Z")
