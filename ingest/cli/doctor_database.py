"""What `doctor` asks the database: who it is, whether it takes a point, and what it holds already."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import trio
from attrs import evolve, frozen

from ingest.cli.database import opened_influx
from ingest.config.settings import Settings
from ingest.core.doctor_clocks import Clock, clock
from ingest.core.doctor_database import Looked
from ingest.core.influx_answer import Answer
from ingest.core.influx_server import Server, lacks_bucket, problem, recognised
from ingest.core.pages import title
from ingest.edge.http_look import unnamed
from ingest.errors import IngestError, Refused, Transient

if TYPE_CHECKING:
    from ingest.edge.influx import Influx

REACH: Final = 8.0
"""Seconds until it has answered for the first time: the client alone takes some of them to load on a small machine."""

NAMED: Final = 2.0
"""Seconds until somebody must have said who the host is."""

REST: Final = 13.0
"""Seconds after which everything else must have been answered, too."""


@frozen
class Base:
    """What the database answered, and its clock."""

    looked: Looked
    clock: Clock | None = None


async def look_at_database(settings: Settings) -> Base:
    """Ask. It never raises for what a server or a network may do."""
    try:
        async with opened_influx(settings) as influx:
            return await _asked(influx)
    except Refused as refused:
        return Base(Looked("influxdb.url", refused))


async def _asked(influx: Influx) -> Base:
    end, begun = trio.current_time() + REST, time.time_ns()
    ping = await _first(influx)
    if isinstance(ping, IngestError):
        return Base(Looked(influx.where, ping))
    base = Base(Looked(influx.where), clock("the database", ping, begun, time.time_ns()))
    with trio.move_on_at(end):
        try:
            return evolve(base, looked=await _more(influx, ping))
        except IngestError as error:
            return evolve(base, looked=Looked(influx.where, error))
    silent = Transient("the database answers a ping, but nothing else in time", where=influx.where, remedy=_BUSY)
    return evolve(base, looked=Looked(influx.where, silent))


_BUSY: Final = "Is it busy, or starting, or is its disk full? Its log says more."


async def _first(influx: Influx) -> Answer | IngestError:
    if unknown := await unnamed(influx.where, NAMED):
        return unknown
    with trio.move_on_after(REACH):
        try:
            return await influx.lane(influx.client.ping)
        except IngestError as error:
            return error
    remedy = "Is a firewall between, or is the machine off? Host and port must be those of the database."
    return Transient(f"the database does not answer within {REACH:.0f} s", where=influx.where, remedy=remedy)


async def _more(influx: Influx, ping: Answer) -> Looked:
    asked = await influx.ask()
    server = recognised(ping, asked)
    looked = Looked(influx.where, problem(asked, influx.where, influx.client.address.token_setting), server)
    if looked.problem is not None:
        page = await _page(influx, ping, asked) if _is_foreign(ping, asked) else ""
        return evolve(looked, page=page, lacks_bucket=lacks_bucket(asked))
    return await _probed(influx, looked, server)


def _is_foreign(ping: Answer, asked: Answer) -> bool:
    """No database that we know answers there: who does is worth a word."""
    return not {"x-influxdb-version", "x-server-hostname"} & {*ping.headers, *asked.headers}


async def _page(influx: Influx, *answers: Answer) -> str:
    """What the page that stands there calls itself: the first that says so."""
    named = next(filter(None, map(title, answers)), "")
    return named or title(await influx.lane(influx.client.request, "GET", "/"))


async def _probed(influx: Influx, looked: Looked, server: Server) -> Looked:
    from ingest.edge import influx_probe  # noqa: PLC0415  only where it is used

    client, now_ns = influx.client, time.time_ns()
    known = await influx.lane(influx_probe.bucket, client)
    answer = await influx.lane(influx_probe.probe, client, now_ns)
    gone = answer.status == 204 and await influx.lane(influx_probe.withdraw, client, server, now_ns)
    types = await influx.lane(influx_probe.types, client) if server.keeps_text else ""
    return evolve(looked, bucket=known, probe=answer, withdrawn=gone, types=types)
