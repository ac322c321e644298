"""The configured database, opened by itself: for the service, and for commands that bring something into it."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from attrs import evolve

from ingest.config.schemas import HomeassistantSchema
from ingest.config.secrets import read_secret
from ingest.config.settings import Settings
from ingest.core.homeassistant import MeasurementAttr, Profile, homeassistant
from ingest.core.homeiq import homeiq
from ingest.core.line_owners import whose
from ingest.core.point import Point
from ingest.core.room import ENTITIES
from ingest.core.sealing import Line
from ingest.core.secret import Secret
from ingest.core.store import Age, Codec, Store, always, living, since, writing
from ingest.errors import Refused
from ingest.plan import Destination
from ingest.runtime.lane import Lane, ThreadLane
from ingest.runtime.progress import Counted, Progress

if TYPE_CHECKING:
    from ingest.edge.influx import Influx
    from ingest.edge.influx_client import Address

DATABASE = "influxdb"
"""The name that keys what the state file holds for the configured database."""

LOOKED_AT = 1000
"""Entities of which is remembered what repeats in their lines, where only those who look on ask for it."""

DATABASE_SECTIONS = frozenset({"home", "influxdb", "device_history"})
"""What must be right in a configuration for bringing something into it."""


@asynccontextmanager
async def opened_database(settings: Settings, progress: Progress | None = None) -> AsyncGenerator[Destination]:
    """The configured database alone: nothing is spooled on disk. Raises `Refused` without an address.

    `progress` is a running service's, and looks at its deliveries: each may take many requests. Without one, what is
    written was stored before, whenever it came.
    """
    aged = _aged(settings, running=progress is not None)
    codec = aged(schema(settings))
    lane = ThreadLane(abandon=True)
    async with opened_influx(settings, lane) as influx:
        codec = evolve(codec, whose=partial(whose, stored=influx.taken))
        deliver = Counted(influx.deliver, lambda: lane.begun)
        if progress is not None:
            progress.watch(f"a delivery to {influx.where}", deliver.moves)
        yield Destination(Store(DATABASE, codec, deliver), influx.where, writes=_written(settings, aged))


def _aged(settings: Settings, *, running: bool) -> Callable[[Codec[Line, bytes]], Codec[Line, bytes]]:
    """What makes a codec leave out what the database would refuse for its age."""
    if settings.influxdb.retention is None:
        return lambda codec: codec
    kept_ns = int(settings.influxdb.retention * 1e9)
    if running:
        age = Age(kept_ns, time.time_ns)
        return lambda codec: living(codec, age)
    return lambda codec: since(codec, lambda: time.time_ns() - kept_ns)


def _written(settings: Settings, aged: Callable[[Codec[Line, bytes]], Codec[Line, bytes]]) -> Callable[[Point], bool]:
    """Whether the configured database is given a point: asked for those who look on, of what they look at."""
    chosen = settings.influxdb
    if chosen.schema == "homeiq" and not chosen.numeric_only and chosen.retention is None:
        return always
    return writing(aged(schema(settings, LOOKED_AT)))


def schema(settings: Settings, entities: int = ENTITIES) -> Codec[Line, bytes]:
    """The codec of the chosen schema; it remembers what repeats of so many entities."""
    chosen = settings.influxdb
    if chosen.schema == "homeiq":
        return homeiq(
            numeric_only=chosen.numeric_only,
            gaps=chosen.gaps,
            registries=settings.device_history,
            legacy=chosen.legacy_state_repr,
            entities=entities,
            home=tagged_home(settings),
        )
    return homeassistant(
        profile(settings.homeassistant_schema),
        numeric_only=chosen.numeric_only,
        gaps=chosen.gaps,
        registries=settings.device_history,
        entities=entities,
        home=tagged_home(settings),
    )


def tagged_home(settings: Settings) -> str:
    """The tag `home` of every point; empty where points have none."""
    return settings.home if settings.influxdb.home_tag else ""


def profile(told: HomeassistantSchema) -> Profile:
    """What the schema `homeassistant` is told."""
    return Profile(
        MeasurementAttr(told.measurement_attr),
        told.default_measurement,
        told.override_measurement,
        told.tags,
        frozenset(told.tags_attributes),
        frozenset(told.ignore_attributes),
    )


@asynccontextmanager
async def opened_influx(settings: Settings, lane: Lane | None = None) -> AsyncGenerator[Influx]:
    """The configured database. Nothing is sent before something is asked of it. Raises `Refused` without an address."""
    from ingest.edge.influx import open_influx  # noqa: PLC0415  only where it is used

    async with open_influx(address(settings), lane or ThreadLane(abandon=True), time.time_ns) as influx:
        yield influx


def address(settings: Settings) -> Address:
    """Where the configured database is. Raises `Refused` when there is none."""
    from ingest.edge.influx_client import Address  # noqa: PLC0415  only where it is used

    given = settings.influxdb
    if given.url is None:
        raise Refused("no database is configured", remedy='Set influxdb.url, or store.kind = "embedded".')
    return Address(
        url=given.url,
        token=given.token or Secret(""),
        org=given.org,
        bucket=given.bucket,
        ssl_verify=given.ssl_verify,
        ca_file=given.ca_file,
        create_bucket=given.create_bucket,
        retention=given.retention,
        renewed=partial(read_secret, given.token_file) if given.token_file else None,
        token_setting="influxdb.token_file" if given.token_file else "influxdb.token",
    )
