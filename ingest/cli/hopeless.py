"""Whether waiting for Home Assistant can help: not when a person must act at every one of its addresses."""

from __future__ import annotations

from collections.abc import Collection

from attrs import define, field

from ingest.core.reports import CandidateRefused, ConnectionFailed, Emit, Report, SessionChanged
from ingest.core.session import SessionState
from ingest.errors import Refused

ANSWERED = frozenset({SessionState.LOADING, SessionState.LIVE})
"""What a session is only with a token that Home Assistant takes."""


@define(eq=False)
class Hopes:
    """Hears what becomes of each address, and passes it on to `emit`.

    What ends the waiting is not passed on: that is said once, by who waits.
    """

    addresses: Collection[str]
    emit: Emit
    _ends: dict[str, Refused] = field(factory=dict)

    def hear(self, report: Report) -> None:
        """Take note of a report."""
        match report:
            case SessionChanged(candidate, state) if state in ANSWERED:
                self._ends.pop(candidate, None)
            case CandidateRefused(candidate, reason, remedy=remedy):
                self._ends[candidate] = Refused(reason, remedy=remedy)
            case ConnectionFailed(candidate, reason, remedy=remedy, needs_person=True):
                self._ends[candidate] = Refused(reason, remedy=remedy)
            case ConnectionFailed(candidate):
                self._ends.pop(candidate, None)
            case _:
                pass
        if not (self.ended and isinstance(report, CandidateRefused | ConnectionFailed)):
            self.emit(report)

    @property
    def ended(self) -> bool:
        """True once nothing but a person can help."""
        return bool(self._ends) and self._ends.keys() >= set(self.addresses)

    def check(self) -> None:
        """Raises `Refused` for the first address once nothing but a person can help."""
        if self.ended:
            raise next(self._ends[name] for name in self.addresses)
