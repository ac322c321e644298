"""Asking Home Assistant for its registries, over the bulk connection: all of them, or what is said to have changed.

Answers are taken raw and read in chunks with a checkpoint between them, so that 23 MB of entities hold no event up.
Tags are made of areas, devices and entities; without these there is no reading, unless they were known before. The
other registries only give names: if their command fails, or a release does not have it, nothing else is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import trio
from attrs import define, frozen
from msgspec import Raw

from ingest.actors.connection import CommandFailed, Connection, within
from ingest.core import wire
from ingest.core.catalog import NO_CATALOG, Catalog
from ingest.core.catalog_builder import CatalogBuilder
from ingest.core.registry_changes import AREAS, DEVICES, ENTITIES, FLOORS, LABELS, Changes
from ingest.errors import Transient

ANSWER = 120.0
"""Seconds for a registry of a very large home."""

ASIDE = 30.0
"""Seconds for what is only good to know."""

CHUNK = 250
"""Entries read between two checkpoints: two milliseconds."""

FAILURES = (CommandFailed, wire.Malformed)

NOT_THERE = frozenset({"unknown_command", "not_found"})


@frozen
class Whole:
    """All that was read: the catalog, the raw entries of devices and entities, and how many could not be read.

    `devices` None: these could not be read, for the reason in `lacking`, and are those known before.
    """

    catalog: Catalog
    devices: Sequence[Raw] | None
    entities: Sequence[Raw]
    skipped: int
    lacking: str = ""


@define(eq=False)
class RegistryReader:
    """Reads from one connection. `complain` is told which command failed, and `works` which did not."""

    bulk: Connection
    complain: Callable[[str, Exception], None]
    works: Callable[[str], None]

    async def whole(self, previous: Catalog) -> Whole:
        """Everything. Raises `CommandFailed`, `Malformed`; `Transient` when there is no answer at all."""
        builder, known = CatalogBuilder(previous), previous is not NO_CATALOG
        await self._take(AREAS, builder, known=known)
        await self._name(FLOORS, builder.set_floors)
        await self._name(LABELS, builder.set_labels)
        devices, lacking = await self._take(DEVICES, builder, known=known)
        entities = await self._list(ENTITIES)
        await _fed(builder.add_entities, entities)
        devices = await self._found_late(builder, devices)
        return Whole(builder.build(), devices, entities, builder.skipped, lacking)

    async def changed(self, previous: Catalog, changes: Changes) -> Catalog:
        """The catalog with what has changed. Raises as `whole`."""
        builder = CatalogBuilder.of_changes(previous)
        found = {name: await self._entity(name) if there else None for name, there in changes.entities.items()}
        entries = [entry for entry in found.values() if entry is not None]
        lists = changes.lists | builder.unheard_of(entries)
        if AREAS in lists:
            builder.add_areas(await self._list(AREAS))
        if FLOORS in lists:
            await self._name(FLOORS, builder.set_floors)
        if LABELS in lists:
            await self._name(LABELS, builder.set_labels)
        if DEVICES in lists:
            await _fed(builder.add_devices, await self._list(DEVICES))
        builder.drop(name for name, entry in found.items() if entry is None)
        builder.add_entities(entries)
        for names in _parts(builder.concerned()):
            builder.make_again(names)
            await trio.lowlevel.checkpoint()
        return builder.build()

    async def _take(self, kind: str, builder: CatalogBuilder, *, known: bool) -> tuple[Sequence[Raw] | None, str]:
        """A registry that tags are made of; when it fails and was `known` before, that goes on serving: and why it failed."""
        try:
            entries = await self._list(kind)
        except FAILURES as problem:
            if not known:
                raise
            self.complain(_command(kind), problem)
            return None, str(problem)
        self.works(_command(kind))
        await _fed(builder.add_areas if kind == AREAS else builder.add_devices, entries)
        return entries, ""

    async def _found_late(self, builder: CatalogBuilder, devices: Sequence[Raw] | None) -> Sequence[Raw] | None:
        """Where entities are of areas and devices that were made after these were read, read them again; the devices."""
        kinds = set[str]().union(*builder.strangers.values())
        if AREAS in kinds:
            await self._take(AREAS, builder, known=True)
        if DEVICES in kinds and devices is not None:
            again, _ = await self._take(DEVICES, builder, known=True)
            devices = devices if again is None else again
        for names in _parts(tuple(builder.strangers)):
            builder.make_again(names)
            await trio.lowlevel.checkpoint()
        return devices

    async def _name(self, kind: str, take: Callable[[Sequence[Raw]], None]) -> None:
        """A registry that no tag is made of: its command may fail."""
        command = _command(kind)
        try:
            with within(ASIDE, f"no answer to {command}", self.bulk.socket.where):
                take(wire.raw_list(await self.bulk.ask(command)))
        except (*FAILURES, Transient) as problem:
            if not (isinstance(problem, CommandFailed) and problem.code in NOT_THERE):
                self.complain(command, problem)
        else:
            self.works(command)

    async def _list(self, kind: str) -> Sequence[Raw]:
        command = _command(kind)
        with within(ANSWER, f"no answer to {command}", self.bulk.socket.where):
            return wire.raw_list(await self.bulk.ask(command))

    async def _entity(self, entity_id: str) -> Raw | None:
        """One entry; None when it is gone meanwhile."""
        command = "config/entity_registry/get"
        with within(ANSWER, f"no answer to {command}", self.bulk.socket.where):
            try:
                return await self.bulk.ask(command, entity_id=entity_id)
            except CommandFailed as problem:
                if problem.code != "not_found":
                    raise
        return None


def _command(kind: str) -> str:
    return f"config/{kind}_registry/list"


def _parts(entries: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(entries), CHUNK):
        yield entries[start : start + CHUNK]


async def _fed(take: Callable[[Sequence[Raw]], None], entries: Sequence[Raw]) -> None:
    for start in range(0, max(len(entries), 1), CHUNK):
        take(entries[start : start + CHUNK])
        await trio.lowlevel.checkpoint()
