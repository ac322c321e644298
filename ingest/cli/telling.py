"""The configured data-api, open for the time of a service."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from ingest.config.secrets import read_secret
from ingest.config.settings import Settings
from ingest.core.data_api_answer import CHECK_KEY, CHECK_KEY_FILE
from ingest.core.secret import Secret
from ingest.edge.data_api import DataApi, open_data_api


@asynccontextmanager
async def opened_data_api(settings: Settings) -> AsyncGenerator[DataApi | None]:
    """None where none is configured, and then nothing of it is loaded."""
    chosen = settings.data_api
    if chosen.url is None:
        yield None
        return

    def key() -> Secret | None:
        """Read at every attempt. Raises `Refused` when its file cannot be read."""
        return chosen.api_key if chosen.api_key_file is None else read_secret(chosen.api_key_file)

    remedy = CHECK_KEY if chosen.api_key_file is None else CHECK_KEY_FILE
    async with open_data_api(chosen.url, key, remedy) as data_api:
        yield data_api
