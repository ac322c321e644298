"""What every session must keep, read from the reports that it left."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from ingest.core import reports
from ingest.core.reports import Report
from ingest.core.session import SessionState

_S = SessionState
_ENDS = frozenset({_S.WAITING, _S.REFUSED, _S.STOPPED})

TRANSITIONS: Mapping[SessionState, frozenset[SessionState]] = MappingProxyType(
    {
        _S.IDLE: frozenset({_S.CONNECTING, _S.STOPPED}),
        _S.CONNECTING: _ENDS | {_S.AUTHENTICATING},
        _S.AUTHENTICATING: _ENDS | {_S.LOADING},
        _S.LOADING: _ENDS | {_S.SUBSCRIBING},
        _S.SUBSCRIBING: _ENDS | {_S.SNAPSHOT},
        _S.SNAPSHOT: _ENDS | {_S.LIVE},
        _S.LIVE: _ENDS,
        _S.WAITING: frozenset({_S.CONNECTING, _S.STOPPED}),
        _S.REFUSED: frozenset({_S.CONNECTING, _S.WAITING, _S.STOPPED}),
        _S.STOPPED: frozenset(),
    }
)
"""From each state, where a session may go next."""


def check_states(emitted: Iterable[Report]) -> dict[str, list[SessionState]]:
    """Every candidate only went where the table allows, from idle to stopped. Returns the ways they went."""
    ways: dict[str, list[SessionState]] = {}
    for report in emitted:
        if isinstance(report, reports.SessionChanged):
            way = ways.setdefault(report.candidate, [SessionState.IDLE])
            assert report.state in TRANSITIONS[way[-1]], f"{report.candidate}: {way[-1]} to {report.state}"
            way.append(report.state)
    assert {way[-1] for way in ways.values()} <= {SessionState.STOPPED}
    return ways
