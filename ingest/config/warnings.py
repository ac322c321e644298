"""What works but is probably not meant, and what is therefore changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from attrs import evolve

from ingest.config.given import Given
from ingest.config.home_assistant import Attributes
from ingest.config.rules import is_loopback, look_up
from ingest.config.secrets import TWINS, readable_by_all
from ingest.config.service import Api
from ingest.config.settings import KEYS, Settings
from ingest.core.filter_settings import Pattern

LOOPBACK = "127.0.0.1"


def warnings(settings: Settings) -> Iterator[str]:
    """A sentence for each setting that does something unlikely to be wanted."""
    if settings.filter.mode == "include" and not settings.filter.patterns:
        yield "filter.mode is include and filter.patterns is empty: nothing but filter.exceptions is stored."
    yield from _opened(settings.api)
    if settings.store_kind == "influxdb" and settings.influxdb.token is None and not settings.influxdb.numeric_only:
        yield "influxdb.token is missing: InfluxDB refuses writes without one (VictoriaMetrics wants numeric_only = true)."
    if settings.store_kind == "embedded" and any(each.heartbeat for each in _lets_through(settings)):
        yield "the embedded store has no heartbeats: what it is asked for holds until the next change anyway."
    if stored := [name for name in Attributes().drop if name not in settings.attributes.drop]:
        yield (
            f"attributes.drop is the whole list and lacks {', '.join(stored)}: tokens with which anybody may look through"
            " a camera are stored. Name them as well, unless that is meant."
        )
    for name in _of_the_other_schema(settings):
        yield f"{name} is not used, because influxdb.schema is {settings.influxdb.schema}."
    if settings.device_history and settings.store_kind != "influxdb":
        yield "device_history is for a database: this store writes no devices and entities."
    for name, ca_file, verify in _certificates(settings):
        if ca_file is not None and not verify:
            yield f"{name}.ca_file is not used, because {name}.ssl_verify is false."


def guarded(settings: Settings) -> tuple[Settings, str | None]:
    """An API that anyone could reach and nobody guards listens on this machine only; and the sentence that says so."""
    api = settings.api
    if is_loopback(api.host) or api.token is not None or api.trusted_networks or api.trusted_proxies:
        return settings, None
    why = (
        f"api.host is {api.host}, but none of api.token, api.trusted_networks and api.trusted_proxies is set: the API would be open"
        f" to everyone who can reach this machine, so it listens on {LOOPBACK} only. Set one of them to open it."
    )
    return evolve(settings, api=evolve(api, host=LOOPBACK)), why


def exposed(path: Path, layer: Mapping[str, Given]) -> Iterator[str]:
    """A configuration file that holds a secret in clear and that every user can read. Raises `OSError`."""
    held = [name for name in TWINS if name in layer and layer[name].raw]
    if held and readable_by_all(path):
        yield f"{path} holds {', '.join(held)} and every user of this machine can read it: chmod 600 {path}, or use {TWINS[held[0]]}."


def _opened(api: Api) -> Iterator[str]:
    if "*" in api.cors_origins:
        yield "api.cors_origins holds *: any web page that is open in a browser here may read the API."
    beyond = [each for each in api.trusted_networks if not each.is_loopback]
    if api.enabled and beyond and not is_loopback(api.host):
        trusted = ", ".join(map(str, beyond))
        yield f"api.trusted_networks holds {trusted}: whoever asks from there needs no token."
    wide = [str(each) for each in api.trusted_proxies if each.num_addresses > 1 or each.is_loopback]
    if api.enabled and wide:
        yield (
            f"api.trusted_proxies holds {', '.join(wide)}: every program there is taken for a proxy that has authenticated its"
            " callers, and needs no token."
        )


def _lets_through(settings: Settings) -> tuple[Pattern, ...]:
    chosen = settings.filter
    return (*chosen.exceptions, *(each for each in chosen.patterns if chosen.passing(each)))


def _of_the_other_schema(settings: Settings) -> Iterator[str]:
    """Settings of the schema that is not chosen."""
    foreign = {"homeiq": "homeassistant_schema.", "homeassistant": "influxdb.legacy_state_repr"}
    for key in KEYS.values():
        if key.name.startswith(foreign[settings.influxdb.schema]) and look_up(settings, key.name) != key.default:
            yield key.name


def _certificates(settings: Settings) -> Iterator[tuple[str, Path | None, bool]]:
    home, influxdb = settings.home_assistant, settings.influxdb
    verified = home.ssl_verify or (home.secondary_url is not None and home.secondary_ssl_verify)
    yield "home_assistant", home.ca_file, verified
    yield "influxdb", influxdb.ca_file, influxdb.ssl_verify
