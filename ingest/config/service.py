"""The sections of what the service offers and says: the API, the log, and HomeIQ's data-api."""

# ruff: noqa: RUF009  `option` and `section` are attrs fields; attrs reads each once

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Literal

from attrs import frozen

from ingest.config import kinds, shapes
from ingest.config.options import option
from ingest.core.secret import Secret


@frozen
class DataApi:
    """HomeIQ's data-api, which is told of devices and entities."""

    url: str | None = option(
        None, shapes.url("http", "https"), "Address of data-api; without one nothing is sent.", ("DATA_API_URL",)
    )
    api_key: Secret | None = option(
        None,
        shapes.secret(),
        "Its key.",
        ("DATA_API_API_KEY", "DATA_API_KEY", "API_KEY"),
        "a bare `API_KEY` counts only when data_api.url is set",
    )
    api_key_file: Path | None = option(
        None,
        kinds.path(),
        "File that holds the key; read again at every attempt.",
        ("DATA_API_API_KEY_FILE", "DATA_API_KEY_FILE", "API_KEY_FILE"),
    )


@frozen
class Api:
    """The HTTP and WebSocket API and the status page."""

    enabled: bool = option(True, kinds.boolean(), "Serve it; without it `homeiq-ingest status` has nobody to ask.")
    host: str = option(
        "127.0.0.1",
        kinds.text("a host name or address", r"[A-Za-z0-9._:%-]{1,253}"),
        "Address to listen on.",
        ("WEBSOCKET_INGESTION_HOST",),
        "any address but loopback needs api.token or api.trusted_networks; without them it binds 127.0.0.1 and says why",
    )
    port: int = option(8001, kinds.whole(0, 65535), "Port; 0 takes a free one.", ("WEBSOCKET_INGESTION_PORT",))
    token: Secret | None = option(None, shapes.secret(), "Bearer token that callers must send.")
    token_file: Path | None = option(None, kinds.path(), "File that holds the token.")
    trusted_networks: tuple[IPv4Network | IPv6Network, ...] = option(
        (), shapes.networks(), "Networks that need no token, such as 192.168.1.0/24."
    )
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = option(
        (),
        shapes.networks(),
        "Reverse proxies that authenticate callers before they pass anything on, such as Home Assistant's ingress: what comes"
        " from one needs no token and may, unless that is this machine, use any host name.",
    )
    cors_origins: tuple[str, ...] = option(
        (),
        shapes.origins(),
        "Origins whose pages may call the API.",
        ("CORS_ORIGINS",),
        "none by default, where HomeIQ allowed all",
    )
    rate_limit_messages: int = option(
        60,
        kinds.whole(1, 1_000_000),
        "Messages that one client of `/ws` may send in a window.",
        ("WEBSOCKET_RATE_LIMIT_MESSAGES",),
    )
    rate_limit_window: float = option(
        60.0, kinds.duration(1, 86400), "Length of that window.", ("WEBSOCKET_RATE_LIMIT_WINDOW",)
    )


@frozen
class Log:
    """What is logged, from which severity on, and how a line looks."""

    level: Literal["debug", "info", "warning", "error", "critical"] = option(
        "info",
        kinds.choice(
            "debug", "info", "warning", "error", "critical", synonyms={"warn": "warning", "fatal": "critical"}
        ),
        "Least severity that is logged.",
        ("LOG_LEVEL",),
    )
    format: Literal["auto", "console", "json"] = option(
        "auto",
        kinds.choice("auto", "console", "json", synonyms={"text": "console"}),
        "`auto`: sentences on a terminal and in systemd's journal, else json.",
        ("LOG_FORMAT",),
    )
