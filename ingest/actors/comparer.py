"""What is new to data-api: each complete reading of the registries is compared with what data-api was told.

A list that was not read to its end does not get here. The 41,000 entities of a large home are compared 250 at a time,
with pauses in which other tasks run. Only what is new is kept, compressed, until data-api has it.

What was told is remembered as long as the process lives. Everything is told again at each start, and once a day: a
data-api that lost its database is complete again after that, and telling it twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

import msgspec
import trio
from attrs import define, field
from msgspec import Raw

from ingest.actors.connection import CommandFailed, Connection
from ingest.actors.publisher import Publisher
from ingest.core import publishing, reports, wire
from ingest.core.outbox import Chunk, Packer
from ingest.core.publishing import Entry, Kind
from ingest.core.registries import RegistryLists, parts
from ingest.core.reports import Emit
from ingest.runtime.slot import Slot

T = TypeVar("T")

ANSWER = 120.0
"""Seconds for Home Assistant's config entries, and for its services."""

EVERYTHING = 86_400.0
"""Seconds after which the next reading is told whole."""


@define(eq=False)
class Comparer:
    """Feeds a publisher. `heard` counts the readings."""

    publisher: Publisher
    emit: Emit
    heard: int = 0
    _lists: Slot[RegistryLists] = field(factory=Slot)
    _domains: Mapping[str, str] = field(factory=dict)
    _whole_at: float | None = None
    _unanswered: set[str] = field(factory=set)

    def hear(self, lists: RegistryLists) -> None:
        """Take a complete reading. The newest counts; it is looked at in the session that it was read in."""
        self.heard += 1
        self._lists.put(lists)

    async def run(self, bulk: Connection) -> None:
        """Compare what is heard while a session lasts, for ever. Raises `Transient` when its connection breaks."""
        try:
            while True:
                await self._lists.filled()
                await self._look(bulk)
        finally:
            self._lists.clear()  # the next session reads anew

    async def _look(self, bulk: Connection) -> None:
        found = await self._ask(bulk, "config_entries/get", lambda answer: publishing.domains(wire.raw_list(answer)))
        self._domains = self._domains if found is None else found
        services = await self._ask(bulk, "get_services", lambda answer: list(publishing.services(answer)))
        # Home Assistant may have taken its time: a newer reading counts, if there is one.
        lists = await self._lists.take()
        number = self.heard
        self.publisher.replace(await self._compare(lists, services or ()), number)

    async def _ask(self, bulk: Connection, command: str, read: Callable[[Raw], T]) -> T | None:
        """None when there is no answer that can be read: what was known of it before serves on."""
        problem = f"no answer within {ANSWER:.0f} s"
        with trio.move_on_after(ANSWER):
            try:
                answer = read(await bulk.ask(command))
                self._unanswered.discard(command)
                return answer  # noqa: TRY300  an `else` would hide what is returned
            except CommandFailed as error:
                problem = error.what
            except (wire.Malformed, msgspec.DecodeError, RecursionError) as error:
                problem = f"the answer cannot be read: {error}"
        if command not in self._unanswered:
            self.emit(reports.Notice(f"data-api is not told what {command} says: {problem}"))
        self._unanswered.add(command)
        return None

    async def _compare(self, lists: RegistryLists, services: Sequence[Entry]) -> list[Chunk]:
        """What data-api does not have yet. Services that could not be read stay as they were told."""
        if self._whole_at is None or trio.current_time() >= self._whole_at:
            self.publisher.told.forget()
            self._whole_at = trio.current_time() + EVERYTHING
        devices = (publishing.devices(part, self._domains) for part in parts(lists.devices))
        entities = (publishing.entities(part) for part in parts(lists.entities))
        found = {Kind.DEVICES: await self._news(Kind.DEVICES, devices)}
        found[Kind.ENTITIES] = await self._news(Kind.ENTITIES, entities)
        found[Kind.SERVICES] = await self._news(Kind.SERVICES, [services]) if services else []
        self.emit(reports.ToPublish(*(sum(map(len, found[kind])) for kind in Kind)))
        return [chunk for kind in Kind for chunk in found[kind]]

    async def _news(self, kind: Kind, found: Iterable[Iterable[Entry]]) -> list[Chunk]:
        packer, made, present = Packer(kind), list[Chunk](), set[str]()

        def noted(entries: Iterable[Entry]) -> Iterator[Entry]:
            for entry in entries:
                present.add(entry.id)
                yield entry

        for part in found:
            made += packer.add(self.publisher.told.news(kind, noted(part)))
            await trio.lowlevel.checkpoint()
        self.publisher.told.keep(kind, present)
        return [*made, *packer.rest()]
