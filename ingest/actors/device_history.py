"""Writing what the registries say of devices and entities into measurements of their own, beside the states.

A complete reading is compared in parts of 250 entries. What is new in a part goes with the next batch, and the next
part is compared once that batch is there. So however large a home is, memory holds one part of it beside the reading.
What is not written at the stop is found to be new at the next start, with everything else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import trio
from attrs import define, field

from ingest.core.point import PointFrame
from ingest.core.registries import RegistryLists, parts
from ingest.core.registry_points import (
    RegistryPoint,
    RegistryTelling,
    counted_by_device,
    device_points,
    entity_points,
)
from ingest.runtime.link import Sender
from ingest.runtime.slot import Slot


@define(eq=False)
class DeviceHistory:
    """Has the news of each reading for a batcher to `take`. `wall_ns` is the wall clock."""

    wall_ns: Callable[[], int]
    _telling: RegistryTelling = field(factory=RegistryTelling)
    _taken: trio.Event = field(factory=trio.Event)
    _heard: Slot[tuple[RegistryLists, int]] = field(factory=Slot)

    def hear(self, lists: RegistryLists) -> None:
        """Take a complete reading. The newest counts."""
        self._heard.put((lists, self.wall_ns()))

    def take(self) -> Sequence[RegistryPoint]:
        """What is to be written; it counts as written."""
        due = self._telling.take()
        if due:
            self._taken.set()
        return due

    def again(self) -> None:
        """Some of it may be lost: the next reading is written as the first one was."""
        self._telling.forget()

    async def run(self, store: Sender[PointFrame]) -> None:
        """Tell of each reading, for ever; closes its end of the link."""
        with store:
            while True:
                await self._tell(*await self._heard.take(), store)

    async def _tell(self, lists: RegistryLists, time_ns: int, store: Sender[PointFrame]) -> None:
        counts = Counter[str]()
        for part in parts(lists.entities):
            counted_by_device(part, counts)
            await trio.lowlevel.checkpoint()
        devices = (device_points(part, counts, time_ns) for part in parts(lists.devices))
        entities = (entity_points(part, time_ns) for part in parts(lists.entities))
        present = await self._tell_parts(devices, store) | await self._tell_parts(entities, store)
        self._telling.keep(present)

    async def _tell_parts(self, found: Iterable[Iterable[RegistryPoint]], store: Sender[PointFrame]) -> set[str]:
        present = set[str]()
        for part in found:
            present |= self._telling.look(part)
            if self._telling:
                self._taken = trio.Event()
                await store.ready()
                store.put(PointFrame((), 0))
                await self._taken.wait()
            await trio.lowlevel.checkpoint()
        return present
