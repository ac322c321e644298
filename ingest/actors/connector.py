"""Keeping a session with Home Assistant, for ever: which candidate, when, and what is learnt from each failure.

Every attempt and every session ends in an error; the error says what now. The standings of the candidates are pure
values (`core/candidate.py`), this module only waits and tries.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import trio
from attrs import define, evolve, field, frozen

from ingest.actors.connection import Deadlines, TokenRefused, peek_version
from ingest.core import candidate as standing
from ingest.core import reports
from ingest.core.candidate import Standing
from ingest.core.reports import Emit
from ingest.core.session import SessionState
from ingest.edge.websocket import Open, Target
from ingest.errors import IngestError, Refused, Transient
from ingest.runtime.garbage import look_now
from ingest.runtime.supervise import one_error

TOKEN_CHECK = 30.0
"""Seconds between two looks at a refused candidate's token file."""

VERSION_CHECK = 600.0
"""Seconds between two looks at the version of a server that refused a token."""


@frozen
class Candidate:
    """One address of one Home Assistant. `token` reads it anew each time; it may raise `Refused`."""

    name: str
    target: Target
    token: Callable[[], str]


@frozen
class Persistence:
    """How long to try. Below zero retries never end; seconds otherwise."""

    max_retries: int = -1
    max_delay: float = 300.0
    breaker_threshold: int = 5


class GaveUp(Refused):
    """Every candidate failed more often than the configuration allows."""


Session: TypeAlias = Callable[[Candidate, str, Callable[[], None]], Awaitable[None]]
"""Holds one session with (candidate, token); calls back once it is live; ends only by an error."""


@define
class _Refusal:
    """What was refused, so that something new is noticed."""

    token: str
    version: str
    looked: float
    """When the version was looked at, in seconds of trio's clock."""


@define(eq=False)
class Connector:
    """The candidates, how they stand, and how a session is held. `chance` draws from [0, 1)."""

    candidates: tuple[Candidate, ...]
    persistence: Persistence
    session: Session
    emit: Emit
    chance: Callable[[], float]
    deadlines: Deadlines
    opener: Open
    standings: list[Standing] = field(init=False)
    _refusals: dict[int, _Refusal] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        self.standings = [Standing() for _ in self.candidates]

    async def run(self) -> None:
        """Hold a session whenever that is possible. Raises `GaveUp` when the retries are limited and spent."""
        try:
            await self._hold_sessions()
        finally:
            for candidate in self.candidates:
                self.emit(reports.SessionChanged(candidate.name, SessionState.STOPPED))

    async def _hold_sessions(self) -> None:
        while not standing.exhausted(self.standings, self.persistence.max_retries):
            await trio.lowlevel.checkpoint()
            index, delay = standing.next_attempt(self.standings, trio.current_time())
            if delay > 0:
                await self._wait(delay)
            else:
                await self._attempt(index)
        raise GaveUp(
            f"no connection after {self.persistence.max_retries} retries",
            where=", ".join(each.target.url for each in self.candidates),
            remedy="Start Home Assistant, or set home_assistant.max_retries = -1 to wait for it for ever.",
        )

    async def _attempt(self, index: int) -> None:
        candidate = self.candidates[index]
        live_since: list[float] = []
        self._refusals.pop(index, None)
        token = ""
        self.emit(reports.SessionChanged(candidate.name, SessionState.CONNECTING))
        try:
            with one_error(IngestError):
                token = candidate.token()
                await self.session(candidate, token, lambda: live_since.append(trio.current_time()))
        except TokenRefused as error:
            await self._refused(index, token, error)
        except (Transient, Refused) as error:
            self._failed(index, error, live_since)
        look_now()

    def _failed(self, index: int, error: IngestError, live_since: list[float]) -> None:
        now = trio.current_time()
        lasted = now - live_since[0] if live_since else 0.0
        known = self.standings[index]
        new = standing.ended(known, lasted, now, self.persistence.max_delay, self.chance)
        self.standings[index] = new
        name, wait = self.candidates[index].name, new.retry_at - now
        self.emit(reports.SessionChanged(name, SessionState.WAITING))
        breaker = new.breaker(now, self.persistence.breaker_threshold).value
        said, person = error.said, isinstance(error, Refused)
        self.emit(reports.ConnectionFailed(name, said, wait, new.failures, breaker, person, error.remedy))

    async def _refused(self, index: int, token: str, error: TokenRefused) -> None:
        candidate = self.candidates[index]
        self.standings[index] = standing.refused(self.standings[index], trio.current_time())
        self._refusals[index] = _Refusal(token, await self._version(candidate), trio.current_time())
        self.emit(reports.SessionChanged(candidate.name, SessionState.REFUSED))
        self.emit(reports.CandidateRefused(candidate.name, error.said, standing.REFUSED_DELAY, error.remedy))

    async def _wait(self, delay: float) -> None:
        """Wait for the next attempt, or until a refused candidate has something new to offer."""
        with trio.move_on_after(delay):
            while not await self._pardon():  # noqa: ASYNC110  a file and a far server have no event
                await trio.sleep(TOKEN_CHECK if self._refusals else delay)

    async def _pardon(self) -> bool:
        pardoned = [index for index in self._refusals if await self._is_news(index)]
        for index in pardoned:
            del self._refusals[index]
            self.standings[index] = evolve(self.standings[index], retry_at=trio.current_time(), refused=False)
        return bool(pardoned)

    async def _is_news(self, index: int) -> bool:
        candidate, refusal = self.candidates[index], self._refusals[index]
        try:
            token = candidate.token()
        except Refused:
            return False
        return token != refusal.token or await self._is_new_version(candidate, refusal)

    async def _is_new_version(self, candidate: Candidate, refusal: _Refusal) -> bool:
        if trio.current_time() < refusal.looked + VERSION_CHECK:
            return False
        refusal.looked = trio.current_time()
        version = await self._version(candidate)
        known, refusal.version = refusal.version, version or refusal.version
        return bool(version and known and version != known)

    async def _version(self, candidate: Candidate) -> str:
        try:
            with one_error(IngestError):
                return await peek_version(candidate.target, self.deadlines, self.opener)
        except (Transient, Refused):
            return ""
