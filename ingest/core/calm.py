"""Which reports are worth a line of the log, so that a night without a network does not fill it."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Sequence
from typing import Final

from attrs import define

from ingest.core import reports
from ingest.core.reports import Report

PAUSE: Final = 10.0
"""Seconds between two lines about losses at the same place."""

REPEAT: Final = 600.0
"""Seconds between two lines that say the same again, figures aside."""

NEWS: Final = 5
"""So many times within `REPEAT` what fails after it worked again is news: from then on it comes and goes, which is not."""

KINDS: Final = 1000
"""Kinds of unreadable messages, and sentences, that are told apart: a foreign server may invent any number."""

RECOVERIES: Final[dict[type[Report], tuple[type[Report], ...]]] = {
    reports.Connected: (reports.ConnectionFailed, reports.CandidateRefused),
    reports.StoreRecovered: (reports.StoreWaiting,),
    reports.DataApiRecovered: (reports.DataApiWaiting,),
    reports.CatalogLoaded: (reports.CatalogFailed, reports.RegistryFailed),
    reports.RegistryWorks: (reports.RegistryFailed,),
    reports.SpoolRecovered: (reports.SpoolFailing,),
    reports.LettersRecovered: (reports.LettersFailing,),
    reports.LedgerRecovered: (reports.LedgerFailing,),
}
"""What is over with the first, so that the next time is news."""

REPEATED: Final = (
    *dict.fromkeys(each for ended in RECOVERIES.values() for each in ended),
    reports.Rejected,
    reports.NotAccepting,
)

_figures = re.compile(r"\d+")
_quoted = re.compile(r"(?<!\w)(['\"`]).*?\1(?!\w)")


@define
class _Said:
    due: float
    left_out: int = 0
    told: bool | None = True
    """Since it worked again; None: it has not failed since."""


class Calm:
    """Decides which reports are worth a line. `clock` is in seconds.

    Of what cannot be read, one a kind. Of losses and of what a person moves, which come by the hundred a second when
    they come, the first at once and then one every `PAUSE` seconds. Of an attempt that fails again and again the first,
    and then one every `REPEAT` seconds; another reason is said at once, whichever points are refused for it. That it
    works again is said, unless the failure before it was not. The books count them all.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._seen: set[Hashable] = set()
        self._said: dict[tuple[type[Report], str], _Said] = {}
        self._over: dict[type[Report], tuple[float, ...]] = {}
        self._untold: set[type[Report]] = set()

    def hear(self, report: Report) -> None:
        """A report, whether or not it is loud enough for a line: what works again may fail anew."""
        if (kind := type(report)) in RECOVERIES:
            self._works(kind, [key for key in self._said if key[0] in RECOVERIES[kind]])

    def _works(self, kind: type[Report], ended: Sequence[tuple[type[Report], str]]) -> None:
        told = {self._said[key].told for key in ended}
        self._untold.discard(kind)
        if False in told and True not in told:
            self._untold.add(kind)
        now = self._clock()
        recent = tuple(at for at in self._over.get(kind, ()) if now - at < REPEAT)
        for key in ended:
            self._said[key].told = None
            if len(recent) < NEWS:
                del self._said[key]
        if ended and len(recent) < NEWS:
            self._over[kind] = (*recent, now)

    def left_out(self, report: Report, *, all_attempts: bool = False) -> int | None:
        """None: it is not to be written; else how many of its kind were not since the last that was."""
        match report:
            case reports.MalformedMessage(kind=kind) | reports.UnexpectedMessage(kind=kind):
                return 0 if self._is_new((type(report), kind)) else None
            case (
                reports.Shed(link=name)
                | reports.Evicted(store=name)
                | reports.DeadLetter(store=name)
                | reports.Purged(store=name)
                | reports.Made(store=name)
            ):
                return self._due((type(report), name), PAUSE)
        if all_attempts:
            return 0
        if type(report) in self._untold:
            return None
        if isinstance(report, REPEATED):
            return self._due((type(report), _sentence(report)), REPEAT)
        return 0

    def _is_new(self, key: Hashable) -> bool:
        new = key not in self._seen and len(self._seen) < KINDS
        self._seen |= {key} if new else set()
        return new

    def _due(self, key: tuple[type[Report], str], pause: float) -> int | None:
        now = self._clock()
        said = self._said.get(key)
        if said is not None and now < said.due:
            said.left_out += 1
            said.told = bool(said.told)
            return None
        if len(self._said) >= KINDS:
            self._said.clear()
        self._said[key] = _Said(now + pause)
        return 0 if said is None else said.left_out


def _sentence(report: Report) -> str:
    """What it says, figures aside."""
    said = report.text()
    if isinstance(report, reports.Rejected):
        # It names entities: nearly every batch holds others of those that are refused for ever.
        said = f"{report.store}: {_quoted.sub('', report.rejections[0].reason)}"
    return _figures.sub("0", said)
