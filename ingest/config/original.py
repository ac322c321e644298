"""Where Home Assistant's own `influxdb` integration writes, for laying both beside each other."""

# ruff: noqa: RUF009  `option` is an attrs field; attrs reads each once

from __future__ import annotations

from pathlib import Path

from attrs import frozen

from ingest.config import kinds, shapes
from ingest.config.options import option
from ingest.core.secret import Secret


@frozen
class Original:
    """What Home Assistant's own `influxdb` integration writes: read by `homeiq-ingest compare`, never written."""

    url: str | None = option(
        None, shapes.url("http", "https"), "Address of its database; by default ours (influxdb.url, with its token)."
    )
    bucket: str = option(
        "",
        kinds.text("a name of printable characters", r"[^\x00-\x1f]{0,255}"),
        "Its bucket or, of InfluxDB 1, its database.",
    )
    token: Secret | None = option(None, shapes.secret(), "Token that may read it; of InfluxDB 1 `user:password`.")
    token_file: Path | None = option(None, kinds.path(), "File that holds this token.")
