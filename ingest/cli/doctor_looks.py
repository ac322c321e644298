"""Everything that `doctor` looks at, at the same time and each with a deadline, and what is made of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

import trio
from attrs import define, evolve

from ingest.cli import doctor_here as here
from ingest.cli.doctor_database import Base, look_at_database
from ingest.cli.doctor_home import Homes, look_at_homes
from ingest.config.settings import Settings
from ingest.core import doctor_clocks, doctor_database, doctor_home, left_behind
from ingest.core import doctor_here as judging
from ingest.core.doctor_database import Looked, Wanted
from ingest.core.doctor_home import Asked, Reached
from ingest.core.findings import Check, skipped
from ingest.core.influx_answer import Answer
from ingest.edge.data_api import DATA_API
from ingest.edge.http_look import Address, look
from ingest.edge.tls import tls_context
from ingest.errors import IngestError, Transient

T = TypeVar("T")

LONGEST: Final = 14.0
"""Seconds for all of it, whoever does not answer."""

_TOO_LARGE: Final = "not all of it could be read in time"

SOON: Final = 4.0
"""Seconds for an answer of data-api."""


@define
class _Look:
    """What is learnt, as it comes. None: it did not come in time, or is not configured."""

    here: list[Check] | None = None
    file: Check | None = None
    store: Check | None = None
    homes: Homes | None = None
    base: Base | None = None
    service: judging.Service | None = None
    owner: str = ""
    data_api: Check | None = None


async def looks(settings: Settings) -> list[Check]:
    """Look, and judge what was seen; the order is that in which one thing stands on another."""
    seen = _Look()
    with trio.move_on_after(LONGEST):
        async with trio.open_nursery() as nursery:
            for work in (_here, _file, _store, _service, _homes, _base, _data_api):
                nursery.start_soon(work, settings, seen)
    return [
        *_of_this_machine(settings, seen),
        seen.file or Check("state file", skipped=_TOO_LARGE),
        *_of_homes(settings, seen),
        doctor_clocks.judged([each for each in _clocks(seen) if each is not None]),
        *_of_store(settings, seen),
        *([seen.data_api] if seen.data_api else []),
        _of_service(seen),
    ]


async def _here(settings: Settings, seen: _Look) -> None:
    seen.owner = await _in_thread(here.owner, settings)
    seen.here = await _in_thread(_on_this_machine, settings)


async def _file(settings: Settings, seen: _Look) -> None:
    file = judging.file(await _in_thread(here.state_file, settings), None)
    seen.file = left_behind.judged(file, str(settings.spool.path), await _in_thread(here.left, settings))


async def _store(settings: Settings, seen: _Look) -> None:
    if settings.store_kind == "embedded":
        seen.store = judging.file(*await _in_thread(here.embedded, settings))


async def _service(settings: Settings, seen: _Look) -> None:
    seen.service = await _in_thread(here.service, settings)


async def _homes(settings: Settings, seen: _Look) -> None:
    if settings.home_assistant.enabled:
        seen.homes = await look_at_homes(settings)


async def _base(settings: Settings, seen: _Look) -> None:
    if settings.store_kind == "influxdb":
        seen.base = await look_at_database(settings)


async def _data_api(settings: Settings, seen: _Look) -> None:
    if settings.data_api.url is not None:
        where = settings.data_api.url.rstrip("/")
        seen.data_api = judging.data_api(where, await _answer(f"{where}/health"))


async def _answer(url: str) -> Answer | IngestError:
    with trio.move_on_after(SOON):
        try:
            return await look(Address(DATA_API, url, tls_context()))
        except IngestError as problem:
            return problem
    return Transient(f"data-api does not answer within {SOON:.0f} s", where=url)


async def _in_thread(work: Callable[[Settings], T], settings: Settings) -> T:
    return await trio.to_thread.run_sync(work, settings, abandon_on_cancel=True)


def _of_this_machine(settings: Settings, seen: _Look) -> list[Check]:
    path = str(settings.spool.path.parent)
    if seen.here is None:
        return [judging.hanging(path, LONGEST)]
    at_work = seen.service is not None and seen.service.at_work
    foreign = judging.foreign(path, seen.owner, at_work=at_work)
    return [foreign if seen.owner and each.name == foreign.name else each for each in seen.here]


def _on_this_machine(settings: Settings) -> list[Check]:
    checks = [here.secrets(settings), judging.folder(str(settings.spool.path.parent), here.folder(settings))]
    if (disk := here.disk(settings)) is not None:
        checks.append(judging.disk(disk))
    return checks


def _of_homes(settings: Settings, seen: _Look) -> list[Check]:
    if not settings.home_assistant.enabled:
        return skipped("home_assistant.enabled is false", "home assistant", *doctor_home.NAMES)
    late = Transient(f"no answer within {LONGEST:.0f} s")
    homes = seen.homes or Homes([Reached("primary", problem=late)], Asked(problem=late))
    return [
        *doctor_home.addresses(homes.reached),
        doctor_home.token(homes.asked),
        *doctor_home.recorded(homes.asked),
    ]


def _of_service(seen: _Look) -> Check:
    if seen.service is None:
        return Check("service", skipped="no answer in time")
    probe = seen.base.looked.probe if seen.base else None
    home, store = seen.homes and seen.homes.asked.problem is None, probe and probe.status == 204
    where = seen.base.looked.where if seen.base and store else seen.service.where
    return judging.service(evolve(seen.service, home=bool(home), store=bool(store), where=where))


def _clocks(seen: _Look) -> list[doctor_clocks.Clock | None]:
    return [seen.homes.clock if seen.homes else None, seen.base.clock if seen.base else None]


def _of_store(settings: Settings, seen: _Look) -> list[Check]:
    if settings.store_kind == "embedded":
        return [seen.store or Check("embedded store", skipped=_TOO_LARGE)]
    if settings.store_kind == "stdout":
        return []
    chosen = settings.influxdb
    wanted = Wanted(chosen.bucket, chosen.retention, chosen.create_bucket, chosen.numeric_only)
    late = Looked("", Transient(f"the database does not answer within {LONGEST:.0f} s"))
    types = seen.homes.asked.types if seen.homes else {}
    return doctor_database.judged(seen.base.looked if seen.base else late, wanted, types)
