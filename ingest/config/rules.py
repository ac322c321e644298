"""What must hold between settings, each rule once. A rule answers with the keys it read and what is wrong."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from ipaddress import ip_address
from typing import Final, TypeAlias

from attrs import evolve, frozen

from ingest.config.secrets import TWINS
from ingest.config.settings import Settings
from ingest.core.secret import Secret
from ingest.core.token import secret_problem, token_problem

_HALF_OPEN: Final = 60.0
_LEAST: Final = 2**20
"""Bytes of a queue below which it cannot work: a frame of an ordinary home."""
_QUEUES: Final = ("intake.bytes", "store_link.bytes", "spool.memory")


@frozen
class Finding:
    """A rule that does not hold. `keys` are what it read, the first is the one to mend."""

    keys: tuple[str, ...]
    what: str
    remedy: str


Rule: TypeAlias = Callable[[Settings], Iterator[Finding]]


def look_up(settings: Settings, name: str) -> object:
    """The value of a dotted name."""
    value: object = settings
    for part in name.split("."):
        value = getattr(value, part)
    return value


def pings(settings: Settings) -> Iterator[Finding]:
    """A half-open connection is found within 60 s."""
    home = settings.home_assistant
    if home.ping_interval + home.pong_timeout > _HALF_OPEN:
        keys = ("home_assistant.ping_interval", "home_assistant.pong_timeout")
        what = f"with pong_timeout it is {home.ping_interval + home.pong_timeout:g} s, and a dead connection must be found within 60 s"
        yield Finding(keys, what, "Lower one of the two")


def tokens(settings: Settings) -> Iterator[Finding]:
    """A malformed token is named before any connection."""
    for name in TWINS:
        value = look_up(settings, name)
        of_home = name.startswith("home_assistant.")
        if isinstance(value, Secret):
            problem = token_problem(value.reveal()) if of_home else secret_problem(value.reveal())
            remedy = (
                "Paste it again, whole, from Home Assistant (profile, Security)" if of_home else "Paste it again, whole"
            )
            yield from [Finding((name,), f"the token {problem}", remedy)] if problem else []


def destination(settings: Settings) -> Iterator[Finding]:
    """A chosen database has an address."""
    if settings.store.kind == "influxdb" and settings.influxdb.url is None:
        yield Finding(
            ("store.kind", "influxdb.url"),
            "influxdb is chosen, but influxdb.url is missing",
            "Set influxdb.url (or INFLUXDB_URL)",
        )


def heartbeats(settings: Settings) -> Iterator[Finding]:
    """What a rule leaves out has no heartbeat."""
    found = settings.filter
    if any(each.heartbeat is not None and not found.passing(each) for each in found.patterns):
        yield Finding(
            ("filter.patterns", "filter.mode"),
            "a pattern that leaves entities out has a heartbeat",
            "Give the heartbeat to an exception (filter.exceptions), which lets them through",
        )


def authorities(settings: Settings) -> Iterator[Finding]:
    """A file of authorities can be read."""
    for name in ("home_assistant.ca_file", "influxdb.ca_file"):
        path = look_up(settings, name)
        if path is not None and not os.access(str(path), os.R_OK):
            yield Finding((name,), f"{path} cannot be read", "Give a PEM file that the service's user may read")


def memory(settings: Settings) -> Iterator[Finding]:
    """The bound of all queues leaves each enough to work."""
    least = len(_QUEUES) * _LEAST // 2**20
    if settings.memory.max_mb is not None and settings.memory.max_mb < least:
        yield Finding(
            ("memory.max_mb",),
            f"{settings.memory.max_mb} MiB are too few for {len(_QUEUES)} queues",
            f"Give {least} or more, or leave it out",
        )


def home_is_reachable(settings: Settings) -> Iterator[Finding]:
    """What `run` needs: each address has a token, and there is an address."""
    home = settings.home_assistant
    if not home.enabled:
        return
    if home.url is None and home.secondary_url is None:
        yield Finding(
            ("home_assistant.url", "home_assistant.secondary_url"),
            "the address of Home Assistant is missing",
            'Set it, such as "http://homeassistant.local:8123" (or HA_URL); `homeiq-ingest init` asks for all that is needed',
        )
    for prefix, variable in (("", "HA_TOKEN"), ("secondary_", "NABU_CASA_TOKEN")):
        url, token = f"home_assistant.{prefix}url", f"home_assistant.{prefix}token"
        if look_up(settings, url) is not None and look_up(settings, token) is None:
            yield Finding(
                (token, url, TWINS[token]),
                "the token is missing",
                f"Set {token}_file (or {variable}); a token is made in Home Assistant: profile, Security",
            )


ALWAYS: Final[Sequence[Rule]] = (pings, tokens, destination, heartbeats, authorities, memory)
FOR_RUNNING: Final[Sequence[Rule]] = (*ALWAYS, home_is_reachable)


def scaled(settings: Settings) -> tuple[Settings, tuple[str, ...]]:
    """The settings with queues that hold `memory.max_mb` together, exactly, and the keys that this set.

    Each queue keeps the least it needs; the rest is shared in the proportion of what each had beyond it.
    """
    if settings.memory.max_mb is None:
        return settings, ()
    had = (settings.intake.bytes, settings.store_link.bytes, settings.spool.memory)
    intake, link, spool = _shares(settings.memory.max_mb * 2**20, had)
    changed = evolve(
        settings,
        intake=evolve(settings.intake, bytes=intake),
        store_link=evolve(settings.store_link, bytes=link),
        spool=evolve(settings.spool, memory=spool),
    )
    return changed, _QUEUES


def is_loopback(host: str) -> bool:
    """True when only this machine can reach `host`."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _shares(total: int, had: tuple[int, int, int]) -> tuple[int, int, int]:
    beyond = [each - _LEAST for each in had] if sum(had) > len(had) * _LEAST else [1, 1, 1]
    spare = total - len(had) * _LEAST
    second, third = (_LEAST + spare * each // sum(beyond) for each in beyond[1:])
    return total - second - third, second, third
