"""The envelopes of Home Assistant's WebSocket API, as msgspec decodes them.

One envelope class for every message: `id` comes last in events and first in results, so nothing can be decided while
reading. `event` and `result` stay raw until the id says what they are.

Nearly every frame of a live connection holds changes and nothing else, so that is what it is taken for at first:
`changes` decodes it in one pass. When anything else is in it, or anything wrong, it is read again through `envelopes`,
message by message.
Source: frames recorded from 2024.3.3, 2025.4.4 and 2026.11.0.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import Literal, TypeVar

import msgspec
from attrs import frozen
from msgspec import Raw, Struct

from ingest.core.gathering import Text
from ingest.core.redact import redacted
from ingest.core.state import Change, State

T = TypeVar("T")

NOTHING = Raw(b"")


@frozen
class CommandError:
    """Why a command failed. Decide on `code`: the messages change between versions."""

    code: str = "unknown"
    message: str = ""


@frozen
class Envelope:
    """Any message of the server."""

    type: str
    id: int | None = None
    success: bool = False
    result: Raw = NOTHING
    error: Raw = NOTHING
    event: Raw = NOTHING
    ha_version: str = ""
    message: str = ""


class EventMessage(Struct, frozen=True, gc=False):
    """An event's message that is taken for a change; whose subscription it is says the id."""

    type: Literal["event"]
    id: int
    event: Change


@frozen
class RegistryData:
    """The `data` of a `*_registry_updated` event: an id, never the entry itself. Only entities are asked for by theirs."""

    action: str = ""
    entity_id: str | None = None
    old_entity_id: str | None = None


@frozen
class RegistryUpdated:
    """A `*_registry_updated` event: somebody changed a registry; what it says now must be asked for."""

    event_type: str
    data: RegistryData


@frozen
class CoreConfig:
    """The part of `get_config` that matters: `state` is RUNNING once every entity is there."""

    state: str = ""
    unit_system: object = None

    @property
    def temperature_unit(self) -> str | None:
        """In which Home Assistant says every thermostat's temperatures: "°C" or "°F"; None where it does not say."""
        unit = self.unit_system.get("temperature") if isinstance(self.unit_system, dict) else None
        return unit if isinstance(unit, str) and unit else None


class Malformed(ValueError):  # noqa: N818  a value that is raised once and then reported
    """Text that is not what it should be: `kind` of message, the problem, and its beginning without secrets."""

    def __init__(self, kind: str, problem: str, raw: str | bytes | Raw) -> None:
        super().__init__(problem)
        self.kind = kind
        text = raw if isinstance(raw, str) else bytes(raw).decode("utf-8", "replace")
        self.problem = problem
        self.excerpt = redacted(text[:400])


ARRAY = frozenset({"[", b"["})
"""How a frame of several messages begins."""

_one = msgspec.json.Decoder(Envelope)
_many = msgspec.json.Decoder(list[Envelope])
_told = msgspec.json.Decoder(EventMessage)
_all_told = msgspec.json.Decoder(list[EventMessage])
_parts = msgspec.json.Decoder(list[Raw])
_change = msgspec.json.Decoder(Change)
_registry = msgspec.json.Decoder(RegistryUpdated)
_state = msgspec.json.Decoder(State)
_config = msgspec.json.Decoder(CoreConfig)
_error = msgspec.json.Decoder(CommandError | str | None)


def changes(text: Text, subscriptions: Container[int]) -> tuple[Change, ...] | None:
    """The changes in a frame that holds only those of these subscriptions; None: `envelopes` has to say what is in it."""
    try:
        if text[:1] not in ARRAY:
            one = _told.decode(text)
            return (one.event,) if one.id in subscriptions else None
        told = _all_told.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None
    return tuple([each.event for each in told]) if all(each.id in subscriptions for each in told) else None


def envelopes(text: Text) -> Iterator[Envelope | Malformed]:
    """The messages of one WebSocket frame: an object, or an array of objects when messages are coalesced.

    A message that is not an envelope comes as `Malformed`, the others of its frame as they are.
    """
    try:
        if text[:1] in ARRAY:
            yield from _many.decode(text)
        else:
            yield _one.decode(text)
    except (msgspec.DecodeError, RecursionError) as problem:
        yield from _salvaged(text, str(problem))


def _salvaged(text: Text, problem: str) -> Iterator[Envelope | Malformed]:
    try:
        parts = _parts.decode(text)
    except (msgspec.DecodeError, RecursionError):
        yield Malformed("frame", problem, text)
        return
    for part in parts:
        try:
            yield _one.decode(part)
        except (msgspec.DecodeError, RecursionError) as inner:
            yield Malformed("message", str(inner), part)


def change(event: Raw) -> Change:
    """A `state_changed` event. Raises `Malformed`."""
    return decoded("event", _change, event)


def registry_updated(event: Raw) -> RegistryUpdated:
    """A `*_registry_updated` event. Raises `Malformed`."""
    return decoded("registry event", _registry, event)


def core_config(result: Raw) -> CoreConfig:
    """The answer to `get_config`. Raises `Malformed`."""
    return decoded("get_config", _config, result)


def command_error(error: Raw) -> CommandError:
    """Why a command failed, as far as it is said: foreign servers have a text, or nothing, where the object should be."""
    try:
        said = _error.decode(error)
    except (msgspec.DecodeError, RecursionError):
        return CommandError()
    return said if isinstance(said, CommandError) else CommandError(message=said or "")


def raw_list(result: Raw) -> list[Raw]:
    """A long answer as its raw parts, so that they can be decoded in chunks. Raises `Malformed`."""
    return decoded("list", _parts, result)


def state(raw: Raw) -> State:
    """One state of `get_states`. Raises `Malformed`."""
    return decoded("state", _state, raw)


def decoded(kind: str, decoder: msgspec.json.Decoder[T], raw: Raw | bytes) -> T:
    """What is in a part of a message, which is `kind` in words. Raises `Malformed`."""
    try:
        return decoder.decode(raw)
    except (msgspec.DecodeError, RecursionError) as problem:
        raise Malformed(kind, str(problem), raw) from None
