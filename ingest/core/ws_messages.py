"""What a client of `/ws` says, and what it is answered: text in, text out.

    too many ▷ binary ▷ too large ▷ not JSON ▷ no object ▷ correlation_id ▷ type ▷ channels ▷ answer

The first fault that is found is answered with an error that names it, and everything goes on.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from math import ceil
from typing import Any, Final, ParamSpec

import msgspec
from attrs import define, field
from msgspec import Raw

from ingest.core.channels import GLOBS, MOST, channels_of, joined

P = ParamSpec("P")

LARGEST: Final = 65_536
"""Bytes of a message."""

LONGEST_ID: Final = 128
"""Characters of a correlation_id."""

# Where a message cannot be read as a whole its correlation_id often can.
_ID: Final = re.compile(rf'"correlation_id"\s*:\s*"([^"\\\x00-\x1f]{{1,{LONGEST_ID}}})"')


@define
class Quota:
    """`most` messages in any `window` of so many seconds."""

    most: int
    window: float
    _taken: deque[float] = field(factory=deque)

    def wait(self, now: float) -> float:
        """Take one. Returns 0, or in how many seconds there is room for another; what has no room is not counted."""
        while self._taken and now - self._taken[0] >= self.window:
            self._taken.popleft()
        if len(self._taken) >= self.most:
            return self.window - (now - self._taken[0])
        self._taken.append(now)
        return 0.0


class Fault(Exception):  # noqa: N818  nothing of ours failed
    """What is wrong with a message, in a sentence."""


@define(eq=False)
class Conversation:
    """One client's. `channels` are those that it has now, as it wrote them; `fresh` makes a correlation_id.

    `had_too_many`: the last message was one of more than may be.
    """

    quota: Quota
    fresh: Callable[[], str]
    channels: tuple[str, ...] = ()
    had_too_many: bool = False

    def greeting(self, at: str, version: str) -> str:
        """The first message. `at` is the time in ISO 8601, here and elsewhere."""
        return _json(
            {
                "type": "connection",
                "status": "connected",
                "message": "Connected to homeiq-ingest",
                "correlation_id": self.fresh(),
                "timestamp": at,
                "version": version,
                "limits": {
                    "message_bytes": LARGEST,
                    "messages": self.quota.most,
                    "window_seconds": self.quota.window,
                    "channels": MOST,
                    "globs": GLOBS,
                },
            }
        )

    def hear(self, text: str | None, now: float, at: str) -> str:
        """The answer to a message; None for a binary one. `now` is in seconds of any clock that only goes forward.

        Of a text that is too large the beginning is enough.
        """
        correlation_id = None
        try:
            said = self._taken(text, now)
            correlation_id = _id_of(said)
            return self._answer(said, text or "", correlation_id or self.fresh(), at)
        except Fault as fault:
            found = _ID.search(text or "")
            named = correlation_id or (found[1] if found else self.fresh())
            return _json({"type": "error", "message": str(fault), "correlation_id": named})

    def _taken(self, text: str | None, now: float) -> dict[str, Any]:
        wait = self.quota.wait(now)
        self.had_too_many = wait > 0
        if wait:
            most, window = self.quota.most, self.quota.window
            raise Fault(f"more than {most:,} messages in {window:g} s: wait {ceil(wait)} s")
        if text is None:
            raise Fault("the message is binary: send JSON as text")
        if len(text) > LARGEST or len(text.encode()) > LARGEST:
            raise Fault(f"the message has more than {LARGEST:,} bytes")
        said = _decoded(text)
        if not isinstance(said, dict):
            raise Fault("the message is not a JSON object")
        return said

    def _answer(self, said: dict[str, Any], text: str, correlation_id: str, at: str) -> str:
        match said.get("type"):
            case "ping":
                return _json({"type": "pong", "timestamp": at, "correlation_id": correlation_id})
            case "subscribe":
                self.channels = _faulty(joined, self.channels, _named(said) or ("*",))
                status = "subscribed"
            case "unsubscribe":
                left = _named(said)
                self.channels = tuple(each for each in self.channels if left is not None and each not in left)
                status = "unsubscribed"
            case str():
                return _json({"type": "echo", "original": Raw(text.encode()), "correlation_id": correlation_id})
            case _:
                raise Fault('"type" must be a text, such as "ping" or "subscribe"')
        told = {"type": "subscription", "status": status, "channels": self.channels}
        return _json({**told, "timestamp": at, "correlation_id": correlation_id})


def _decoded(text: str) -> object:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise Fault(f"the message is not JSON: {error}") from error
    except RecursionError as error:
        raise Fault("the message is not JSON that can be read: it is nested too deeply") from error


def _id_of(said: dict[str, Any]) -> str | None:
    given = said.get("correlation_id")
    if given is None or (isinstance(given, str) and 0 < len(given) <= LONGEST_ID):
        return given
    raise Fault(f'"correlation_id" must be a text of 1 to {LONGEST_ID} characters')


def _named(said: dict[str, Any]) -> tuple[str, ...] | None:
    return None if said.get("channels") is None else _faulty(channels_of, said["channels"])


def _faulty(call: Callable[P, tuple[str, ...]], *given: P.args, **more: P.kwargs) -> tuple[str, ...]:
    """What the call returns, whose `ValueError` is a fault of the message."""
    try:
        return call(*given, **more)
    except ValueError as error:
        raise Fault(str(error)) from error


def _json(message: dict[str, Any]) -> str:
    return msgspec.json.encode(message).decode()
