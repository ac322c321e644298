"""Having Home Assistant's history asked for more than the gaps of the service itself: imports, and second attempts.

What is asked for is written into the ledger as a gap; `actors/backfill.py` fills it as it fills every other.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator

from attrs import define, field

from ingest.core import control
from ingest.core.catalog import Catalog
from ingest.core.coverage import Cause, Mark
from ingest.core.history_reading import MARGIN_NS
from ingest.core.importing import NOTHING, Wanted, check_named, chosen, whole_microseconds
from ingest.core.ledger import LEFT
from ingest.core.marks import bearers
from ingest.core.reconcile import Reconciler
from ingest.core.rules import Rules
from ingest.edge.ledger import Ledger
from ingest.errors import Transient
from ingest.runtime.watch import Watch


@define(eq=False)
class Importing:
    """One home's. `now_ns` is the wall clock.

    `hurry` has what there is to fill looked at now; it is told which spans are to be read again.
    """

    ledger: Ledger
    rules: Watch[Rules]
    catalog: Watch[Catalog]
    reconciler: Reconciler
    now_ns: Callable[[], int]
    hurry: Callable[[Collection[int]], None] = field(default=lambda _: None)

    @property
    def ready(self) -> bool:
        """True once the home's states were read: before that nobody knows which entities there are."""
        return self.reconciler.session > 0 and not self.reconciler.reconciling

    async def begin(self, asked: control.Import) -> control.Imported:
        """Open the gap of an import. Raises `Transient` or `Refused`."""
        if not self.ready:
            raise Transient("Home Assistant's states were not read yet", remedy="Try again when it is connected.")
        entities = tuple(chosen(self._entities(), asked.entities, self._passes))
        check_named(entities, asked.entities)
        since_ns = whole_microseconds(asked.since_ns)
        ended = self.reconciler.excluded.ended
        wanted = Wanted(since_ns, self._until_ns(), entities, asked.again, not asked.entities, ended)
        gap = await self.ledger.begin_import(wanted)
        self.reconciler.excluded.handed_over(ended)
        count = 0 if gap is None else await self.ledger.entities(gap.id)
        self.hurry(())
        pending = self._left((Cause.IMPORTED,))
        if gap is None:
            return control.Imported(pending=pending)
        return control.Imported(gap.id, count, gap.from_ns, gap.to_ns, pending)

    async def fill(self) -> control.Filling:
        """Have everything tried now. Raises `Transient` or `Refused`."""
        again = await self.ledger.ask_again()
        self.hurry(again)
        return control.Filling(self._left(Cause), len(again))

    def _left(self, causes: Iterable[Cause]) -> tuple[int, ...]:
        """The gaps of these causes in which there is something to fill."""
        wanted = frozenset(causes)
        return tuple(gap.id for gap in self.ledger.gaps if gap.progress in LEFT and gap.cause in wanted)

    def _until_ns(self) -> int:
        """A minute ago, by the clock of Home Assistant: what comes later comes live. Its newest state is not ahead of that."""
        newest_ns = max((mark.time_ns for mark in self.reconciler.marks.values()), default=self.now_ns())
        return whole_microseconds(min(newest_ns, self.now_ns()) - MARGIN_NS)

    def _entities(self) -> Iterator[Mark]:
        """Those of which states are stored, each name once, and those that only the registry knows."""
        yield from bearers(self.reconciler.marks)
        catalog = self.catalog.value
        for entity_id in catalog.registered_ids():
            yield Mark(catalog.facts(entity_id).registry_id, entity_id, NOTHING)

    def _passes(self, entity: Mark) -> bool:
        return self.rules.value.may_pass(entity.entity_id, self.catalog.value.facts(entity.entity_id))
