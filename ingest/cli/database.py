"""The configured database, opened by itself: for the service, and for commands that bring something into it."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
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
from ingest.core.sealing import Line
from ingest.core.secret import Secret
from ingest.core.store import Codec, Store, living, since
from ingest.errors import Refused
from ingest.plan import Destination
from ingest.runtime.lane import Lane, ThreadLane
from ingest.runtime.progress import Counted, Progress

if TYPE_CHECKING:
    from ingest.edge.influx import Influx
    from ingest.edge.influx_client import Address

DATABASE = "influxdb"
"""The name that keys what the state file holds for the configured database."""


DATABASE_SECTIONS = frozenset({"home", "influxdb", "device_history"})
"""What must be right in a configuration for bringing something into it."""


@asynccontextmanager
async def opened_database(settings: Settings, progress: Progress | None = None) -> AsyncGenerator[Destination]:
    """The configured database alone: nothing is spooled on disk. Raises `Refused` without an address.

    `progress` is a running service's, and looks at its deliveries: each may take many requests. Without one, what is
    written was stored before, whenever it came.
    """
    codec, retention = schema(settings), settings.influxdb.retention
    if retention is not None:
        kept_ns = int(retention * 1e9)
        if progress is None:
            codec = since(codec, lambda: time.time_ns() - kept_ns)
        else:
            codec = living(codec, kept_ns, time.time_ns)
    lane = ThreadLane(abandon=True)
    async with opened_influx(settings, lane) as influx:
        codec = evolve(codec, whose=partial(whose, stored=influx.taken))
        deliver = Counted(influx.deliver, lambda: lane.begun)
        if progress is not None:
            progress.watch(f"a delivery to {influx.where}", deliver.moves)
        yield Destination(Store(DATABASE, codec, deliver), influx.where)


def schema(settings: Settings) -> Codec[Line, bytes]:
    """The codec of the chosen schema."""
    chosen = settings.influxdb
    if chosen.schema == "homeiq":
        return homeiq(
            numeric_only=chosen.numeric_only,
            gaps=chosen.gaps,
            registries=settings.device_history,
            legacy=chosen.legacy_state_repr,
            home=tagged_home(settings),
        )
    return homeassistant(
        profile(settings.homeassistant_schema),
        numeric_only=chosen.numeric_only,
        gaps=chosen.gaps,
        registries=settings.device_history,
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
