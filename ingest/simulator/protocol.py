"""The server's side of one conversation, without a socket: text in, messages out.

The order of the checks is Home Assistant's: form, id, command, schema. An id counts as used once its command is known,
and ids of unknown commands may come again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any, TypeGuard

from ingest.simulator.commands import COMMANDS, HISTORY, STATISTICS, check
from ingest.simulator.errors import CommandError
from ingest.simulator.instance import HomeAssistant, Send
from ingest.simulator.values import encode

_connections = count(1)

Later = Callable[[float, bytes], None]

AUTH_SECONDS = 10.0
"""Without an answer to `auth_required` for so long the server closes."""


class Hangup(Exception):  # noqa: N818  not an error: the server's ordinary way to end a conversation
    """The server closes the connection with 1000."""


class Conversation:
    """What one client and the server say to each other. `send` takes one whole message, never blocks.

    `later` does the same after so many seconds, which may be infinitely many.
    """

    def __init__(self, instance: HomeAssistant, send: Send, later: Later | None = None) -> None:
        self.instance = instance
        self.send = send
        self._later = later
        self.key = next(_connections)
        self.authenticated = False
        self.coalesce = False
        self.subscriptions: dict[int, str | None] = {}
        self._last_id = 0

    def open(self) -> None:
        """Say the first word, `auth_required` with the version, as Home Assistant does."""
        self._say({"type": "auth_required", "ha_version": self.instance.version})

    def receive(self, text: str) -> None:
        """Take one frame: a command or an array of them. Raises `Hangup` when it is not JSON or not authorised."""
        try:
            message = json.loads(text)
        except ValueError:
            raise Hangup from None
        if not self.authenticated:
            self._authenticate(message)
            return
        for one in message if isinstance(message, list) else [message]:
            self._command(one)

    def close(self) -> None:
        """Forget all subscriptions."""
        for subscription, event_type in self.subscriptions.items():
            self.instance.ignore(event_type, (self.key, subscription))
        self.subscriptions.clear()

    def subscribe(self, subscription: int, event_type: str | None) -> None:
        """Send the events of one type, None for all, under the id `subscription`."""
        self.subscriptions[subscription] = event_type
        self.instance.listen(event_type, (self.key, subscription), self.send)

    def unsubscribe(self, subscription: int) -> bool:
        """Undo `subscribe`; False when there is no such subscription."""
        if subscription not in self.subscriptions:
            return False
        self.instance.ignore(self.subscriptions.pop(subscription), (self.key, subscription))
        return True

    def _authenticate(self, message: object) -> None:
        if self.instance.mood.silent_auth:
            return
        problem = _malformed(message)
        if problem is None and isinstance(message, dict) and self.instance.accepts(message["access_token"]):
            self.authenticated = True
            self._say({"type": "auth_ok", "ha_version": self.instance.version})
            return
        self._say({"type": "auth_invalid", "message": problem or "Invalid access token or password"})
        raise Hangup

    def _command(self, message: object) -> None:
        if not _well_formed(message):
            known = message.get("id") if isinstance(message, dict) else 0
            self._refuse(known, CommandError("invalid_format", "Message incorrectly formatted."))
            return
        if message["id"] <= self._last_id:
            self._refuse(message["id"], CommandError("id_reuse", "Identifier values have to increase."))
            return
        try:
            result = self._answer(message)
        except CommandError as error:
            self._refuse(message["id"] if self.instance.mood.names(message["type"]) else None, error)
        else:
            self._deliver(message["type"], result)

    def _deliver(self, kind: str, result: bytes) -> None:
        delay = self.instance.recorder.delay if kind in {HISTORY, STATISTICS} else 0.0
        if delay and self._later is not None:
            self._later(delay, result)
        else:
            self.send(result)

    def _answer(self, message: dict[str, Any]) -> bytes:
        kind = message["type"]
        scripted = self.instance.mood.error(kind)
        if scripted:
            raise CommandError(*scripted)
        if kind not in COMMANDS:
            raise CommandError("unknown_command", "Unknown command.")
        self._last_id = message["id"]
        command = COMMANDS[kind]
        check(command, message)
        result = command.answer(self, message)
        if kind == "ping":
            return b'{"id":%d,"type":"pong"}' % message["id"]
        return b'{"id":%d,"type":"result","success":true,"result":%b}' % (message["id"], result)

    def _refuse(self, known: object, error: CommandError) -> None:
        told = {"code": error.code, "message": error.message, **error.more}
        self._say({"id": known, "type": "result", "success": False, "error": told})

    def _say(self, message: Mapping[str, Any]) -> None:
        self.send(encode(message))


def _malformed(message: object) -> str | None:
    """Say what is wrong with the form of an auth message, in Home Assistant's words."""
    text = "Auth message incorrectly formatted: "
    if not isinstance(message, dict):
        return text + "expected a dictionary"
    extra = [key for key in message if key not in {"type", "access_token", "api_password"}]
    if extra:
        return f"{text}extra keys not allowed @ data[{extra[0]!r}]. Got {message[extra[0]]!r}"
    if message.get("type") != "auth":
        return f"{text}not a valid value for dictionary value @ data['type']. Got {message.get('type')!r}"
    return None if "access_token" in message else f"{text}must contain at least one of access_token, api_password."


def _well_formed(message: object) -> TypeGuard[dict[str, Any]]:
    if not isinstance(message, dict):
        return False
    known, kind = message.get("id"), message.get("type")
    return type(known) is int and known > 0 and isinstance(kind, str) and bool(kind)
