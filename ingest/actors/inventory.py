"""Everything that uses a reading of the registries, beside the catalog: data-api, device history, whoever asks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import trio
from attrs import define, field

from ingest.actors.comparer import Comparer
from ingest.actors.connection import Connection
from ingest.actors.device_history import DeviceHistory
from ingest.actors.publisher import Publisher
from ingest.actors.rediscovery import Rediscovery
from ingest.core.point import PointFrame
from ingest.core.registries import RegistryLists
from ingest.core.registry_points import RegistryPoint
from ingest.core.reports import Emit
from ingest.edge.data_api import DataApi
from ingest.runtime.link import Sender
from ingest.runtime.watch import Watch


@define(eq=False)
class Inventory:
    """Without a `comparer` no data-api is told, without a `history` nothing is written."""

    comparer: Comparer | None = None
    history: DeviceHistory | None = None
    rediscovery: Rediscovery = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.rediscovery = Rediscovery(self.comparer)

    @property
    def told(self) -> Callable[[RegistryLists], None] | None:
        """Who takes complete readings; None when nobody wants them."""
        return None if self.comparer is None and self.history is None else self.tell

    def tell(self, lists: RegistryLists) -> None:
        """Hand a complete reading to who wants it. They look at it later, and keep only what is new."""
        for each in (self.comparer, self.history):
            if each is not None:
                each.hear(lists)

    async def attend(self, bulk: Connection, changed: Watch[int]) -> None:
        """Beside a session, as long as it lasts. `changed` makes it read the registries."""
        with self.rediscovery.while_connected(changed):
            if self.comparer is not None:
                await self.comparer.run(bulk)
            await trio.sleep_forever()

    def news(self) -> Sequence[RegistryPoint]:
        """What a batch is to take along."""
        return () if self.history is None else self.history.take()

    def again(self) -> None:
        """Batches are to take everything along once more, with the next reading."""
        if self.history is not None:
            self.history.again()

    async def write(self, store: Sender[PointFrame]) -> None:
        """Have batches take news along, for ever; closes its end of the link."""
        if self.history is None:
            store.close()
        else:
            await self.history.run(store)

    async def run(self) -> None:
        """Beside the sessions: tell data-api, for ever."""
        if self.comparer is not None:
            await self.comparer.publisher.run()


def inventory(
    data_api: DataApi | None,
    emit: Emit,
    chance: Callable[[], float],
    wall_ns: Callable[[], int],
    *,
    written: bool,
) -> Inventory:
    """What is configured of it; `written`: the store takes devices and entities."""
    comparer = None if data_api is None else Comparer(Publisher(data_api, emit, chance), emit)
    return Inventory(comparer, DeviceHistory(wall_ns) if written else None)
