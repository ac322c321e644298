"""`homeiq-ingest init`: from a home to a configuration that works, because both ends were asked before it is written."""

from __future__ import annotations

import os
import shlex
import sys
from functools import partial
from pathlib import Path
from typing import Any

import click
import trio

from ingest.cli.exits import explained
from ingest.cli.init_database import database
from ingest.cli.own_name import own_command
from ingest.cli.prompts import ANOTHER, Asking, Given, told
from ingest.config.files import FOLDER_REMEDY, new_file
from ingest.config.load import load
from ingest.config.write import write
from ingest.core.secret import Secret
from ingest.core.token import looks_like_token, token_problem
from ingest.core.urls import websocket_url
from ingest.edge.database_file import is_there
from ingest.errors import IngestError, Refused

LIKELY = ("http://homeassistant.local:8123", "http://localhost:8123", "http://homeassistant:8123")
"""Where Home Assistant usually is."""

LOOKING = 3.0
"""Seconds in which a likely address must answer to be proposed."""

WHERE_TO_FIND_ONE = """\
A long-lived access token: in Home Assistant click your name (bottom left),
then Security; at the bottom, under "Long-lived access tokens", Create token.
It is shown once: copy it."""

ANOTHER_ONE = "Copy it again, whole, or make another one in Home Assistant (your profile, Security, at the bottom)."


class WrongToken(Refused):
    """It is the token that is wrong, and not the address."""


@click.command()
@click.option("--url", help="Address of Home Assistant, as in a browser up to the port.")
@click.option("--token-file", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="File with its token.")
@click.option("--database", help='Address of InfluxDB v2 (or what speaks its API); "" for none.')
@click.option(
    "--database-token-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="File with the database's token.",
)
@click.option("--org", default="homeiq", show_default=True, help="Organisation in the database.")
@click.option("--bucket", default="home_assistant_events", show_default=True, help="Bucket in the database.")
@click.option("--ca-file", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Authority to trust.")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Where to write the configuration.")
@click.option("--force", is_flag=True, help="Replace a configuration that is there.")
@click.option("--no-check", is_flag=True, help="Write without asking Home Assistant and the database.")
def init(**flags: Any) -> None:
    """Write a configuration for your own home.

    Asks for what is missing; with flags for everything it asks nothing. Tokens come from files or are typed unseen:
    on a command line every user of the machine could read them.
    """
    with explained():
        given, asking = Given(**flags), Asking(_interactive())
        path = given.output or new_file(os.environ)
        if is_there(path, FOLDER_REMEDY) and not given.force:
            raise Refused("there is a configuration already", where=str(path), remedy="Use --force to replace it.")
        # A variable that is wrong is said before anything is asked; one that wants a database may be right after that.
        _goes_to({"influxdb.url": "http://asked.for"})
        values = asking.until_it_works(partial(_home, asking, given), by_flags=bool(given.url and given.token_file))
        values |= asking.until_it_works(partial(database, asking, given, values), by_flags=given.names_database)
        place = _goes_to(values)
        write(path, values, force=given.force)
        click.echo(f"\nWrote {path} (readable by you alone).")
        click.echo(f"What the home does goes to {place}.")
        click.echo(f"Start with:  {own_command()} run{_flag(given)}")
        click.echo("What Home Assistant remembers of the last days comes in, before that or")
        click.echo("beside it, with:")
        click.echo(f"             {own_command()} backfill --since 10d{_flag(given)}")


def _goes_to(values: dict[str, object]) -> str:
    settings = load(None, {**os.environ, "HOMEIQ_INGEST_CONFIG": os.devnull}, values).settings
    return settings.influxdb.url or str(settings.embedded.path)


def _interactive() -> bool:
    return sys.stdin.isatty()


def _flag(given: Given) -> str:
    return f" --config {shlex.quote(str(given.output))}" if given.output else ""


def _home(asking: Asking, given: Given) -> dict[str, object]:
    default = _likely() if asking.interactive and not given.url else None
    url = _address(given.url or asking.text("Address of Home Assistant", "--url", default), look=not given.no_check)
    values: dict[str, object] = {"home_assistant.url": url}
    if given.ca_file:
        values["home_assistant.ca_file"] = str(given.ca_file.absolute())
    if given.token_file:
        values["home_assistant.token_file"] = str(given.token_file.absolute())
        _check_home(given, values)
        return values
    again = ""
    while (token := _token(asking, again)) is not None:
        values["home_assistant.token"] = token
        try:
            _check_home(given, values)
        except WrongToken as error:
            asking.complain(error)
            again = "Another token (not shown)" if given.url else ANOTHER
        else:
            return values
    return _home(asking, given)


def _check_home(given: Given, values: dict[str, object]) -> None:
    if isinstance(token := values.get("home_assistant.token"), Secret) and (problem := token_problem(token.reveal())):
        raise WrongToken(f"the token {problem}", remedy="Copy it again from Home Assistant.")
    if not given.no_check:
        told(_look_at_home, values)


def _address(text: str, *, look: bool) -> str:
    if looks_like_token(text):
        what = "what was given as the address looks like a token (it is not shown, and was not looked up)"
        raise Refused(what, remedy="Give the address, such as http://HOST:8123; the token is asked for by itself.")
    url = text if "://" in text else f"http://{text}"
    try:
        websocket_url(url)
    except (KeyError, ValueError):
        raise Refused(f"{url} is no address of Home Assistant", remedy="Write it as http://HOST:8123.") from None
    load(None, {"HOMEIQ_INGEST_CONFIG": os.devnull}, {"home_assistant.url": url})  # says what else is wrong with it
    return (look and url != text and trio.run(_answering, url)) or url


def _token(asking: Asking, again: str) -> Secret | None:
    """The token, asked for in the words of `again` the next time; None: a person wants to give another address first."""
    if asking.interactive and not again:
        click.echo(WHERE_TO_FIND_ONE)
    token = asking.secret(
        again or "Token of Home Assistant (not shown)", "--token-file", "" if again == ANOTHER else None
    )
    return None if again == ANOTHER and not token.reveal() else token


def _look_at_home(values: dict[str, object]) -> tuple[str, dict[str, object]]:
    from ingest.actors.connection import TokenRefused  # noqa: PLC0415
    from ingest.cli.candidates import candidates, deadlines  # noqa: PLC0415
    from ingest.cli.checks import look_at_home  # noqa: PLC0415

    settings = load(None, {"HOMEIQ_INGEST_CONFIG": os.devnull}, values).settings
    click.echo(f"  asking {values['home_assistant.url']} …")
    try:
        home = trio.run(look_at_home, candidates(settings)[0], deadlines(settings))
    except TokenRefused as error:
        # There is no configuration yet into whose settings it could be put.
        file = values.get("home_assistant.token_file")
        remedy = f"{ANOTHER_ONE} Put it into {file}." if file else ANOTHER_ONE
        raise WrongToken(error.what, where=error.where, remedy=remedy) from error
    return str(home), {}


def _likely() -> str:
    async def look() -> str:
        found: dict[str, str] = {}

        async def ask(url: str) -> None:
            if (answers := await _answering(url)) is not None:
                found[url] = answers

        with trio.move_on_after(LOOKING):
            async with trio.open_nursery() as nursery:
                for url in LIKELY:
                    nursery.start_soon(ask, url)
        return next((found[url] for url in LIKELY if url in found), LIKELY[0])

    return trio.run(look)


async def _answering(url: str) -> str | None:
    """The address, or the same with https, whichever Home Assistant answers at. No token is sent."""
    from ingest.actors.connection import Deadlines, peek_version  # noqa: PLC0415
    from ingest.edge.tls import tls_context  # noqa: PLC0415
    from ingest.edge.websocket import Target, open_socket  # noqa: PLC0415
    from ingest.runtime.supervise import one_error  # noqa: PLC0415

    secure = url.replace("http:", "https:", 1)
    # Whose certificate it is matters, and is looked at, when the token is sent.
    for each, tls in ((url, None), (secure, tls_context(verify=False))):
        try:
            with one_error(IngestError):
                await peek_version(Target(websocket_url(each), tls), Deadlines(LOOKING, LOOKING), open_socket)
        except IngestError:
            continue
        return each
    return None
