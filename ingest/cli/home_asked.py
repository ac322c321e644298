"""A connection to the configured Home Assistant for a command that asks it something itself."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import trio
from attrs import frozen

from ingest.actors.connection import Connection, connected
from ingest.actors.connector import Candidate
from ingest.cli.candidates import candidates, deadlines
from ingest.cli.present import catalog_of
from ingest.config.settings import Settings
from ingest.core.catalog import Catalog
from ingest.core.conversation import Received
from ingest.core.reports import Report
from ingest.edge.websocket import open_socket


@frozen
class Asked:
    """Home Assistant's answering end, and what its registries say."""

    bulk: Connection
    catalog: Catalog


@asynccontextmanager
async def asked(settings: Settings, candidate: Candidate | None = None) -> AsyncGenerator[Asked]:
    """Connected while the block runs, to the first of the addresses unless told which. Raises as a session does."""
    candidate = candidate or candidates(settings)[0]
    async with (
        trio.open_nursery() as nursery,
        connected(
            nursery, candidate.target, candidate.token(), _ignore,
            deadlines=deadlines(settings), opener=open_socket, opened=lambda: None,
        ) as bulk,
    ):  # fmt: skip
        yield Asked(bulk, await catalog_of(nursery, bulk, settings, silent))
        nursery.cancel_scope.cancel()


def silent(_: Report) -> None:
    """Take a report and tell nobody: for commands that only ask."""


def _ignore(_: Received) -> None:
    pass
