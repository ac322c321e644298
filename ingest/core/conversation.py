"""One client's side of one connection to Home Assistant, without the socket: text in, values out.

Home Assistant's rules, all of them kept here and nowhere else:

* `auth_required`, then `auth` without an id, then `auth_ok` or `auth_invalid`; only then commands.
* Ids strictly increase on a connection. Whoever takes an id must send it before the next is taken.
* After `supported_features` a frame may be an array that mixes results and events.
* Events may come before the answer to the command that subscribed to them, so a subscription is known from the
  moment its command is made.
* Errors may come without an id, from servers that only resemble Home Assistant. They answer in order, so such an error
  is that of the command that has waited longest.

`receive` never raises: what it cannot read is a value like the others, and costs its neighbours nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import msgspec
from attrs import define, field, frozen
from msgspec import Raw

from ingest.core import wire
from ingest.core.gathering import Text
from ingest.core.state import Change, Frame
from ingest.core.wire import CommandError, Malformed, RegistryUpdated

STATE_CHANGED = "state_changed"

NAMELESS = "error_without_id"
"""Our code for an error without an id that has no code of its own."""
REGISTRY_EVENTS = (
    "area_registry_updated",
    "device_registry_updated",
    "entity_registry_updated",
    "floor_registry_updated",
    "label_registry_updated",
)


@frozen
class AuthRequired:
    """The server's first word: it wants a token, and says its version."""

    ha_version: str


@frozen
class AuthOk:
    """The server took the token. From here on commands are answered."""

    ha_version: str


@frozen
class AuthInvalid:
    """The token is not good. Trying again counts towards the server's IP ban."""

    message: str


@frozen
class Answer:
    """What a command came to: `error` None means success."""

    id: int
    result: Raw = wire.NOTHING
    error: CommandError | None = None


@frozen
class Nameless:
    """An error that does not say which command it answers."""

    error: CommandError


@frozen
class Unexpected:
    """A message nobody asked for; `kind` is bounded in length."""

    kind: str


Received: TypeAlias = (
    AuthRequired | AuthOk | AuthInvalid | Answer | Nameless | Frame | RegistryUpdated | Malformed | Unexpected
)


def auth(token: str) -> str:
    """The auth message. It has no id, and one more key in it would be refused."""
    return _text({"type": "auth", "access_token": token})


def _text(message: dict[str, object]) -> str:
    return msgspec.json.encode(message).decode()


@define
class Conversation:
    """The state of one connection: the last id, and what each subscription delivers."""

    _last_id: int = 0
    _subscriptions: dict[int, str] = field(factory=dict)
    _to_changes: set[int] = field(factory=set)

    def command(self, kind: str, **fields: object) -> tuple[int, str]:
        """The next id, and the command's text. The server refuses keys that the command does not know."""
        self._last_id += 1
        return self._last_id, _text({"id": self._last_id, "type": kind, **fields})

    def subscribe(self, event_type: str) -> tuple[int, str]:
        """A command that subscribes to one type of event; its events are known by the command's id."""
        number, text = self.command("subscribe_events", event_type=event_type)
        self._subscriptions[number] = event_type
        if event_type == STATE_CHANGED:
            self._to_changes.add(number)
        return number, text

    def receive(self, *texts: Text) -> list[Received]:
        """The values in messages that arrived together, in order; neighbouring changes come in one `Frame`.

        Those of one message come after its other values: nothing in it depends on the order between changes and answers.
        An answer says that a command was accepted, and the changes are complete from then on.
        """
        values: list[Received] = []
        changes: list[Change] = []
        size = 0
        for text in map(_lean, texts):
            if self._to_changes and (told := wire.changes(text, self._to_changes)):
                changes += told
                size += len(text)
                continue
            before = len(changes)
            if others := list(self._values(text, changes)):
                values += _framed(changes[:before], size) + others
                del changes[:before]
                before, size = 0, 0
            if len(changes) > before:
                size += len(text)
        return values + _framed(changes, size)

    def _values(self, text: Text, changes: list[Change]) -> Iterator[Received]:
        for envelope in wire.envelopes(text):
            if isinstance(envelope, Malformed):
                yield envelope
            elif envelope.type == "event" and envelope.id in self._to_changes:
                try:
                    changes.append(wire.change(envelope.event))
                except Malformed as problem:
                    yield problem
            else:
                yield self._other(envelope)

    def _other(self, envelope: wire.Envelope) -> Received:
        match envelope.type:
            case "result" | "pong" if envelope.id is not None:
                return _answer(envelope)
            case "result" | "error" if not envelope.success:
                return Nameless(_nameless(envelope))
            case "event" if envelope.id in self._subscriptions:
                return _registry_updated(envelope.event)
            case kind:
                return _auth(envelope) or Unexpected(kind[:40])


def _lean(text: Text) -> Text:
    """The text as it is to be kept: with one emoji in it a `str` takes four bytes a character, and UTF-8 besides."""
    return text if isinstance(text, bytes) or text.isascii() else text.encode()


def _framed(changes: list[Change], size: int) -> list[Received]:
    return [Frame(tuple(changes), size)] if changes else []


def _auth(envelope: wire.Envelope) -> AuthRequired | AuthOk | AuthInvalid | None:
    match envelope.type:
        case "auth_required":
            return AuthRequired(envelope.ha_version)
        case "auth_ok":
            return AuthOk(envelope.ha_version)
        case "auth_invalid":
            return AuthInvalid(envelope.message)
        case _:
            return None


def _answer(envelope: wire.Envelope) -> Answer:
    number = envelope.id or 0
    if envelope.type == "pong" or envelope.success:
        return Answer(number, envelope.result)
    return Answer(number, error=wire.command_error(envelope.error))


def _nameless(envelope: wire.Envelope) -> CommandError:
    error = wire.command_error(envelope.error)
    return error if error.code != "unknown" else CommandError(NAMELESS, error.message or envelope.message)


def _registry_updated(event: Raw) -> RegistryUpdated | Malformed:
    try:
        return wire.registry_updated(event)
    except Malformed as problem:
        return problem
