"""What a home does and what must become of it: events as Home Assistant sends them, and the lines they make.

The simulated home's events weigh what recorded ones weigh (1,122 bytes each; 2025.4 sends 1,124), repeat their attributes
nine times in ten, and each has a time of its own, so that every event is a point of its own and can be counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice

from attrs import frozen
from msgspec import Raw
from wsproto.frame_protocol import FrameProtocol

from ingest.config.settings import Settings
from ingest.core import wire
from ingest.core.attributes import Drops
from ingest.core.catalog import Catalog
from ingest.core.catalog_builder import CatalogBuilder
from ingest.core.enrich import Enricher
from ingest.core.homeiq import Encoder
from ingest.core.point import Point
from ingest.core.state import Change, Source, nanoseconds
from ingest.simulator.home import Home
from ingest.simulator.values import change_json, seal

START = datetime(2026, 11, 2, tzinfo=UTC)
"""Everything in a snapshot is older, every event newer. Fixed, so that each run sends the very same bytes."""
START_NS = nanoseconds(START)

SEED = 1

TOGETHER = 256
"""Events in a coalesced frame: Home Assistant 2025.4 gathers so many while a client is behind."""

SINGLES_AT_ONCE = 64
"""Single frames that are handed to the socket together, as the kernel would."""


@frozen
class Event:
    """One `state_changed` message up to its `id`, and its point's time in nanoseconds."""

    body: bytes
    time_ns: int


@frozen
class Chunk:
    """Whole WebSocket frames that are sent together, and how many events they hold."""

    data: bytes
    events: int


def home(entities: int) -> Home:
    """The home as it is at the start; every call makes the same."""
    return Home(SEED, entities, START, history=timedelta(0))


def events(entities: int, count: int) -> list[Event]:
    """The first `count` events of that home after the start, however many days they take."""
    life = home(entities).advance(START + timedelta(days=36_500))
    return [Event(change_json(change), change.fired * 1000) for change in islice(life, count)]


def texts(stream: Sequence[Event], together: int, subscription: int) -> Iterator[bytes]:
    """The events as messages of `together` each: arrays, or the bare objects when it is one."""
    sealed = [seal(event.body, subscription) for event in stream]
    if together == 1:
        return iter(sealed)
    return (b"[%b]" % b",".join(sealed[start : start + together]) for start in range(0, len(sealed), together))


def chunks(
    stream: Sequence[Event], together: int, subscription: int, singles_at_once: int = SINGLES_AT_ONCE
) -> list[Chunk]:
    """The events as bytes for the socket: each message a WebSocket frame."""
    protocol = FrameProtocol(client=False, extensions=[])
    frames = [protocol.send_data(text.decode()) for text in texts(stream, together, subscription)]
    at_once = singles_at_once if together == 1 else 1
    size = together * at_once
    return [
        Chunk(b"".join(frames[start : start + at_once]), min(size, len(stream) - start * together))
        for start in range(0, len(frames), at_once)
    ]


def lines(entities: int, stream: Sequence[Event]) -> list[bytes]:
    """The line of every event, made by the service's own parts with its default settings."""
    return list(map(Encoder().line, points(entities, stream)))


def points(entities: int, stream: Sequence[Event]) -> list[Point]:
    """The point of every event, likewise."""
    settings = Settings().attributes
    enricher, known = Enricher(Drops(settings.drop, settings.drop_by_domain.items())), _catalog(home(entities))
    return [enricher.point(change, Source.LIVE, known) for change in _changes(stream)]


def _changes(stream: Sequence[Event]) -> Iterator[Change]:
    for event in stream:
        for envelope in wire.envelopes(seal(event.body, 1).decode()):
            if isinstance(envelope, wire.Envelope):
                yield wire.change(envelope.event)


def _catalog(known: Home) -> Catalog:
    builder = CatalogBuilder()
    builder.add_devices(wire.raw_list(Raw(known.registry.device_list())))
    builder.add_entities(wire.raw_list(Raw(known.registry.entry_list())))
    return builder.build()
