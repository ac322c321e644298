"""What a pipeline is made of, as values."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from attrs import field, frozen

from ingest.actors.batcher import Limits
from ingest.actors.connection import Deadlines
from ingest.actors.connector import Candidate, Persistence
from ingest.actors.control import Control
from ingest.actors.mending import SpoollessControl
from ingest.core.enrich import Enricher
from ingest.core.point import Point
from ingest.core.reports import Emit
from ingest.core.rules import Rules
from ingest.core.store import Batch, Store, always
from ingest.edge.allocator import give_back
from ingest.edge.data_api import DataApi
from ingest.edge.dead_letters import DeadLetters
from ingest.edge.kept_catalog import KeptCatalog
from ingest.edge.lasting import Lasting
from ingest.edge.ledger import Ledger
from ingest.runtime.link import Overflow, Weight
from ingest.runtime.spool import Spool

INTAKE = Weight(20_000, 32 * 1024 * 1024)
LINK = Weight(10_000, 16 * 1024 * 1024)

STOP_WITHIN = 3.75
"""Seconds from a stop to the end of a pipeline. Of the 5 s of the process the rest is for closing files, and for it."""


@frozen
class Destination:
    """An open store, where it is in words, what it wants done from time to time, and what keeps its batches and letters.

    Without a `spool` batches wait in memory, without `letters` a dead letter is only reported, without `lasting` totals
    are those of one run, without a `ledger` nobody knows what was missed before, without a `catalog` not what the registries
    said then.
    `writes` says whether the store's schema writes a point, for those who look on.
    `give_up` is called when the time of the end is over: it leaves blocking work behind. `flush` is called at the very
    end: it brings what only memory holds to where it lasts. `control` takes commands of a person, until the stop.
    """

    store: Store[Any, Any]
    where: str
    upkeep: Callable[[], Awaitable[None]] | None = None
    spool: Spool[Batch[Any]] | None = None
    give_up: Callable[[], None] = lambda: None
    flush: Callable[[Emit], Awaitable[None]] | None = None
    letters: DeadLetters | None = None
    control: Control | SpoollessControl | None = None
    lasting: Lasting | None = None
    ledger: Ledger | None = None
    catalog: KeptCatalog | None = None
    writes: Callable[[Point], bool] = always


@frozen
class Plan:
    """Everything a pipeline is made of, as values. Capacities in events and bytes, times in seconds.

    `spool_memory`: bytes of batches that wait in memory at most, where the destination has no spool of its own.
    `files` are the paths of what it keeps, by kind: `state` and `store`. `data_api` is told of devices and entities.
    `give_back` returns free memory to the system.
    """

    home: str
    candidates: tuple[Candidate, ...]
    rules: Rules
    enricher: Enricher
    destination: Destination
    intake: Weight = INTAKE
    intake_overflow: Overflow = Overflow.DROP_OLDEST
    link: Weight = LINK
    link_overflow: Overflow = Overflow.BLOCK
    batch: Limits = field(factory=Limits)
    spool_memory: int = 16 * 1024 * 1024
    deadlines: Deadlines = field(factory=Deadlines)
    persistence: Persistence = field(factory=Persistence)
    registry_wait: float = 10.0
    refresh_interval: float = 1800.0
    store_breaker: int = 5
    stop_within: float = STOP_WITHIN
    upkeep_every: float = 3600.0
    wall_ns: Callable[[], int] = time.time_ns
    files: Mapping[str, str] = field(factory=dict)
    data_api: DataApi | None = None
    give_back: Callable[[], None] = give_back
