"""The whole tree. Every name in it is the name in the TOML file."""

# ruff: noqa: RUF009  `option` and `section` are attrs fields; attrs reads each once

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from attrs import frozen

from ingest.config import kinds
from ingest.config.destination import Batch, Embedded, Influxdb, Memory, Spool, Store, StoreLink
from ingest.config.home_assistant import Attributes, Discovery, Filter, HomeAssistant, Intake
from ingest.config.options import Key, keys, option, section, sections
from ingest.config.original import Original
from ingest.config.schemas import HomeassistantSchema
from ingest.config.service import Api, DataApi, Log


@frozen
class Settings:
    """What the service is told. `Settings()` is the defaults."""

    home: str = option(
        "home",
        kinds.text("a name of letters, digits, - and _", r"[\w-]{1,64}"),
        "Name of the home; it keys what is stored about it.",
    )
    device_history: bool = option(
        False,
        kinds.boolean(),
        "Write devices and entities into measurements of their own, `devices` and `entities`, whenever they change.",
        ("STORE_DEVICE_HISTORY_IN_INFLUXDB",),
    )
    home_assistant: HomeAssistant = section(HomeAssistant)
    discovery: Discovery = section(Discovery)
    filter: Filter = section(Filter)
    attributes: Attributes = section(Attributes)
    intake: Intake = section(Intake)
    store_link: StoreLink = section(StoreLink)
    batch: Batch = section(Batch)
    spool: Spool = section(Spool)
    memory: Memory = section(Memory)
    store: Store = section(Store)
    influxdb: Influxdb = section(Influxdb)
    homeassistant_schema: HomeassistantSchema = section(HomeassistantSchema)
    original: Original = section(Original)
    embedded: Embedded = section(Embedded)
    data_api: DataApi = section(DataApi)
    api: Api = section(Api)
    log: Log = section(Log)

    @property
    def store_kind(self) -> Literal["influxdb", "embedded", "stdout"]:
        """Where the points go, `auto` decided."""
        if self.store.kind != "auto":
            return self.store.kind
        return "influxdb" if self.influxdb.url else "embedded"


KEYS: Final[Mapping[str, Key]] = keys(Settings)
SECTIONS: Final[Mapping[str, type[Any]]] = sections(Settings)
