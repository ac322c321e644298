"""What registry events say has changed, put together until somebody reads it anew.

An event has ids and old values only, so it says what to read: one entity, or a whole list of what is small. Where an
event names nothing, or too many entities changed, everything is read.
"""

from __future__ import annotations

from attrs import define, field

from ingest.core.catalog import Catalog
from ingest.core.wire import RegistryUpdated

SINGLY = 50
"""So many changed entities are fetched one by one; more are a burst, for which one reading of everything is cheaper."""

RENAMES = 1000
"""So many new names are remembered until they are read."""

AREAS, FLOORS, LABELS, DEVICES, ENTITIES = "area", "floor", "label", "device", "entity"


@define
class Changes:
    """`entities`: by entity_id whether it is to be fetched, or is known to be gone. `lists`: kinds to read whole.

    `renames` are old and new ids, in the order of the events.
    """

    entities: dict[str, bool] = field(factory=dict)
    renames: list[tuple[str, str]] = field(factory=list)
    lists: set[str] = field(factory=set)
    whole: bool = False

    def add(self, event: RegistryUpdated) -> None:
        """One more event; of an entity the last word counts."""
        kind, data = event.event_type.removesuffix("_registry_updated"), event.data
        if data.entity_id and data.old_entity_id:
            self.renames = [*self.renames[-RENAMES:], (data.old_entity_id, data.entity_id)]
        if self.whole:
            return
        if kind != ENTITIES:
            self.lists.add(kind)
        elif not data.entity_id:
            self.whole = True
        else:
            if data.old_entity_id:
                self.entities[data.old_entity_id] = False
            self.entities[data.entity_id] = data.action != "remove"
            self.whole = len(self.entities) > SINGLY

    def join(self, later: Changes) -> None:
        """What changed after these."""
        self.renames = [*self.renames, *later.renames][-RENAMES:]
        self.entities |= later.entities
        self.lists |= later.lists
        self.whole = self.whole or later.whole or len(self.entities) > SINGLY

    def known_in(self, catalog: Catalog) -> Catalog:
        """The catalog in which who has a new name meanwhile is known by it.

        The first states under that name come before any answer of the registry could.
        """
        return catalog.renamed(self.renames) if self.renames else catalog

    def __bool__(self) -> bool:
        return bool(self.entities or self.lists or self.whole)
