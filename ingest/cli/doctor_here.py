"""What `doctor` looks at on this machine: files, disk, and the service that may run. Blocking, and nothing is changed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from attrs import evolve

from ingest import __version__
from ingest.cli.service_api import ask_health, configured_url
from ingest.config.rules import look_up
from ingest.config.secrets import TWINS, readable_by_all
from ingest.config.service import Api
from ingest.config.settings import Settings
from ingest.core.doctor_here import SLOW, Disk, File, Service
from ingest.core.findings import Check, Finding, warning
from ingest.core.left_behind import Left
from ingest.edge.database_file import is_there
from ingest.edge.embedded_read import open_store
from ingest.edge.free_space import floor_at, free_bytes
from ingest.edge.lock import holder, is_service
from ingest.edge.probe_disk import commits, nearest, whose
from ingest.edge.spool_left import left_behind
from ingest.edge.spool_rows import Key
from ingest.edge.sqlite import pragma
from ingest.edge.state import room
from ingest.edge.state_damage import damage
from ingest.edge.state_read import Absent, state_read
from ingest.errors import IngestError

PATIENCE: Final = 3.0
"""Seconds that a service has to say how it is."""


def secrets(settings: Settings) -> Check:
    """Whether others can read what is secret. A systemd credential, which nobody else sees, is none of these files."""
    files = {name: look_up(settings, twin) for name, twin in TWINS.items()}
    given = {name: path for name, path in files.items() if isinstance(path, Path)}
    said = f"{len(given)} in files of their own" if given else "none in files of their own"
    return Check("secrets", said, tuple(_open_to_others(given.values())))


def _open_to_others(paths: Iterable[Path]) -> Iterator[Finding]:
    for path in dict.fromkeys(paths):
        if readable_by_all(path):
            yield warning("every user of this machine can read this secret", str(path), f"chmod 600 {path}")


def owner(settings: Settings) -> str:
    """Whose the state directory is, where only another user may write there."""
    return whose(settings.spool.path.parent)


def folder(settings: Settings) -> Sequence[float] | IngestError:
    """How long commits take in the state directory."""
    try:
        return commits(settings.spool.path.parent, SLOW)
    except IngestError as problem:
        return problem


def disk(settings: Settings) -> Disk | None:
    """How much room there is; None where the disk cannot be asked."""
    path = nearest(settings.spool.path.parent) / settings.spool.path.name
    try:
        floor = floor_at(path, settings.spool.min_free)
        most, spools = settings.spool.size, settings.store_kind == "influxdb"
        return Disk(str(path.parent), floor.free(), floor.least, room(path, most), most, spools)
    except OSError:
        return None


def state_file(settings: Settings) -> File:
    """What can be seen of the state file beside a running service: that it is there, its size, its damage."""
    path = settings.spool.path
    try:
        with state_read(path) as connection:
            return File("state file", str(path), damage=damage(connection, path), size=path.stat().st_size)
    except Absent:
        return File("state file", str(path))
    except IngestError as problem:
        return File("state file", str(path), problem, owner=whose(path.parent))


def left(settings: Settings) -> tuple[Left, ...]:
    """What waits in the state file and is not this home's for this store; nothing where the file cannot be read."""
    path = settings.spool.path
    try:
        with state_read(path) as connection:
            return left_behind(connection, Key(settings.home, settings.store_kind))
    except IngestError:
        return ()


def embedded(settings: Settings) -> tuple[File, int]:
    """How the embedded store is, and the bytes that its disk has free."""
    path, name = settings.embedded.path, "embedded store"
    free = free_bytes(nearest(path.parent) / path.name)
    try:
        if not is_there(path):
            return File(name, str(path)), free
        with open_store(path) as reader:
            sound = str(pragma(reader.connection, "quick_check(1)"))
            usage = reader.usage()
            size, per_day = (usage.size, usage.bytes_per_day) if usage else (path.stat().st_size, 0.0)
            return File(name, str(path), None, "" if sound == "ok" else sound, size, per_day), free
    except IngestError as problem:
        return File(name, str(path), problem, owner=whose(path.parent)), free


def _guard(api: Api) -> str:
    owners = [] if api.token is None else ["whoever has api.token"]
    beside = [f"api.{name}" for name in ("trusted_networks", "trusted_proxies") if getattr(api, name)]
    return " and ".join([*owners, *beside]) or "programs on this machine only"


def service(settings: Settings) -> Service:
    """What the running service says of itself, if there is one."""
    path = settings.spool.path
    held = any(is_service(word) for each in (path, settings.embedded.path) if (word := holder(each)) is not None)
    store = os.path.realpath(settings.embedded.path) if settings.store_kind == "embedded" else ""
    found = Service(
        __version__, os.path.realpath(path), settings.api.enabled, _guard(settings.api), held=held, where=store
    )
    if not settings.api.enabled:
        return found
    refusals: list[str] = []
    try:
        health = ask_health(configured_url(settings.api), PATIENCE, settings.api.token, refusals.append)
    except IngestError as problem:
        return evolve(found, problem=problem)
    return evolve(found, health=_with_real_paths(health), refused=bool(refusals))


def _with_real_paths(health: dict[str, Any]) -> dict[str, Any]:
    """Its files by the names that ours are compared with; an embedded store is where its file is."""
    files, database = health.get("files"), health.get("database")
    if not isinstance(files, dict):
        return health
    real = {kind: os.path.realpath(path) for kind, path in files.items() if isinstance(path, str)}
    if "store" in real and isinstance(database, dict):
        database = {**database, "where": real["store"]}
    return {**health, "files": real, "database": database}
