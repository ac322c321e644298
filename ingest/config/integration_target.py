"""Where the `influxdb` integration writes, as settings of ours: an InfluxDB 1.x has a v2 API, too, from its version 1.8 on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from attrs import define, field

from ingest.config.integration_parts import MappingReader, boolean, one_of, text, unseen, whole
from ingest.core.secret import Secret

CONNECTION: Final = (
    "host",
    "port",
    "ssl",
    "path",
    "username",
    "password",
    "database",
    "token",
    "organization",
    "bucket",
)
"""What says where the database is and who may write."""

CLOUD: Final = "us-west-2-1.aws.cloud2.influxdata.com"
"""The integration's default for the API of InfluxDB 2."""

Say = Callable[[str, str], None]
"""Told of a key what does not become of it, and why."""


@define
class Target:
    """Settings by dotted name, and the secret that belongs to them."""

    values: dict[str, object] = field(factory=dict)
    secret: Secret | None = None


def target(told: MappingReader, say: Say) -> Target:
    """The database that is told. What is no good is kept with `told`, what cannot be said here is told to `say`."""
    two = told.take("api_version", one_of("1", "2")) == "2"
    if not any(key in told.given for key in CONNECTION):
        say(
            "host",
            "no connection is said. It is the integration's default here; from 2026 on Home Assistant keeps the connection"
            " outside of its YAML (Settings, Devices & services): if yours is there, set influxdb.url, org, bucket and token_file",
        )
    found = _second(told, say) if two else _first(told, say)
    _security(told, found, say)
    _unneeded(told, say)
    return found


def _second(told: MappingReader, say: Say) -> Target:
    secret = told.take("token", unseen)
    url = _url(told, ssl=True, host=CLOUD, port=None)
    values: dict[str, object] = {"influxdb.url": url, "influxdb.bucket": told.take("bucket", text) or "Home Assistant"}
    if org := told.take("organization", text):
        values["influxdb.org"] = org
    for key in ("username", "password"):
        if told.take(key, unseen):
            told.refuse(key, "it belongs to api_version 1")
    if secret is None:
        told.refuse("token", "api_version 2 needs one")
    elif "organization" not in told.given:
        told.refuse("organization", "a token needs one beside it")
    _ignored(told, "database", "1", say)
    return Target(values, Secret(secret) if secret else None)


def _first(told: MappingReader, say: Say) -> Target:
    user, password = told.take("username", unseen), told.take("password", unseen)
    if told.take("token", unseen):
        told.refuse("token", "it belongs to api_version 2")
    if told.take("organization", text):
        told.refuse("organization", "it belongs to api_version 2")
    for key, other in (("username", "password"), ("password", "username")):
        if key not in told.given and other in told.given:
            told.refuse(key, f"{other} needs one beside it")
    _ignored(told, "bucket", "2", say)
    values: dict[str, object] = {
        "influxdb.url": _url(told, ssl=False, host="localhost", port=8086),
        "influxdb.bucket": told.take("database", text) or "home_assistant",
        "influxdb.create_bucket": False,
    }
    say(
        "api_version",
        "points are sent to the v2 API, which InfluxDB 1.8 and later have beside their own: the database is the bucket, and"
        " user:password the token. An older one refuses them (404): it must be updated first",
    )
    return Target(values, Secret(f"{user}:{password}") if user and password else None)


def _ignored(told: MappingReader, key: str, version: str, say: Say) -> None:
    if told.take(key, text):
        say(key, f"it belongs to api_version {version}, and the integration does not look at it")


def _url(told: MappingReader, *, ssl: bool, host: str, port: int | None) -> str:
    secure = told.take("ssl", boolean)
    scheme = "https" if (ssl if secure is None else secure) else "http"
    number = told.take("port", whole(1, 65535)) or port
    path = told.take("path", text) or ""
    slash = "/" if path and not path.startswith("/") else ""
    return f"{scheme}://{told.take('host', text) or host}{f':{number}' if number else ''}{slash}{path}".rstrip("/")


def _security(told: MappingReader, found: Target, say: Say) -> None:
    if told.take("verify_ssl", boolean) is False:
        found.values["influxdb.ssl_verify"] = False
    authority = told.take("ssl_ca_cert", text)
    if authority and Path(authority).is_file():
        found.values["influxdb.ca_file"] = authority
    elif authority:
        say("ssl_ca_cert", f"{authority} is not on this machine: copy it here and set influxdb.ca_file")


def _unneeded(told: MappingReader, say: Say) -> None:
    precision = told.take("precision", one_of("ns", "us", "ms", "s"))
    if precision and precision != "ns":
        say(
            "precision",
            f"times are written whole, not cut to {precision}: no change is lost to another one at the same time",
        )
    if told.take("max_retries", whole(0, 2**31)):
        say("max_retries", "not needed: what cannot be sent waits on disk, and is tried until the database takes it")
