"""`homeiq-ingest compare`: beside Home Assistant's own `influxdb` integration for a day, and every difference has a name."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import msgspec
from attrs import evolve

from ingest.cli.compare_shown import as_json, point_as_json, point_line, shown_comparison
from ingest.cli.comparing import Asked, Compared, Tell, compared
from ingest.cli.database import address
from ingest.cli.exits import UNEXPLAINED, explained
from ingest.cli.moments import check_past, parse_moment
from ingest.cli.options import configured, loaded
from ingest.config import shapes
from ingest.config.kinds import Wrong
from ingest.config.secrets import read_secret
from ingest.config.settings import Settings
from ingest.core.secret import Secret
from ingest.core.state import nanoseconds
from ingest.errors import Refused

if TYPE_CHECKING:
    from ingest.edge.influx_client import Address

SETTLING: Final = timedelta(seconds=30)
"""What is younger may still be on its way into either database."""


@click.command()
@click.option("--since", default="1d", show_default=True, metavar="TIME", help="Since when: `1d`, `2026-11-20T08:00`.")
@click.option("--until", metavar="TIME", help="Until when; the same forms. [default: half a minute ago]")
@click.option(
    "--with", "other", metavar="[URL/]BUCKET", help="Where the original writes (else the section `original`)."
)
@click.option(
    "--with-token-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="File with a token for there.",
)
@click.option("--no-home", is_flag=True, help="Do not ask Home Assistant whether its recorder has what one side lacks.")
@click.option("--all", "everything", is_flag=True, help="Print every point that is not the same, not only examples.")
@click.option("--json", "as_json_", is_flag=True, help="One JSON object; with --all, one a line and the result last.")
@configured
def compare(
    *,
    since: str,
    until: str | None,
    other: str | None,
    with_token_file: Path | None,
    no_home: bool,
    everything: bool,
    as_json_: bool,
    config_path: Path | None,
    assignments: tuple[str, ...],
) -> None:
    """Compare what is stored with what Home Assistant's own `influxdb` integration stored.

    Run both for a day, into two buckets. Every point that only one of them holds, and every field that differs, is counted
    under its reason. Exit code 0: every difference has a reason; 3: some have none; 1: one of
    the databases cannot be asked. Both are only read; the service may run.
    """
    with explained():
        settings = loaded(config_path, assignments).settings
        if settings.store_kind != "influxdb":
            remedy = "`compare` reads InfluxDB alone: give it the --config of the service that writes there."
            raise Refused(
                "what is stored here is in no database", where=f"store.kind is {settings.store_kind}", remedy=remedy
            )
        from_ns, to_ns = _span(since, until)
        asked = Asked(settings, address(settings), _original(settings, other, with_token_file), from_ns, to_ns)
        if (asked.ours.url, asked.ours.bucket) == (asked.theirs.url, asked.theirs.bucket):
            remedy = (
                "Let one of them write to a bucket of its own for a day: what both write into one cannot be told apart."
            )
            raise Refused("both sides are the same bucket", where=asked.ours.bucket, remedy=remedy)
        found = compared(asked, _teller(as_json_, everything), ask_home=not no_home)
    _say(asked, found, as_json_=as_json_)
    if found.tally.unexplained:
        sys.exit(UNEXPLAINED)


def _span(since: str, until: str | None) -> tuple[int, int]:
    now = datetime.now(UTC)
    # Of what is to come neither of them has anything, and until then there would be silence.
    end = now - SETTLING if until is None else min(parse_moment(until, now, "--until"), now)
    start = parse_moment(since, now)
    check_past(since, nanoseconds(start), now)
    # The original may cut times to seconds: where a span begins within one, only one side's point would be in it.
    start, end = start.replace(microsecond=0), end.replace(microsecond=0)
    if start >= end:
        raise click.BadParameter("there is nothing between --since and --until", param_hint="--since")
    return nanoseconds(start), nanoseconds(end)


def _original(settings: Settings, other: str | None, token_file: Path | None) -> Address:
    """Where the original writes. What is not said is as with our database."""
    told, ours = settings.original, address(settings)
    url, _, bucket = (other or "").rpartition("/")
    bucket, url = bucket or told.bucket, _url(url, bucket) or told.url or ours.url
    if not bucket:
        remedy = "Give --with [URL/]BUCKET, or set original.bucket (`convert --bucket` does)."
        raise Refused("it is not said where the original writes", remedy=remedy)
    if token_file is None and told.token is None and url == ours.url:
        return evolve(ours, bucket=bucket)
    token = read_secret(token_file) if token_file else told.token or Secret("")
    setting = "--with-token-file" if token_file else "original.token"
    return evolve(ours, url=url, bucket=bucket, token=token, renewed=None, token_setting=setting)


def _url(given: str, bucket: str) -> str | None:
    """As of the setting `original.url`: an address that is none would be asked, and one with a password shown."""
    query = given and "?" in bucket
    try:
        url: str | None = shapes.url("http", "https").parse(f"{given}?{bucket}" if query else given)
    except Wrong as error:
        raise click.BadParameter(
            f"{error}; write [URL/]BUCKET, such as http://host:8086/home", param_hint="--with"
        ) from None
    return url


def _teller(as_json_: bool, everything: bool) -> Tell:
    if not everything:
        return lambda *_: None
    if as_json_:
        return lambda *told: click.echo(msgspec.json.encode(point_as_json(*told)))
    return lambda *told: click.echo(point_line(*told))


def _say(asked: Asked, found: Compared, *, as_json_: bool) -> None:
    if as_json_:
        click.echo(msgspec.json.encode(as_json(asked, found)))
    else:
        click.echo("\n".join(shown_comparison(asked, found)))
