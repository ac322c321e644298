"""Where Home Assistant is and how long it may take, from settings: for the service, and for commands that ask it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from ingest.actors.connection import Deadlines
from ingest.actors.connector import Candidate
from ingest.config import home_assistant
from ingest.config.secrets import read_secret
from ingest.config.settings import Settings
from ingest.core.token import token_problem
from ingest.edge.tls import tls_context
from ingest.edge.websocket import Target
from ingest.errors import Refused

PAUSE: Final = 0.05
"""Seconds for which what trickles in may stay in the socket, at most."""

OF_A_BATCH: Final = 20
"""The part of `batch.timeout` which that is, at most: who wants changes soon sets that."""


def deadlines(settings: Settings) -> Deadlines:
    """How long Home Assistant may take."""
    home = settings.home_assistant
    return Deadlines(home.connect_timeout, home.auth_timeout, home.ping_interval, home.pong_timeout)


def candidates(settings: Settings) -> tuple[Candidate, ...]:
    """The addresses to try. Raises `Refused` when there is none or none is wanted, or when a CA file cannot be read."""
    found = tuple(_candidate(each, settings) for each in settings.home_assistant.candidates())
    if not found and not settings.home_assistant.enabled:
        raise Refused(
            "home_assistant.enabled is false, and there is nothing else to store",
            remedy="Take home_assistant.enabled (or ENABLE_HOME_ASSISTANT) out, or set it to true.",
        )
    if not found:
        raise Refused(
            "no Home Assistant is configured",
            remedy="Run `homeiq-ingest init`, or set home_assistant.url and home_assistant.token_file.",
        )
    return found


def _candidate(given: home_assistant.Candidate, settings: Settings) -> Candidate:
    tls, pause = None, min(PAUSE, settings.batch.timeout / OF_A_BATCH)
    if given.url.startswith("wss:"):
        tls, pause = tls_context(verify=given.ssl_verify, ca_file=given.ca_file), 0.0
    target = Target(given.url, tls, settings.home_assistant.max_message_size, pause)
    return Candidate(given.name, target, _token(given.token.reveal(), given.token_file))


def _token(known: str, path: Path | None) -> Callable[[], str]:
    """Reads the token anew. Raises `Refused` for a file in which there is none, before Home Assistant counts it."""

    def current() -> str:
        token = known if path is None else read_secret(path).reveal()
        if problem := token_problem(token):
            raise Refused(f"the token {problem}", where=str(path or ""), remedy="Paste it again, whole.")
        return token

    return current
