"""The section of the schema `homeassistant`: the names are those of the integration that it follows."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from attrs import frozen

from ingest.config import kinds, shapes
from ingest.config.options import option


@frozen
class HomeassistantSchema:
    """The schema `homeassistant`, with the settings of Home Assistant's `influxdb` integration under its own names."""

    measurement_attr: Literal["unit_of_measurement", "domain__device_class", "entity_id"] = option(
        "unit_of_measurement",
        kinds.choice("unit_of_measurement", "domain__device_class", "entity_id"),
        "What a measurement is named after.",
    )
    default_measurement: str = option(
        "", shapes.measurement(), "The measurement of what has no unit; without it, of each entity its own."
    )
    override_measurement: str = option("", shapes.measurement(), "One measurement for everything.")
    tags: Mapping[str, str] = option(
        MappingProxyType({}), shapes.texts(), "Tags that every point gets; they come before its own."
    )
    tags_attributes: tuple[str, ...] = option((), shapes.words(), "Attributes that become tags instead of fields.")
    ignore_attributes: tuple[str, ...] = option((), shapes.words(), "Attributes that are not written.")
