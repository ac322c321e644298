"""The configured data-api, open for the time of a service."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from ingest.config.secrets import read_secret
from ingest.config.service import DataApi as Chosen
from ingest.config.settings import Settings
from ingest.core.data_api_answer import CHECK_KEY, CHECK_KEY_FILE
from ingest.core.secret import Secret
from ingest.edge.data_api import DataApi, open_data_api


@asynccontextmanager
async def opened_data_api(settings: Settings) -> AsyncGenerator[DataApi | None]:
    """None where none is configured, and then nothing of it is loaded."""
    if settings.data_api.url is None:
        yield None
        return
    async with data_api_at(settings.data_api.url, settings.data_api) as data_api:
        yield data_api


def data_api_at(url: str, chosen: Chosen) -> AbstractAsyncContextManager[DataApi]:
    """The data-api at that address, with the key of the configuration."""

    def key() -> Secret | None:
        """Read at every attempt. Raises `Refused` when its file cannot be read."""
        return chosen.api_key if chosen.api_key_file is None else read_secret(chosen.api_key_file)

    remedy = CHECK_KEY if chosen.api_key_file is None else CHECK_KEY_FILE
    return open_data_api(url, key, remedy)
