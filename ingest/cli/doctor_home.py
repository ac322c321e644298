"""What `doctor` asks Home Assistant: each of its addresses, then over the first that answers what only it can tell."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

import msgspec
import trio
from attrs import define, evolve, frozen

from ingest.actors.connection import CommandFailed, Connection, Deadlines, TokenRefused, peek_version
from ingest.actors.connector import Candidate
from ingest.cli.candidates import candidates
from ingest.cli.checks import look_at_home
from ingest.cli.database import schema
from ingest.cli.doctor_recorder import can_be_asked, reaches, unrecorded
from ingest.cli.home_asked import asked
from ingest.cli.present import points
from ingest.config.settings import Settings
from ingest.core import recorder
from ingest.core.doctor_clocks import Clock, clock
from ingest.core.doctor_home import Asked, Reached, over
from ingest.core.line_types import line_types
from ingest.core.pages import title
from ingest.core.point import Point
from ingest.core.rules import Rules, treated
from ingest.core.sealing import line_of
from ingest.core.urls import http_base
from ingest.core.wire import Malformed
from ingest.edge.http_client import bearer
from ingest.edge.http_look import Address, look, unnamed
from ingest.edge.rest import HOME
from ingest.edge.tls import tls_context
from ingest.edge.websocket import Target, open_socket
from ingest.errors import IngestError, Refused, Transient
from ingest.runtime.supervise import one_error

REACH: Final = 3.0
"""Seconds until an address must have answered. A look at who else is there may take as long again."""

NAMED: Final = 2.0
"""Seconds until somebody must have said who the host is."""

TELLING: Final = 5.0
"""Seconds for a first look at Home Assistant, with all of its states."""

ASKING: Final = 6.0
"""Seconds for what it tells of its entities after that, and REGISTRIES of them for their areas and devices."""

REGISTRIES: Final = 3.0

SETTLED_NS: Final = 60 * 10**9
"""How long ago a state must have come for the recorder to have it: it writes every few seconds, at the latest every minute."""


@frozen
class Homes:
    """What every address answered, what Home Assistant says, and its clock."""

    reached: Sequence[Reached]
    asked: Asked
    clock: Clock | None = None


@define
class _Homes:
    """What is learnt, as it comes."""

    asked: Asked
    clock: Clock | None = None


@frozen
class _User:
    is_admin: bool | None = None


_user = msgspec.json.Decoder(_User)


async def look_at_homes(settings: Settings) -> Homes:
    """Ask. The caller's deadline may end it while Home Assistant tells of its entities: then those are not known."""
    try:
        known = candidates(settings)
    except Refused as problem:
        return Homes([Reached("primary", problem=problem)], Asked(problem=problem))
    reached = dict[int, Reached]()
    async with trio.open_nursery() as nursery:
        for number, candidate in enumerate(known):
            nursery.start_soon(_reach, candidate, number, reached)
    told = [reached[number] for number in sorted(reached)]
    good = next((each for each, seen in zip(known, told, strict=True) if seen.problem is None), None)
    if good is None:
        unknown = Asked(problem=Transient("Home Assistant does not answer"))
        return Homes(told, unknown)
    late = Transient(f"Home Assistant did not tell of its entities within {ASKING:.0f} s")
    homes = _Homes(Asked(problem=late))
    with trio.move_on_after(ASKING):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_clock, good, homes)
            nursery.start_soon(_asked, settings, good, homes)
    return Homes(told, homes.asked, homes.clock)


async def _reach(candidate: Candidate, number: int, reached: dict[int, Reached]) -> None:
    url = candidate.target.url
    seen = Reached(candidate.name, url)
    try:
        # A bad token is known before anybody is asked: Home Assistant would count it as an attack.
        problem = over(candidate.token(), datetime.now(UTC)) or await unnamed(url, NAMED)
    except Refused as refused:
        problem = refused
    reached[number] = await _met(candidate, seen) if problem is None else evolve(seen, problem=problem)


async def _met(candidate: Candidate, seen: Reached) -> Reached:
    try:
        with trio.fail_after(TELLING):
            home = await look_at_home(candidate, Deadlines(REACH, REACH))
    except trio.TooSlowError:
        remedy = "Is it busy, or starting? Look again in a while; its log says what holds it up."
        what = f"Home Assistant answers, but did not tell of itself within {TELLING:.0f} s"
        return evolve(seen, problem=Transient(what, where=seen.where, remedy=remedy))
    except TokenRefused as problem:
        return evolve(seen, problem=problem)
    except IngestError as problem:
        return await _who_else(candidate.target, evolve(seen, problem=problem))
    return evolve(seen, said=str(home), version=home.version, state=home.state)


async def _who_else(target: Target, seen: Reached) -> Reached:
    """Whether Home Assistant answers to the other scheme, or which page stands there."""
    other = "https" if target.tls is None else "http"
    with trio.move_on_after(REACH):
        try:
            with one_error(IngestError):
                await peek_version(_with(target, other), Deadlines(REACH / 2, REACH / 2), open_socket)
        except IngestError:
            return evolve(seen, page=await _page(target))
        return evolve(seen, other=other)
    return seen


def _with(target: Target, scheme: str) -> Target:
    url = target.url.partition("://")[2]
    return Target(f"wss://{url}", tls_context(verify=False)) if scheme == "https" else Target(f"ws://{url}")


async def _page(target: Target) -> str:
    """What the page that stands there calls itself, if it is not Home Assistant's own."""
    try:
        named = title(await look(Address(HOME, http_base(target.url), target.tls)))
    except IngestError:
        return ""
    return "" if named == "Home Assistant" else named


async def _clock(candidate: Candidate, homes: _Homes) -> None:
    """Home Assistant's clock, by the date of an answer that needs its token."""
    url = f"{http_base(candidate.target.url)}/api/"
    with suppress(IngestError):
        begun = time.time_ns()
        answer = await look(Address(HOME, url, candidate.target.tls), bearer(candidate.token()))
        homes.clock = clock("Home Assistant", answer, begun, time.time_ns())


async def _asked(settings: Settings, candidate: Candidate, homes: _Homes) -> None:
    try:
        with one_error(IngestError):
            async with asked(_hurried(settings), candidate) as home:
                found = await _told(home.bulk, Asked(token=candidate.token()))
                made = await points(home.bulk, settings, home.catalog)
                homes.asked = await _of_points(settings, home.bulk, found, made)
    except IngestError as problem:
        homes.asked = Asked(problem=problem)


def _hurried(settings: Settings) -> Settings:
    home = settings.home_assistant
    return evolve(settings, home_assistant=evolve(home, registry_wait=min(home.registry_wait, REGISTRIES)))


async def _told(bulk: Connection, found: Asked) -> Asked:
    with suppress(CommandFailed, msgspec.DecodeError):  # a server that only resembles Home Assistant does not know it
        found = evolve(found, admin=_user.decode(await bulk.ask("auth/current_user")).is_admin)
    try:
        return evolve(found, recorder=recorder.recorder(await bulk.ask(recorder.COMMAND)))
    except Malformed:
        return found
    except CommandFailed as error:
        return evolve(found, no_recorder=error.code == "unknown_command")


async def _of_points(settings: Settings, bulk: Connection, found: Asked, made: Sequence[Point]) -> Asked:
    rules = Rules(settings.filter)
    decided = [(each, rules.decide(each.entity_id, each.attributes, each.facts)) for each in made]
    passing = [treated(point, decision) for point, decision in decided if decision.passed]
    found = evolve(found, types=_types(settings, passing))
    newest_ns = max((point.time_ns for point in made), default=0)
    settled = [point.entity_id for point in passing if point.time_ns <= newest_ns - SETTLED_NS]
    if not can_be_asked(found.recorder):
        return found
    try:
        missing = await unrecorded(bulk, settled, newest_ns)
        reach = await reaches(bulk, [each for each in settled if each not in missing], newest_ns)
    except IngestError:
        return found
    return evolve(found, stored=len(settled), missing=tuple(sorted(missing)), reach=reach)


def _types(settings: Settings, passing: Sequence[Point]) -> Mapping[str, Mapping[str, str]]:
    """The types of the fields that are written of these points, by measurement."""
    found: dict[str, dict[str, str]] = {}
    codec = schema(settings)
    for point in passing if settings.store_kind == "influxdb" else ():
        try:
            line = line_of(codec, point)
        except Exception:  # noqa: BLE001,S112  to the service it is one dead letter, with its traceback
            continue
        if line is not None and (read := line_types(line)) is not None:
            fields = found.setdefault(read.measurement.decode(), {})
            fields.update((name.decode(), kind) for name, kind in read.fields.items())
    return found
