"""The states of a session with Home Assistant.

    idle ─▶ connecting ─▶ authenticating ─▶ loading ─▶ subscribing ─▶ snapshot ─▶ live
      ▲         │               │              │            │            │         │
      └─────────┴───────────────┴──── waiting ◀┴────────────┴────────────┴─────────┘
                                │
                             refused (this candidate's token; the others go on)

A state says what is being waited for, so that a person who sees it knows what is missing. To the transitions that are
allowed (docs/reference/session-states.md) the tests hold every session: nothing here depends on one.
"""

from __future__ import annotations

from enum import Enum


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
