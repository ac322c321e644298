"""What `init` asks about InfluxDB: its address, its token, and its organisation and bucket where the usual ones are not there."""

from __future__ import annotations

import os

import click
import trio

from ingest.cli.prompts import ANOTHER, Asking, Given, Values, told
from ingest.config.load import load
from ingest.core.influx_server import NoSuchPlace, NotLetIn
from ingest.core.token import looks_like_token
from ingest.errors import Refused


def database(asking: Asking, given: Given, home: Values) -> Values:
    """The settings of a database that takes our points beside those of `home`; none at all where there is to be none.

    Raises `Refused` or `Transient` where flags are wrong, and where another address must be asked for.
    """
    url = given.database
    if url is None and asking.interactive:
        url = asking.text("Address of InfluxDB (Enter for none: a file on this machine)", "--database", "")
    if not url:
        return {}
    if looks_like_token(url):
        what = "what was given as InfluxDB's address looks like a token (it is not shown, and was not looked up)"
        raise Refused(what, remedy="Give the address, such as http://HOST:8086; the token is asked for by itself.")
    values: Values = {
        "influxdb.url": url if "://" in url else f"http://{url}",
        "influxdb.org": given.org,
        "influxdb.bucket": given.bucket,
    }
    if given.database_token_file:
        values["influxdb.token_file"] = str(given.database_token_file.absolute())
    elif asking.interactive:
        token = asking.secret("Its token (not shown; Enter for none)", "--database-token-file", "")
        values |= {"influxdb.token": token} if token.reveal() else {}
    return values if given.no_check else _that_works(asking, given, home, values)


def _that_works(asking: Asking, given: Given, home: Values, values: Values) -> Values:
    """What was typed stays typed: only what the database complains of is asked for again."""
    left = False
    while True:
        try:
            return values | told(_look_at_database, {**home, **values})
        except NoSuchPlace as error:
            if given.names_database or left:
                raise
            asking.complain(error)
            place = {
                "influxdb.org": asking.text("Its organisation", "--org", str(values["influxdb.org"])),
                "influxdb.bucket": asking.text("Its bucket", "--bucket", str(values["influxdb.bucket"])),
            }
            left = place.items() <= values.items()  # then perhaps it is another database that is meant
            values |= place
        except NotLetIn as error:
            if given.database_token_file:
                raise
            asking.complain(error)
            question, default = ("Another token (not shown)", None) if given.database else (ANOTHER, "")
            token = asking.secret(question, "--database-token-file", default)
            if not token.reveal():
                return database(asking, given, home)
            values["influxdb.token"] = token


def _look_at_database(values: Values) -> tuple[str, Values]:
    from ingest.cli.checks import look_at_database  # noqa: PLC0415

    settings = load(None, {"HOMEIQ_INGEST_CONFIG": os.devnull}, values).settings
    click.echo(f"  asking {values['influxdb.url']} …")
    found = trio.run(look_at_database, settings)
    if found.keeps_text:
        return f"{found}: it takes our points", {}
    return f"{found}: it keeps numbers only, so only numbers will be sent", {"influxdb.numeric_only": True}
