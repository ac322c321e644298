"""An entity's attributes: the text to store, and the few that tags and rules look at.

Attributes are most of an event's bytes and mostly repeat, so the last bytes of every entity are kept and compared before
anything is parsed. What is dropped by default is secret (`access_token`, `token`), or a link that carries a
secret and changes at every look (`entity_picture`).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from sys import intern

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from ingest.core.lineprotocol import TEXT_LIMIT, utf8
from ingest.core.point import Attributes
from ingest.core.room import ENTITIES, make_room
from ingest.core.treatment import Treatment

SECRET_OR_VOLATILE = ("access_token", "entity_picture", "entity_picture_local", "token")
MICRO_SIGN, GREEK_MU = "\u00b5", "\u03bc"

_members = msgspec.json.Decoder(dict[str, Raw])


class Seen(Struct, frozen=True, gc=False):
    """The attributes that are looked at, of whatever type they came."""

    device_class: object = None
    unit_of_measurement: object = None
    state_class: object = None
    friendly_name: object = None
    restored: object = False


_seen = msgspec.json.Decoder(Seen)


class Drops:
    """The names of attributes that are not stored: those of every entity, and those of a domain's entities."""

    def __init__(
        self,
        everywhere: Iterable[str] = SECRET_OR_VOLATILE,
        by_domain: Iterable[tuple[str, Iterable[str]]] = (),
    ) -> None:
        self._everywhere = frozenset(everywhere)
        self._by_domain = {domain: self._everywhere | frozenset(names) for domain, names in by_domain}

    def of(self, entity_id: str) -> frozenset[str]:
        """The names to drop from an entity's attributes."""
        return self._by_domain.get(entity_id.partition(".")[0], self._everywhere)


def parse(text: str, drops: frozenset[str] = frozenset()) -> Attributes:
    """The attributes in a JSON object, without `drops`. Raises `msgspec.DecodeError`.

    Home Assistant's own text is kept when nothing is dropped from it; a line break between members (never inside
    one: JSON escapes it) is taken out, for the text becomes part of a line.
    """
    seen = _seen.decode(text)
    return Attributes(
        json=_kept(text, drops),
        device_class=_word(seen.device_class),
        unit=_unit(seen.unit_of_measurement),
        friendly_name=seen.friendly_name if isinstance(seen.friendly_name, str) else None,
        restored=seen.restored is True,
        state_class=_word(seen.state_class),
    )


def looked_at(raw: Raw) -> Attributes:
    """What tags and rules look at, without the text. Raises `msgspec.DecodeError`."""
    seen = _seen.decode(raw)
    name = seen.friendly_name if isinstance(seen.friendly_name, str) else None
    device_class, state_class = _word(seen.device_class), _word(seen.state_class)
    return Attributes("", device_class, _unit(seen.unit_of_measurement), name, state_class=state_class)


def alike(one: Attributes, other: Attributes) -> bool:
    """True when a rule or a tag sees no difference between them."""
    return one.device_class == other.device_class and one.unit == other.unit and one.state_class == other.state_class


def was_restored(raw: Raw) -> bool:
    """True when these are the attributes of an entity that Home Assistant put back before its integration was there."""
    try:
        return _seen.decode(raw).restored is True
    except msgspec.DecodeError:
        return False


def _kept(text: str, drops: frozenset[str]) -> str:
    # An escaped name ("\u0074oken") is not found by looking for it, so a text with escapes is always taken apart.
    if "\\u" in text or any(map(text.__contains__, _quoted(drops))):
        text = _without(text, drops)
    if "\n" in text or "\r" in text:
        text = msgspec.json.format(text, indent=-1)
    return text


@lru_cache
def _quoted(names: frozenset[str]) -> tuple[str, ...]:
    return tuple(f'"{name}"' for name in names)


def _without(text: str, drops: frozenset[str]) -> str:
    members = _members.decode(text)
    if drops.isdisjoint(members):
        return text
    return msgspec.json.encode({name: raw for name, raw in members.items() if name not in drops}).decode()


def fewer(json: str, treatment: Treatment) -> str:
    """The JSON object with what a rule leaves of it; "" (no state) stays."""
    if not json or treatment.keeps_all:
        return json
    members = _members.decode(json)
    return msgspec.json.encode({name: members[name] for name in filter(treatment.keeps, members)}).decode()


def fitting(json: str, limit: int = TEXT_LIMIT) -> str:
    """The JSON object, without its longest members when it is longer than a field may be: it stays readable JSON."""
    if len(json) <= limit // 4 or len(utf8(json)) <= limit:
        return json
    members = _members.decode(utf8(json))
    longest = sorted(members, key=lambda name: len(members[name]))
    # Lengths are added up: to encode what is left after each member that goes takes seconds where thousands go.
    sizes = {name: len(msgspec.json.encode(name)) + len(raw) + len(":,") for name, raw in members.items()}
    size = sum(sizes.values()) + len("{}") - len(",")
    del members[name := longest.pop()]
    size -= sizes[name]
    while members and size > limit:
        del members[name := longest.pop()]
        size -= sizes[name]
    return msgspec.json.encode(members).decode()


def _word(value: object) -> str | None:
    return intern(value) if isinstance(value, str) and value else None


def _unit(value: object) -> str | None:
    """Home Assistant is moving from the micro sign to the Greek letter; one unit must not become two series."""
    return _word(value.replace(MICRO_SIGN, GREEK_MU) if isinstance(value, str) else None)


class AttributesCache:
    """`parse`, remembering each entity's last attributes: equal text gives the very same object.

    It holds at most `entities` of them and forgets the one that came first.
    """

    def __init__(self, drops: Drops, entities: int = ENTITIES) -> None:
        self._drops = drops
        self._entities = entities
        self._last: dict[str, tuple[Raw, Attributes]] = {}

    def of(self, entity_id: str, raw: Raw) -> Attributes:
        """The entity's attributes. Raises `msgspec.DecodeError` when they are no JSON object."""
        known = self._last.get(entity_id)
        if known is not None and known[0] == raw:
            return known[1]
        data = bytes(raw)
        attributes = parse(data.decode(), self._drops.of(entity_id))
        if known is not None and known[1] == attributes:
            attributes = known[1]
        if known is None:
            make_room(self._last, self._entities)
        self._last[entity_id] = (Raw(data), attributes)
        return attributes

    def read_from(self, entity_id: str, attributes: Attributes) -> Raw | None:
        """Of which bytes these are what is remembered of the entity; None when it is something else."""
        known = self._last.get(entity_id)
        return known[0] if known is not None and known[1] is attributes else None

    def forget(self, entity_id: str) -> None:
        """Drop what is kept of an entity that is gone; an unknown one is nothing."""
        self._last.pop(entity_id, None)


def tagged_like(attributes: Attributes, last: Attributes) -> Attributes:
    """The attributes with the tags of `last` where they have none of their own (an entity that is unavailable)."""
    device_class = attributes.device_class or last.device_class
    unit = attributes.unit or last.unit
    state_class = attributes.state_class or last.state_class
    if (device_class, unit, state_class) == (attributes.device_class, attributes.unit, attributes.state_class):
        return attributes
    return replace(attributes, device_class=device_class, unit=unit, state_class=state_class)
