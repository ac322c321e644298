"""The states of a session with Home Assistant, and the transitions that are allowed: one table.

    idle ─▶ connecting ─▶ authenticating ─▶ loading ─▶ subscribing ─▶ snapshot ─▶ live
      ▲         │               │              │            │            │         │
      └─────────┴───────────────┴──── waiting ◀┴────────────┴────────────┴─────────┘
                                │
                             refused (this candidate's token; the others go on)

A state says what is being waited for, so that a person who sees it knows what is missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType


class SessionState(Enum):
    """What a session is doing, or rather what it waits for."""

    IDLE = "idle"
    CONNECTING = "connecting"
    AUTHENTICATING = "authenticating"
    LOADING = "loading"
    SUBSCRIBING = "subscribing"
    SNAPSHOT = "snapshot"
    LIVE = "live"
    WAITING = "waiting"
    REFUSED = "refused"
    STOPPED = "stopped"


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
