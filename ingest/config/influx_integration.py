"""The block of Home Assistant's `influxdb` integration, as settings that write the same points of the same entities.

What Home Assistant itself would refuse is refused here, all of it at once; what has no counterpart becomes a note.
Source: homeassistant/components/influxdb (`__init__.py`, `const.py`), helpers/entityfilter.py and entity_values.py;
2024.3.3 and 2025.4.4.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import frozen

from ingest.config.filter_kinds import patterns
from ingest.config.integration_parts import (
    MappingReader,
    Part,
    entity_id,
    entity_ids,
    one_of,
    text,
    texts,
    texts_by_name,
)
from ingest.config.integration_target import target
from ingest.core.entity_filter import Lists, chosen
from ingest.core.secret import Secret
from ingest.errors import Problems

SCHEMA: Final = "homeassistant_schema"
"""The section of the schema's settings, which have the integration's own names."""

KNOWN: Final = frozenset(
    {
        "api_version", "host", "port", "ssl", "path", "username", "password", "database", "token", "organization", "bucket",
        "verify_ssl", "ssl_ca_cert", "precision", "max_retries", "measurement_attr", "default_measurement",
        "override_measurement", "tags", "tags_attributes", "ignore_attributes", "include", "exclude", "component_config",
        "component_config_domain", "component_config_glob",
    }
)  # fmt: skip
"""The integration's keys."""

ATTRS: Final = ("unit_of_measurement", "domain__device_class", "entity_id")


@frozen
class Note:
    """What was not carried over as it stood. `key` is the integration's, `why` a sentence without its full stop."""

    key: str
    why: str


@frozen
class Converted:
    """Settings by dotted name, the database's secret (for a file of its own), and what could not be carried over."""

    values: Mapping[str, object]
    secret: Secret | None
    notes: tuple[Note, ...]


def converted(block: Mapping[str, object]) -> Converted:
    """The settings that a block means. Raises `Problems` for what Home Assistant would refuse."""
    told, notes = MappingReader(block), list[Note]()

    def say(key: str, why: str) -> None:
        notes.append(Note(key, why))

    found = target(told, say)
    values = {"influxdb.schema": "homeassistant", **found.values, **_points(told), **_filter(told, notes)}
    values |= _overrides(told, notes)
    for key in told.left():
        say(key, "the integration knows no such key")
    if told.problems:
        raise Problems(tuple(told.problems))
    return Converted(values, found.secret, tuple(notes))


def _points(told: MappingReader) -> Mapping[str, object]:
    found: dict[str, object] = {
        "measurement_attr": told.take("measurement_attr", one_of(*ATTRS)),
        "default_measurement": told.take("default_measurement", text),
        "override_measurement": told.take("override_measurement", text),
        "tags": told.take("tags", texts_by_name),
        "tags_attributes": told.take("tags_attributes", texts),
        "ignore_attributes": told.take("ignore_attributes", texts),
    }
    return {f"{SCHEMA}.{key}": value for key, value in found.items() if value}


def _filter(told: MappingReader, notes: list[Note]) -> Mapping[str, object]:
    include, exclude = _lists(told, "include"), _lists(told, "exclude")
    found = chosen(include, exclude)
    notes += [Note("filter", why) for why in found.notes]
    show = patterns().show
    values: dict[str, object] = {"filter.mode": found.filter.mode} if include or exclude else {}
    if found.filter.patterns:
        values["filter.patterns"] = show(found.filter.patterns)
    if found.filter.exceptions:
        values["filter.exceptions"] = show(found.filter.exceptions)
    return values


def _lists(told: MappingReader, key: str) -> Lists:
    side = told.inside(key)
    found = Lists(
        side.take("entities", entity_ids) or (),
        side.take("domains", texts) or (),
        side.take("entity_globs", texts) or (),
    )
    told.others += side.left()
    return found


def _overrides(told: MappingReader, notes: list[Note]) -> Mapping[str, object]:
    """In Home Assistant the entity's own says most, then the last glob, then the domain: here the first that says a thing."""
    globs = _customs(told, "component_config_glob", "entity_id", text)
    customs = [
        *_customs(told, "component_config", "entity_id", entity_id),
        *reversed(globs),
        *_customs(told, "component_config_domain", "domain", text),
    ]
    everywhere = told.take("override_measurement", text)
    rows = [_row(each, customs[number:], everywhere, notes) for number, each in enumerate(customs, start=1)]
    said = [row for row in rows if len(row) > 1]
    return {"filter.overrides": said} if said else {}


@frozen
class _Custom:
    """What is different for an entity, a glob or a domain; None: it does not say."""

    key: str
    name: str
    measurement: str | None
    ignore: tuple[str, ...] | None


def _customs(told: MappingReader, key: str, asked: str, part: Part[str]) -> list[_Custom]:
    side = told.inside(key)
    found = []
    for name in side.given:
        entry = side.inside(name)
        measurement, ignore = entry.take("override_measurement", text), entry.take("ignore_attributes", texts)
        found.append(_Custom(asked, side.name(name, part) or "", measurement, ignore))
        told.others += entry.left()
    return [each for each in found if each.name]


def _row(custom: _Custom, below: list[_Custom], everywhere: str | None, notes: list[Note]) -> dict[str, object]:
    """The override. What is said as empty takes back what would be said below, which only matters if anything is."""
    row: dict[str, object] = {custom.key: custom.name}
    if custom.measurement:
        row["measurement"] = custom.measurement
    elif custom.measurement == "" and any(each.measurement for each in below):
        if everywhere:
            row["measurement"] = everywhere
        else:
            notes.append(
                Note(
                    f"component_config {custom.name}",
                    "an empty override_measurement cannot take back one of a glob or domain",
                )
            )
    if custom.ignore or (custom.ignore == () and any(each.ignore for each in below)):
        row["ignore"] = list(custom.ignore)
    return row
