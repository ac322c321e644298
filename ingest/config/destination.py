"""The sections of the way out: links, batches, spool, and the databases at its end."""

# ruff: noqa: RUF009  `option` and `section` are attrs fields; attrs reads each once

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

from attrs import frozen

from ingest.config import kinds, shapes
from ingest.config.options import option
from ingest.core.secret import Secret

_MIB: Final = 2**20
_FOLDER: Final = (
    "in $STATE_DIRECTORY, else in /var/lib/homeiq-ingest for a configuration in /etc/homeiq-ingest,"
    " else in $XDG_DATA_HOME/homeiq-ingest"
)
_NAME: Final = kinds.text("a name of printable characters", r"[^\s\x00-\x1f](?:[^\x00-\x1f]{0,253}[^\s\x00-\x1f])?")


@frozen
class StoreLink:
    """The link before each store."""

    events: int = option(10_000, kinds.whole(100, 10_000_000), "Changes it holds at most.")
    bytes: int = option(16 * _MIB, kinds.size(_MIB, 2**40), "Bytes it holds at most.")
    overflow: Literal["block", "drop_oldest", "drop_newest"] = option(
        "block",
        kinds.choice("block", "drop_oldest", "drop_newest"),
        "What happens when it is full; `block` lets the intake shed.",
    )


@frozen
class Batch:
    """What is committed and sent together."""

    size: int = option(
        5000,
        kinds.whole(1, 100_000),
        "Points in a batch at most.",
        ("BATCH_SIZE",),
        "sizes one batch; it is never the spool's quota",
    )
    timeout: float = option(
        1.0,
        kinds.duration(0.01, 3600),
        "Age at which a batch is committed though it is not full; a tenth of it when it holds 100 points for each second of it.",
        ("BATCH_TIMEOUT",),
        "the age of the group commit, hence what a hard kill may leave to the backfill",
    )


@frozen
class Spool:
    """What waits for a database: on disk, in the state file."""

    path: Path = option(
        Path("state.db"),
        kinds.path(),
        f"The state file; by default `state.db` {_FOLDER}.",
    )
    size: int = option(
        2048 * _MIB, kinds.size(_MIB, 2**50), "Bytes kept on disk at most, but never more than a tenth of what is free."
    )
    min_free: int = option(
        64 * _MIB,
        kinds.size(0, 2**50),
        "Bytes of the disk that stay free, but at most a twentieth of it: with less, the state file does not grow, and "
        "`memory` takes what does not fit into it; only when that is full, too, the oldest give way.",
    )
    memory: int = option(
        16 * _MIB, kinds.size(_MIB, 2**40), "Bytes kept in memory at most, while the disk fails or nothing is spooled."
    )


@frozen
class Memory:
    """The bound of all queues together."""

    max_mb: int | None = option(
        None,
        kinds.whole(1, 1_000_000, optional=True),
        "MiB that all queues together hold at most: their byte bounds are scaled to it.",
        ("MAX_MEMORY_MB",),
        "the sum of all queues, not the memory of the process",
    )


@frozen
class Store:
    """Where the points go: the kind of store."""

    kind: Literal["auto", "influxdb", "embedded", "stdout"] = option(
        "auto",
        kinds.choice("auto", "influxdb", "embedded", "stdout"),
        "`auto`: influxdb when influxdb.url is set, else embedded.",
    )


@frozen
class Influxdb:
    """InfluxDB v2, or what speaks its write API."""

    url: str | None = option(None, shapes.url("http", "https"), "Address of the database.", ("INFLUXDB_URL",))
    token: Secret | None = option(None, shapes.secret(), "Token that may write to the bucket.", ("INFLUXDB_TOKEN",))
    token_file: Path | None = option(None, kinds.path(), "File that holds the token.", ("INFLUXDB_TOKEN_FILE",))
    org: str = option("homeiq", _NAME, "Organisation.", ("INFLUXDB_ORG",))
    bucket: str = option("home_assistant_events", _NAME, "Bucket.", ("INFLUXDB_BUCKET",))
    ssl_verify: bool = option(True, kinds.boolean(), "Check the server's certificate.")
    ca_file: Path | None = option(None, kinds.path(), "PEM file of authorities to trust in addition to the system's.")
    schema: Literal["homeiq", "homeassistant"] = option(
        "homeiq",
        kinds.choice("homeiq", "homeassistant"),
        "The form of the points: HomeIQ's, or that of Home Assistant's own `influxdb` integration.",
    )
    legacy_state_repr: bool = option(
        False,
        kinds.boolean(),
        "Write `state_value` and `previous_state` as HomeIQ did: Python's text of a whole state.",
    )
    numeric_only: bool = option(False, kinds.boolean(), "Send numeric fields only (VictoriaMetrics).")
    home_tag: bool = option(
        False,
        kinds.boolean(),
        "Write the name of the home, `home`, as a tag of every point: for several homes in one bucket.",
    )
    gaps: bool = option(
        True, kinds.boolean(), "Write when changes may have been missed into a measurement of its own, `ingest_gaps`."
    )
    create_bucket: bool = option(True, kinds.boolean(), "Create the bucket when it is missing and the token may.")
    retention: float | None = option(
        None,
        kinds.duration(3600, 100 * 365 * 86400, optional=True),
        "The bucket's retention: given to a bucket we create; older states are not sent.",
    )
    breaker_threshold: int = option(
        5,
        kinds.whole(1, 1000),
        "Failures in a row that open the database's circuit breaker.",
        ("CIRCUIT_BREAKER_THRESHOLD",),
    )


@frozen
class Embedded:
    """The embedded SQLite store."""

    path: Path = option(
        Path("home.db"),
        kinds.path(optional=False),
        f"Its file; by default `home.db` {_FOLDER}.",
    )
    retention: float | None = option(
        400 * 86400.0,
        kinds.duration(3600, 100 * 365 * 86400, optional=True),
        "Age at which changes give way to their hourly roll-up.",
    )
