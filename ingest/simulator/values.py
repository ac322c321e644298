"""What a home consists of, as values, and how each is written on the wire.

Times are whole microseconds since the epoch: Home Assistant's resolution, without an object per time.
Attributes are kept as the JSON text they are sent as, shared by all states that have the same ones.
Shapes, and the order of their keys: frames recorded from 2025.4.4.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
from attrs import field, frozen

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = 1_000_000
"""Microseconds."""
DAY = 86_400 * SECOND

encode = msgspec.json.Encoder().encode


def micros(moment: datetime) -> int:
    """Return `moment` in microseconds since the epoch, exactly."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def moment(at: int) -> datetime:
    """Return the time that is `at` microseconds after the epoch."""
    return EPOCH + timedelta(microseconds=at)


@lru_cache(maxsize=4096)
def _second(second: int) -> bytes:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S").encode()


def iso(at: int) -> bytes:
    """Return the time as `datetime.isoformat` writes it, hence without a fraction when there is none."""
    second, rest = divmod(at, SECOND)
    return b"%b.%06d+00:00" % (_second(second), rest) if rest else b"%b+00:00" % _second(second)


@frozen
class Kind:
    """What entities of one sort have in common. `features` None: the attribute `supported_features` is absent."""

    domain: str
    platform: str
    attributes: Mapping[str, Any] = field(factory=dict)
    capabilities: Mapping[str, Any] = field(factory=dict)
    features: int | None = None
    category: str | None = None
    registered: bool = True
    """Whether its entities have a unique id, hence an entry in the registry."""


@frozen
class Device:
    """A device: `key` identifies it within its platform, `area_id` is where it stands."""

    key: str
    name: str
    platform: str
    area_id: str | None
    manufacturer: str
    model: str
    sw_version: str = "1.4.2"


@frozen
class Entity:
    """One entity, its first state and the first values of the attributes that move."""

    entity_id: str
    name: str
    kind: Kind
    device: Device | None = None
    state: str = "unknown"
    moving: Mapping[str, Any] = field(factory=dict)

    @property
    def unique_id(self) -> str:
        """The id its platform gives it."""
        return f"{self.device.key if self.device else self.kind.platform}-{self.entity_id.partition('.')[2]}"

    def attributes(self, moving: Mapping[str, Any]) -> bytes:
        """Return the attributes as JSON, in Home Assistant's order: capabilities, state attributes, the rest."""
        features = {} if self.kind.features is None else {"supported_features": self.kind.features}
        return encode(
            {**self.kind.capabilities, **moving, **self.kind.attributes, "friendly_name": self.name, **features}
        )


class State(NamedTuple):
    """An entity's state. `changed` moves with the state, `updated` with the attributes too."""

    entity_id: str
    state: str
    attributes: bytes
    changed: int
    updated: int
    context_id: str
    user_id: str | None = None


class Change(NamedTuple):
    """One `state_changed` event. `old` None: created, or a start; `new` None: removed."""

    entity_id: str
    old: State | None
    new: State | None
    fired: int
    context_id: str
    user_id: str | None = None


def context_json(context_id: str, user_id: str | None) -> bytes:
    """Write a context without a parent as JSON; `user_id` is null when nobody did it."""
    return b'{"id":"%b","parent_id":null,"user_id":%b}' % (context_id.encode(), encode(user_id))


def state_json(state: State) -> bytes:
    """Write a state as `get_states` and events hold it."""
    updated = iso(state.updated)
    return (
        b'{"entity_id":"%b","state":%b,"attributes":%b,"last_changed":"%b","last_reported":"%b","last_updated":"%b",'
        b'"context":%b}'
        % (
            state.entity_id.encode(),
            encode(state.state),
            state.attributes,
            iso(state.changed),
            updated,
            updated,
            context_json(state.context_id, state.user_id),
        )
    )


def event_json(event_type: str, data: bytes, fired: int, context: bytes) -> bytes:
    """Write an event message up to its `id`: `seal` adds a subscription's own, so that all clients share the rest."""
    return b'{"type":"event","event":{"event_type":"%b","data":%b,"origin":"LOCAL","time_fired":"%b","context":%b}' % (
        event_type.encode(),
        data,
        iso(fired),
        context,
    )


def seal(event: bytes, subscription: int) -> bytes:
    """Complete an event message for one subscription."""
    return b'%b,"id":%d}' % (event, subscription)


def change_json(change: Change) -> bytes:
    """Write a `state_changed` event message up to its `id`."""
    data = b'{"entity_id":"%b","old_state":%b,"new_state":%b}' % (
        change.entity_id.encode(),
        state_json(change.old) if change.old else b"null",
        state_json(change.new) if change.new else b"null",
    )
    return event_json("state_changed", data, change.fired, context_json(change.context_id, change.user_id))
