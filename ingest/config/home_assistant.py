"""The sections of the way in: where the home is, how long to wait for it, what is stored of it, and how much may be under way."""

# ruff: noqa: RUF009  `option` and `section` are attrs fields; attrs reads each once

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal

from attrs import frozen

from ingest.config import filter_kinds, kinds, shapes
from ingest.config.options import option
from ingest.core.attributes import SECRET_OR_VOLATILE
from ingest.core.filter_settings import FilterSettings, Override, Pattern
from ingest.core.secret import Secret
from ingest.core.urls import websocket_url

_WS: Final = shapes.url("http", "https", "ws", "wss", normal=websocket_url)
_BOTH_URLS: Final = "http becomes ws and `/api/websocket` is appended when absent; one key holds what were two"


@frozen
class Candidate:
    """One address of the home. `url` is ws(s)://…/api/websocket, `ca_file` a PEM file trusted beside the system's.

    `token_file` is where the token came from, to be read again when it changes.
    """

    name: Literal["primary", "secondary"]
    url: str
    token: Secret
    ssl_verify: bool = True
    ca_file: Path | None = None
    token_file: Path | None = None


@frozen
class HomeAssistant:
    """The connection to Home Assistant. Times in seconds, sizes in bytes."""

    url: str | None = option(
        None,
        _WS,
        "Address of Home Assistant; http, https, ws or wss.",
        ("HA_WS_URL", "HA_URL", "HA_HTTP_URL", "HOME_ASSISTANT_URL"),
        _BOTH_URLS,
    )
    token: Secret | None = option(
        None,
        shapes.secret(),
        "Long-lived access token (in Home Assistant: profile, Security).",
        ("HA_TOKEN", "HOME_ASSISTANT_TOKEN"),
    )
    token_file: Path | None = option(
        None,
        kinds.path(),
        "File that holds the token; read again when it changes.",
        ("HA_TOKEN_FILE", "HOME_ASSISTANT_TOKEN_FILE"),
    )
    ssl_verify: bool = option(True, kinds.boolean(), "Check the server's certificate.", ("SSL_VERIFY",))
    ca_file: Path | None = option(None, kinds.path(), "PEM file of authorities to trust in addition to the system's.")
    secondary_url: str | None = option(
        None,
        _WS,
        "A second address of the same home, such as Nabu Casa's.",
        ("NABU_CASA_URL",),
        "tried in every reconnect cycle, not once at the start",
    )
    secondary_token: Secret | None = option(
        None, shapes.secret(), "Token for the second address.", ("NABU_CASA_TOKEN",)
    )
    secondary_token_file: Path | None = option(
        None, kinds.path(), "File that holds the second token.", ("NABU_CASA_TOKEN_FILE",)
    )
    secondary_ssl_verify: bool = option(
        True, kinds.boolean(), "Check the second server's certificate.", ("NABU_CASA_SSL_VERIFY",)
    )
    enabled: bool = option(
        True, kinds.boolean(), "False: do not connect to Home Assistant.", ("ENABLE_HOME_ASSISTANT",)
    )
    max_retries: int = option(
        -1,
        kinds.whole(-1, 1_000_000),
        "Failed attempts in a row before the service gives up; -1: never.",
        ("WEBSOCKET_MAX_RETRIES",),
    )
    max_retry_delay: float = option(
        300.0, kinds.duration(1, 3600), "Longest wait between two attempts.", ("WEBSOCKET_MAX_RETRY_DELAY",)
    )
    breaker_threshold: int = option(
        5,
        kinds.whole(1, 1000),
        "Failures in a row that open an address's circuit breaker.",
        ("CIRCUIT_BREAKER_THRESHOLD",),
        "one breaker for each address and for the database; the variable sets both thresholds",
    )
    connect_timeout: float = option(10.0, kinds.duration(0.1, 300), "Deadline of connecting, TLS included.")
    auth_timeout: float = option(10.0, kinds.duration(0.1, 300), "Deadline of authentication.")
    ping_interval: float = option(20.0, kinds.duration(0.1, 60), "Seconds between two pings.")
    pong_timeout: float = option(20.0, kinds.duration(0.1, 60), "Deadline of a pong; with ping_interval at most 60 s.")
    max_message_size: int = option(64 * 2**20, kinds.size(2**20, 2**30), "Largest frame that is accepted.")
    registry_wait: float = option(10.0, kinds.duration(0, 300), "How long events wait for the registries at most.")

    def candidates(self) -> tuple[Candidate, ...]:
        """The addresses to try, the primary first; only those that have an address and a token."""
        primary = self._candidate("primary", self.url, self.token, self.token_file, self.ssl_verify)
        secondary = self._candidate(
            "secondary", self.secondary_url, self.secondary_token, self.secondary_token_file, self.secondary_ssl_verify
        )
        return tuple(each for each in (primary, secondary) if each is not None)

    def _candidate(
        self,
        name: Literal["primary", "secondary"],
        url: str | None,
        token: Secret | None,
        token_file: Path | None,
        ssl_verify: bool,
    ) -> Candidate | None:
        if not self.enabled or url is None or token is None:
            return None
        return Candidate(name, url, token, ssl_verify, self.ca_file, token_file)


@frozen
class Discovery:
    """The registries: areas, devices, entities."""

    refresh_interval: float = option(
        1800.0,
        kinds.duration(10, 7 * 86400),
        "Registries are asked for again after this long without an event of theirs.",
        ("DISCOVERY_REFRESH_INTERVAL",),
    )


@frozen
class Filter(FilterSettings):
    """Which entities are stored."""

    mode: Literal["include", "exclude"] = option(
        "exclude",
        kinds.choice("include", "exclude"),
        "`exclude` drops what a pattern names, `include` keeps only that.",
    )
    patterns: tuple[Pattern, ...] = option(
        (),
        filter_kinds.patterns(),
        'Tables such as `{entity_id = "sensor.*_battery"}`; all keys of one must agree, and of a list one text. One that lets entities through may'
        ' have a `heartbeat = "15m"` (a minute to a day): how often a value that does not change is written again. The first that'
        ' names an entity decides, and a `mode = "exclude"` or `"include"` of its own comes before the filter\'s.',
    )
    exceptions: tuple[Pattern, ...] = option(
        (), filter_kinds.exceptions(), "Patterns that win over both modes; each may have a `heartbeat`."
    )
    overrides: tuple[Override, ...] = option(
        (),
        filter_kinds.overrides(),
        'What is different for some of the entities that are stored: `{domain = "weather", attributes = ["temperature"]}`.'
        " `attributes` is `all`, `none` or a list that is stored as typed fields; `ignore` leaves some out; `measurement` is"
        " where they go in InfluxDB; `heartbeat` as above. Of several the first that says a thing counts.",
    )
    drop_replays: bool = option(
        False,
        kinds.boolean(),
        "Leave out what merely repeats the last known value, attributes included, after a restart of Home Assistant.",
    )
    file: Path | None = option(
        None,
        kinds.path(),
        "JSON or TOML file with mode, patterns, exceptions and overrides.",
        ("ENTITY_FILTER_CONFIG_FILE",),
    )


@frozen
class Attributes:
    """Attributes that are not stored: secret, or different at every look."""

    drop: tuple[str, ...] = option(
        SECRET_OR_VOLATILE,
        shapes.words(),
        "Dropped from every entity.",
    )
    drop_by_domain: Mapping[str, tuple[str, ...]] = option(
        MappingProxyType({"media_player": ("media_position", "media_position_updated_at")}),
        shapes.by_domain(),
        "Dropped from the entities of a domain.",
    )


@frozen
class Intake:
    """The link behind the live connection: it sheds, for nothing may push back into Home Assistant."""

    events: int = option(
        20_000,
        kinds.whole(100, 10_000_000),
        "Changes it holds at most.",
        ("INFLUXDB_MAX_PENDING_POINTS",),
        "bounds the intake link in memory; it is never the spool's quota",
    )
    bytes: int = option(32 * 2**20, kinds.size(2**20, 2**40), "Bytes it holds at most.")
    overflow: Literal["drop_oldest", "drop_newest"] = option(
        "drop_oldest",
        kinds.choice("drop_oldest", "drop_newest", synonyms={"drop_new": "drop_newest"}),
        "What is shed when it is full.",
        ("INFLUXDB_OVERFLOW_STRATEGY",),
        "`drop_new` is `drop_newest`; it rules the intake link, and what is shed is written down as a gap",
    )
