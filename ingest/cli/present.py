"""What a home has at present, for commands that ask Home Assistant themselves: its registries, its entities."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

import trio

from ingest.actors.connection import Connection, within
from ingest.actors.discovery import Discovery
from ingest.actors.notices import Notices
from ingest.config.settings import Settings
from ingest.core import wire
from ingest.core.attributes import Drops
from ingest.core.catalog import NO_CATALOG, Catalog
from ingest.core.coverage import Mark
from ingest.core.enrich import Enricher
from ingest.core.point import Point
from ingest.core.reports import Emit
from ingest.core.rules import Rules
from ingest.core.state import Source, from_snapshot
from ingest.runtime.watch import Watch

ANSWER: Final = 60.0
"""Seconds for an answer."""


async def catalog_of(nursery: trio.Nursery, bulk: Connection, settings: Settings, emit: Emit) -> Catalog:
    """The registries; none after a while, as the service does it. What cannot be read is told to `emit`."""
    catalog = Watch(NO_CATALOG)
    reader = Discovery(bulk, catalog, Notices(), emit, settings.discovery.refresh_interval)
    nursery.start_soon(reader.run)
    with trio.move_on_after(settings.home_assistant.registry_wait):
        await reader.tried.wait()
    return catalog.value


async def points(bulk: Connection, settings: Settings, catalog: Catalog) -> list[Point]:
    """Every present state as a point, as a snapshot makes it. What cannot be read is left out.

    Raises `Transient` or `CommandFailed` when there is no answer, `Malformed` when it is no list.
    """
    with within(ANSWER, "no answer to get_states", bulk.socket.where):
        raws = wire.raw_list(await bulk.ask("get_states"))
    enricher = Enricher(Drops(settings.attributes.drop, settings.attributes.drop_by_domain.items()))
    made = []
    for raw in raws:
        with suppress(wire.Malformed):
            made.append(enricher.point(from_snapshot(wire.state(raw)), Source.SNAPSHOT, catalog))
    return made


async def present(bulk: Connection, settings: Settings, catalog: Catalog) -> tuple[list[Mark], set[str]]:
    """The entities with a state, which the service would store at once; and those that the rules leave out."""
    rules = Rules(settings.filter)
    there, left_out = list[Mark](), set[str]()
    for point in await points(bulk, settings, catalog):
        registry_id = point.facts.registry_id
        if rules.decide(point.entity_id, point.attributes, point.facts).passed:
            there.append(Mark(registry_id, point.entity_id, point.time_ns))
        else:
            left_out.add(registry_id)
    return there, left_out
