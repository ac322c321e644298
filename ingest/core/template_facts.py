"""What Home Assistant's templates tell of entities, where no command does: `POST /api/template` renders Jinja.

One template lists the entities that have a state, the other tells of some of them, a row each. What a release does not
have (floors and labels came with 2024.4) stays as it was known. No template knows a registry id, a platform or a
category: an entity that was known before keeps its own, any other is known by its entity_id.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from attrs import define, evolve, field, frozen
from msgspec import Raw

from ingest.core.catalog import Catalog
from ingest.core.point import Facts
from ingest.core.registry_entries import text_of

AT_ONCE: Final = 500
"""Entities in one question: Home Assistant renders it between two turns of its own."""

ENTITY_IDS: Final = "{{ states | map(attribute='entity_id') | list | to_json }}"

ROWS: Final = """
{%- set found = namespace(rows=[]) -%}
{%- for entity in entity_ids -%}
  {%- set device, area = device_id(entity), area_id(entity) -%}
  {%- set known = labels is defined -%}
  {%- set row = dict(
      entity_id=entity,
      device_id=device,
      area_id=area,
      manufacturer=device_attr(device, 'manufacturer') if device else none,
      model=device_attr(device, 'model') if device else none,
      sw_version=device_attr(device, 'sw_version') if device else none,
      floor_id=floor_id(area) if known and area else none,
      labels=(labels(entity) + (labels(device) if device else []) + (labels(area) if area else [])) if known else none,
      hidden=is_hidden_entity(entity),
  ) -%}
  {%- set found.rows = found.rows + [row] -%}
{%- endfor -%}
{{ found.rows | to_json }}
"""


@frozen
class Row:
    """What is told of one entity. `labels` None: this release has neither labels nor floors."""

    entity_id: str
    device_id: str | None = None
    area_id: str | None = None
    manufacturer: object = None
    model: object = None
    sw_version: object = None
    floor_id: str | None = None
    labels: Sequence[str] | None = None
    hidden: bool = False


_ids = msgspec.json.Decoder(list[str])
_raws = msgspec.json.Decoder(list[Raw])
_row = msgspec.json.Decoder(Row)


def entity_ids(answer: bytes) -> list[str]:
    """The entities that have a state. Raises `msgspec.DecodeError`."""
    return _ids.decode(answer)


@define
class TemplateCatalog:
    """A catalog of what templates tell, over the `previous` one. `skipped` counts what could not be read."""

    previous: Catalog
    skipped: int = 0
    _facts: dict[str, Facts] = field(factory=dict)

    def take(self, answer: bytes) -> None:
        """Take an answer to `ROWS`. Raises `msgspec.DecodeError`."""
        for raw in _raws.decode(answer):
            try:
                row = _row.decode(raw)
            except msgspec.DecodeError:
                self.skipped += 1
            else:
                self._facts[row.entity_id] = self._facts_of(row)

    def _facts_of(self, row: Row) -> Facts:
        known = self.previous.registered(row.entity_id)
        base = known or Facts(row.entity_id)
        facts = evolve(
            base,
            device_id=row.device_id,
            area_id=row.area_id,
            manufacturer=text_of(row.manufacturer),
            model=text_of(row.model),
            sw_version=text_of(row.sw_version),
            hidden=row.hidden,
            disabled=False,
        )
        if row.labels is not None:
            facts = evolve(facts, floor_id=row.floor_id, labels=tuple(sorted(set(row.labels))))
        return base if facts == base else facts

    def catalog(self) -> Catalog:
        """What was told, and of entities without a state what was known."""
        facts, own = self.previous.every()
        return self.previous.followed_by(facts | self._facts, self.previous.registries, own)
