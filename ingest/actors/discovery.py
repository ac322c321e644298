"""Reading the registries: at the start of a session, when Home Assistant says that one changed, and now and then.

The catalog is swapped whole, never half: a failed command leaves the last one serving. Registry events carry ids and
old values only, so they are debounced into one fresh reading.
"""

from __future__ import annotations

from collections.abc import Callable

import trio
from attrs import define
from msgspec import Raw

from ingest.actors.connection import CommandFailed, Connection, within
from ingest.core import reports, wire
from ingest.core.catalog import Catalog, CatalogBuilder
from ingest.core.registries import RegistryLists
from ingest.core.reports import Emit
from ingest.runtime.watch import Watch

DEBOUNCE = 0.5
"""Seconds of silence after a registry event: integrations change hundreds of entries in a row."""

AGAIN = 60.0
"""Seconds after which a failed reading is tried again; a server that has no registries is not asked so often."""

ANSWER = 120.0
"""Seconds for a registry of a very large home."""

PATIENCE = 5.0
"""Seconds after which the registries are read even though the events go on."""

CHUNK = 1000
"""Entries decoded between two checkpoints."""


@define(eq=False)
class Discovery:
    """Keeps `catalog` true while a session lasts. `changed` counts registry events; `interval` is in seconds.

    `tell` is handed each complete reading, before it is reported.
    """

    bulk: Connection
    catalog: Watch[Catalog]
    changed: Watch[int]
    emit: Emit
    interval: float
    tell: Callable[[RegistryLists], None] | None = None

    async def run(self) -> None:
        """Read now, and again whenever there is reason to, for ever."""
        while True:
            seen = self.changed.value
            wait = await self._refresh()
            with trio.move_on_after(wait):
                await self.changed.until(lambda count, seen=seen: count != seen)  # type: ignore[misc]  # mypy: default
            await self._settle()

    async def _settle(self) -> None:
        with trio.move_on_after(PATIENCE):
            while True:
                with trio.move_on_after(DEBOUNCE) as silence:
                    await self.changed.changed()
                if silence.cancelled_caught:
                    return

    async def _refresh(self) -> float:
        """Read everything; the seconds until the next time."""
        started = trio.current_time()
        builder = CatalogBuilder(self.catalog.value)
        try:
            lists = await self._read(builder)
        except (CommandFailed, wire.Malformed) as problem:
            self.emit(reports.CatalogFailed(str(problem)))
            unknown = isinstance(problem, CommandFailed) and problem.code == "unknown_command"
            return self.interval if unknown else min(self.interval, AGAIN)
        catalog = builder.build()
        self.catalog.set(catalog)
        if self.tell is not None:
            self.tell(lists)
        seconds = trio.current_time() - started
        self.emit(reports.CatalogLoaded(len(catalog), len(lists.devices), len(catalog.areas), builder.skipped, seconds))
        return self.interval

    async def _read(self, builder: CatalogBuilder) -> RegistryLists:
        builder.add_areas(await self._list("config/area_registry/list"))
        devices = await self._list("config/device_registry/list")
        builder.add_devices(devices)
        entities = await self._list("config/entity_registry/list")
        for start in range(0, len(entities), CHUNK):
            builder.add_entities(entities[start : start + CHUNK])
            await trio.lowlevel.checkpoint()
        return RegistryLists(devices, entities)

    async def _list(self, command: str) -> list[Raw]:
        with within(ANSWER, f"no answer to {command}", self.bulk.socket.where):
            return wire.raw_list(await self.bulk.ask(command))
        raise AssertionError  # pragma: no cover  `within` raised
