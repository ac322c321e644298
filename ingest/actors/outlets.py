"""Where the filter's points go: into every store's link. What a link drops counts as missed from then on."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from itertools import chain
from typing import Self

from attrs import frozen

from ingest.core.loss import shed_points
from ingest.core.point import PointFrame
from ingest.core.reconcile import Reconciler
from ingest.core.reports import Emit
from ingest.core.snapshot_states import SnapshotStates
from ingest.core.state import Source
from ingest.runtime.link import Sender


@frozen
class Outlets:
    """The stores' links, closed with it. `reconciler` and `told` are the filter's: what is lost here was not stored after all."""

    stores: Sequence[Sender[PointFrame]]
    emit: Emit
    reconciler: Reconciler
    told: SnapshotStates

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with ExitStack() as ends:
            for store in self.stores:
                ends.enter_context(store)

    async def ready(self) -> None:
        """Wait until each has room."""
        for store in self.stores:
            await store.ready()

    def put(self, frame: PointFrame) -> None:
        """Put the frame on every link, unless there is nothing in it."""
        if not (frame.points or frame.note):
            return
        for store in self.stores:
            lost = store.put(frame)
            if (report := shed_points(store.link.name, lost)) is not None:
                self.emit(report)
                for point in chain.from_iterable(each.points for each in lost):
                    if point.origin is not Source.HEARTBEAT:
                        self.reconciler.lose(point.facts.registry_id)
                        self.told.lose(point.facts.registry_id, point.time_ns)
            for each in lost:
                self.reconciler.give_back(each.note.missed)
