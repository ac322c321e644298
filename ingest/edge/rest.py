"""Home Assistant over HTTP: what its WebSocket does not tell, its templates do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import trio

from ingest.core.certificates import trust
from ingest.core.influx_answer import Answer
from ingest.core.secret import masked
from ingest.core.urls import http_base
from ingest.edge.http_client import Peer, bearer, open_client
from ingest.edge.websocket import Target
from ingest.errors import IngestError, Refused, Transient

DEADLINE: Final = 60.0
"""Seconds for one answer: a template over hundreds of entities takes a small machine a while."""

LONGEST: Final = 32 * 1024 * 1024
"""Bytes of an answer."""

ADMIN: Final = (
    "Templates want the token of an administrator: make one in the profile of such a user. "
    "Until then points carry what was known last."
)

HOME: Final = Peer(
    "Home Assistant",
    "Check home_assistant.url: the address must be that of Home Assistant itself, as in a browser up to the port.",
    trust("", "home_assistant"),
)


def renderer(target: Target, token: str) -> Callable[[bytes], Awaitable[bytes]]:
    """What posts to `/api/template` of this Home Assistant and returns what was rendered.

    It raises `Transient` or `Refused`.
    """
    url = f"{http_base(target.url)}/api/template"

    async def render(body: bytes) -> bytes:
        with trio.move_on_after(DEADLINE):
            async with open_client(HOME, target.tls) as client:
                return _rendered(await client.post(url, body, bearer(token), LONGEST), url)
        raise Transient(f"no answer within {DEADLINE:.0f} s", where=url)

    return render


def _rendered(answer: Answer, where: str) -> bytes:
    if answer.status == 200:
        return answer.text.encode()
    raise _failed(answer, where)


def _failed(answer: Answer, where: str) -> IngestError:
    if answer.status in {401, 403}:
        return Refused(
            f"Home Assistant does not let this token use templates (HTTP {answer.status})", where=where, remedy=ADMIN
        )
    if answer.status in {404, 405}:
        return Refused("there are no templates either", where=where, remedy="Points carry what was known last.")
    return Transient(f"HTTP {answer.status}: {masked(answer.text)[:200]}", where=where)
