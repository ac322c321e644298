"""`homeiq-ingest tail`: what the home does now, and what becomes of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import click
from attrs import define

from ingest.cli.exits import explained
from ingest.cli.moments import shown
from ingest.cli.options import configured, loaded
from ingest.cli.service_api import configured_url
from ingest.core.channels import channels_of
from ingest.core.state import nanoseconds
from ingest.core.words import printable
from ingest.edge.live_client import LiveClient, live
from ingest.errors import Refused

WIDEST: Final = 48
"""Characters of the column of entities; a longer one moves its own line."""

_VERDICTS: Final = {"stored": "green", "filtered": "yellow", "repeated": "cyan"}


@click.command()
@click.argument("entities", metavar="[ENTITY|GLOB]...", nargs=-1)
@click.option(
    "--entity", "more", multiple=True, metavar="ENTITY|GLOB", help="The same as an argument; may be repeated."
)
@click.option("--stored", "only", flag_value="stored", help="Only what is stored.")
@click.option("--filtered", "only", flag_value="filtered", help="Only what is left out, with the rule.")
@click.option("--count", type=click.IntRange(1), metavar="N", help="End after this many events.")
@click.option("--json", "as_json", is_flag=True, help="Print each event as JSON, one a line.")
@click.option("--url", metavar="URL", help="Where the service's API is (else as configured); it is sent api.token.")
@configured
def tail(
    config_path: Path | None,
    assignments: tuple[str, ...],
    *,
    entities: tuple[str, ...],
    more: tuple[str, ...],
    only: str | None,
    count: int | None,
    as_json: bool,
    url: str | None,
) -> None:
    """Show what happens in the home as it happens, and whether it is stored or which rule leaves it out.

    ENTITY is an entity_id or a domain, GLOB a pattern such as `sensor.*_power`; without any it is everything. End with
    Ctrl-C.

    Exit code 0: ended by Ctrl-C, or after --count events; 1: there is no service, or it has gone.
    """
    channels = _channels((*entities, *more))
    with explained():
        api = loaded(config_path, assignments, sections={"api"}).settings.api
        try:
            with live(url or configured_url(api), api.token) as client:
                _follow(client, channels, only, count, as_json=as_json)
        except KeyboardInterrupt:
            sys.exit(0)


def _channels(given: tuple[str, ...]) -> tuple[str, ...]:
    try:
        return channels_of(list(given or ("*",)))
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _follow(
    client: LiveClient, channels: tuple[str, ...], only: str | None, count: int | None, *, as_json: bool
) -> None:
    client.say({"type": "subscribe", "channels": channels})
    click.echo(f"listening to {', '.join(channels)} at {client.where}; Ctrl-C ends", err=True)
    lines = Lines()
    for number, event in enumerate(_events(client, only), start=1):
        click.echo(json.dumps(event, ensure_ascii=False) if as_json else lines.of(event))
        if number == count:
            return


def _events(client: LiveClient, only: str | None) -> Iterator[dict[str, Any]]:
    while True:
        message = client.hear()
        if message["type"] == "error":
            raise Refused(f"the service refuses: {message['message']}", where=client.where)
        yield from (each for each in message.get("events", ()) if _is_wanted(each, only))
        if omitted := message.get("omitted"):
            click.echo(f"… and {omitted:,} more at once, which are not shown", err=True)


def _is_wanted(event: dict[str, Any], only: str | None) -> bool:
    return only is None or (event["verdict"] == "stored") is (only == "stored")


@define(eq=False)
class Lines:
    """Events as lines whose columns stand below each other."""

    width: int = 0

    def of(self, event: dict[str, Any]) -> str:
        """Local time, entity, what was and what is, and what becomes of it."""
        entity_id = event["entity_id"]
        self.width = min(WIDEST, max(self.width, len(entity_id)))
        at = shown(nanoseconds(datetime.fromisoformat(event["last_updated"])), "seconds")
        verdict = click.style(_verdict(event), fg=_VERDICTS.get(event["verdict"]))
        return f"{at}  {click.style(f'{entity_id:<{self.width}}', bold=True)}  {_states(event)}  {verdict}"


def _states(event: dict[str, Any]) -> str:
    state, previous, kind = event["state"], event["previous_state"], event["kind"]
    told = state if previous in {None, state} else f"{previous} → {state}"
    unit = f" {event['unit']}" if event["unit"] else ""
    natures = [each for each in (kind, event["origin"]) if each not in {None, "changed", "removed"}]
    nature = f" ({', '.join(natures)})" if natures else ""
    return printable(f"{told}{unit}{nature}")


def _verdict(event: dict[str, Any]) -> str:
    return "stored" if event["verdict"] == "stored" else printable(f"left out by {event.get('rule')}")
