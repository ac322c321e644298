"""Whether the clocks of all machines agree, and if not, which of them is the odd one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from attrs import frozen

from ingest.core.findings import Check, Finding, error, warning
from ingest.core.influx_answer import Answer, http_date

APART: Final = 5.0
"""Seconds by which two clocks may differ: an answer tells its time in whole seconds, and was on its way."""

FAR: Final = 600.0
"""Seconds from which what is stored stands at a plainly wrong time."""

NTP: Final = "Have every machine set its clock by NTP (on Linux: timedatectl set-ntp true), then look at `timedatectl`."


@frozen
class Clock:
    """Whose clock it is, and by how many seconds it is ahead of ours at the least (negative: behind)."""

    whose: str
    ahead: float


def clock(whose: str, answer: Answer, asked_ns: int, answered_ns: int) -> Clock | None:
    """The clock of who gave an answer, by its `Date`; None where it has none. Our times, in nanoseconds."""
    told = http_date(answer.headers.get("date", ""))
    if told is None:
        return None
    # A date has no fractions, and was written at some time between: of all that it may mean the most harmless counts.
    least, most = told.timestamp() - answered_ns / 1e9, told.timestamp() + 1 - asked_ns / 1e9
    return Clock(whose, max(least, 0.0) or min(most, 0.0))


def judged(clocks: Sequence[Clock]) -> Check:
    """Whether they agree with ours, and with each other."""
    if not clocks:
        return Check("clocks", skipped="no clock could be read")
    said = ", ".join(f"{each.whose} {f'{each.ahead:+.1f} s' if each.ahead else 'agrees'}" for each in clocks)
    return Check("clocks", said, tuple(_differing(clocks)))


def _differing(clocks: Sequence[Clock]) -> list[Finding]:
    apart = [each for each in clocks if abs(each.ahead) > APART]
    agree = max(each.ahead for each in clocks) - min(each.ahead for each in clocks) <= APART
    if len(apart) == len(clocks) > 1 and agree:
        others = " and ".join(each.whose for each in clocks)
        return [_finding(f"the clock of this machine is {_shown(-apart[0].ahead)} those of {others}", apart[0])]
    return [_finding(f"the clock of {each.whose} is {_shown(each.ahead)} that of this machine", each) for each in apart]


def _finding(what: str, of: Clock) -> Finding:
    return (error if abs(of.ahead) >= FAR else warning)(what, remedy=NTP)


def _shown(seconds: float) -> str:
    amount = abs(seconds)
    for size, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if amount >= 2 * size:
            return f"{amount / size:.0f} {unit} {'ahead of' if seconds > 0 else 'behind'}"
    return f"{amount:.0f} seconds {'ahead of' if seconds > 0 else 'behind'}"
