"""`homeiq-ingest status`: one screen from a running service, and an exit code for scripts."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final

import click

from ingest.cli.exits import DEGRADED, FAILED, UNHEALTHY, explained
from ingest.cli.options import configured, loaded
from ingest.cli.service_api import PATIENCE, ask_health, configured_url
from ingest.core.words import counted, printable
from ingest.errors import Transient

HOUR: Final = 3600.0

UNSPOOLED: Final = frozenset({"embedded", "stdout"})
"""The stores that everything goes straight into."""

_CODES: Final = {"healthy": 0, "degraded": DEGRADED}
_COLOURS: Final = {"healthy": "green", "degraded": "yellow"}


@click.command()
@configured
@click.option("--json", "as_json", is_flag=True, help="Print what the service answers, as JSON.")
@click.option(
    "--alive", is_flag=True, help="One line; exit code 0 if it answers, else 1: for a container's health check."
)
@click.option("--url", metavar="URL", help="Where the service's API is (else as configured).")
def status(
    config_path: Path | None, assignments: tuple[str, ...], *, as_json: bool, alive: bool, url: str | None
) -> None:
    """Show how the running service is doing, and what to do about it.

    Exit code 0: healthy; 1: degraded, something waits; 2: unhealthy, or there is no service. With --alive it is 0
    however the service is, as long as it answers: no restart cures a database.
    """
    with explained():
        # The token is for the service that it was configured for, not for whatever an address leads to.
        api = None if url else loaded(config_path, assignments, sections={"api"}).settings.api
        try:
            answer = (
                ask_health(url or "") if api is None else ask_health(configured_url(api), PATIENCE, api.token, _tell)
            )
        except Transient as error:
            click.echo(f"homeiq-ingest: {error}", err=True)
            sys.exit(FAILED if alive else UNHEALTHY)
    lines = islice(_screen(answer), 1) if alive else _screen(answer)
    click.echo(json.dumps(answer, indent=2) if as_json else "\n".join(lines))
    sys.exit(0 if alive else _CODES.get(answer["status"], UNHEALTHY))


def _tell(sentence: str) -> None:
    click.echo(f"homeiq-ingest: {sentence}", err=True)


def _screen(health: dict[str, Any]) -> Iterator[str]:
    colour = _COLOURS.get(health["status"], "red")
    uptime = health["uptime"].partition(".")[0]
    yield f"{click.style(health['status'], fg=colour, bold=True)}: {printable(health['reason'])}"
    yield from (f"  what to do: {printable(remedy)}" for remedy in health["remedies"])
    yield ""
    yield f"service         {health['version']}, up {uptime}, {health['performance']['memory_mb']} MiB"
    yield from _home(health)
    yield from _store(health)
    yield from _gaps(health["gaps"])
    yield f"totals          {_totals(health['totals'])}"
    if lifetime := dict(health.get("lifetime") or {}):
        yield f"lifetime        since {_at(lifetime.pop('since'))}: {_totals(lifetime)}"
    yield from _errors(health["errors"])


def _home(health: dict[str, Any]) -> Iterator[str]:
    subscription = health["subscription"]
    for each in health["connection"]["candidates"]:
        problem = f", {printable(each['problem'])}" if each["problem"] else ""
        yield f"home assistant  {each['name']}: {each['state']}{problem}"
    rate = f"{subscription['event_rate_per_minute']:,} events a minute"
    last = f"last {_at(last)}" if (last := subscription["last_event"]) else "no live one yet"
    yield f"events          {subscription['total_events_received']:,}, {rate}, {last}"


def _store(health: dict[str, Any]) -> Iterator[str]:
    database, spool = health["database"], health["spool"]
    known = {True: "takes points", False: "takes no points", None: "not asked yet"}[database["reachable"]]
    yield f"database        {database['name']} ({database['where']}): {known}"
    since = f", oldest {_at(spool['oldest'])}" if spool["oldest"] else ""
    where = "in memory" if (unspooled := database["name"] in UNSPOOLED) else "spool"
    held = f"{where} {spool['points']:,} points, {spool['bytes'] / 2**20:,.1f} MiB{since}"
    yield f"waiting         {database['waiting_points']:,} points; {held}"
    if spool.get("dead_letters"):
        yield f"dead letters    {spool['dead_letters']:,}, see: homeiq-ingest dead-letters list"
    if spool["limit_bytes"] and unspooled:
        yield f"room            without a spool; {spool['limit_bytes'] / 2**20:,.0f} MiB of memory for while the store takes nothing"
    elif spool["limit_bytes"]:
        yield f"room            {spool['limit_bytes'] / 2**20:,.0f} MiB in the spool: {_days(spool)}"


def _gaps(gaps: dict[str, Any]) -> Iterator[str]:
    states = ("open", "filling", "filled", "partly", "unfillable")
    if known := [f"{gaps[each]} {each}" for each in states if gaps.get(each)]:
        since = f", the oldest to fill from {gaps['oldest_open']}" if gaps["oldest_open"] else ""
        yield f"gaps            {', '.join(known)}{since}; {counted(gaps['states_filled'], 'state')} filled"


def _at(moment: str | None) -> str:
    """Local time with its offset, as the other commands show it."""
    return datetime.fromisoformat(moment).astimezone().isoformat(" ", "seconds") if moment else "never"


def _days(spool: dict[str, Any]) -> str:
    if spool["days"] is None:
        return "how long they last is not known yet"
    return f"they last {spool['days']:,.1f} days at {_rate(spool)}, {spool['days_left']:,.1f} are left"


def _rate(spool: dict[str, Any]) -> str:
    """A start brings every state of the home at once: until there is an hour, that is said."""
    seconds = spool.get("rate_seconds")
    if seconds is None:
        return "the rate of the last run"
    return "the present rate" if seconds >= HOUR else f"the rate since the start, {seconds / 60:.0f} min ago"


def _totals(totals: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in totals.items() if count) or "nothing yet"


def _errors(errors: dict[str, Any]) -> Iterator[str]:
    for name, each in errors["categories"].items():
        yield f"errors          {name}: {each['total']:,}, last {_at(each['last'])}"
    for each in errors["recent"][:3]:
        yield f"  {printable(each['error'])}"
