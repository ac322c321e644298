"""`homeiq-ingest convert`: Home Assistant's own `influxdb` integration's YAML becomes a configuration of ours."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import click

from ingest.cli.exits import explained
from ingest.cli.own_name import own_command
from ingest.config.files import FOLDER_REMEDY
from ingest.config.influx_integration import KNOWN, Converted, converted
from ingest.config.write import render, write, write_own
from ingest.core.token import secret_problem
from ingest.edge.database_file import is_there
from ingest.edge.home_yaml import read_block
from ingest.errors import Refused

KEY = "influxdb"
TOKEN_FILE = "influxdb-token"  # noqa: S105  a name
CREDENTIALS = frozenset({"token", "username", "password"})
"""Keys of the integration that go into the token file."""


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Where to write it; else printed."
)
@click.option("--bucket", help="Write to this bucket instead: to run beside the integration, and `compare`.")
@click.option("--url", help="Address of Home Assistant, as in the browser.")
@click.option("--token-file", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="File with its token.")
@click.option("--force", is_flag=True, help="Replace files that are there.")
def convert(
    *, file: Path, output: Path | None, bucket: str | None, url: str | None, token_file: Path | None, force: bool
) -> None:
    """Turn the YAML of Home Assistant's own `influxdb` integration into a configuration.

    FILE is configuration.yaml, or the file with the integration's lines that it includes. The same entities are stored,
    in the same form. What could not be carried over is said, and stands at the top of the result. A password or token
    goes into a file of its own beside OUTPUT, readable by you alone, and is never printed.
    """
    with explained():
        block = read_block(file, KEY, KNOWN, os.environ)
        found = converted(block.values)
        values = {**found.values, **_chosen(bucket, found.values["influxdb.bucket"], url, token_file)}
        remarks = [*block.remarks, *_remarks(found)]
        if output is None:
            _check_printable(block.hidden)
            click.echo(render(values, [f"From {file.name}.", *remarks]), nl=False)
        else:
            _write(output, values, [f"From {file.name}.", *remarks], found, force=force)
    for line in (*remarks, *_to_do(values, found, output)):
        click.echo(line, err=True)


def _chosen(bucket: str | None, theirs: object, url: str | None, token_file: Path | None) -> Mapping[str, object]:
    asked = {
        "influxdb.bucket": bucket,
        "original.bucket": bucket and theirs,
        "home_assistant.url": url,
        "home_assistant.token_file": token_file and str(token_file.absolute()),
    }
    return {name: value for name, value in asked.items() if value}


def _remarks(found: Converted) -> list[str]:
    """What was not carried over as it stood, a line each."""
    return [f"{note.key}: {note.why}." for note in found.notes]


def _check_printable(hidden: frozenset[str]) -> None:
    seen = sorted(hidden - CREDENTIALS)
    if seen:
        raise Refused(
            f"{', '.join(seen)} came from secrets.yaml or the environment, which is not printed",
            remedy="Add -o FILE: the file is readable by you alone.",
        )


def _write(output: Path, values: Mapping[str, object], remarks: list[str], found: Converted, *, force: bool) -> None:
    token = output.with_name(TOKEN_FILE)
    if found.secret is None:
        write(output, values, remarks, force=force)
        return
    if is_there(output, FOLDER_REMEDY) and not force:  # before a token of an older one is replaced
        raise Refused("the configuration file exists already", where=str(output), remedy="Add --force to replace it")
    write_own(token, found.secret.reveal() + "\n", "the token file", force=force)
    write(output, {**values, "influxdb.token_file": TOKEN_FILE}, remarks, force=force)


def _to_do(values: Mapping[str, object], found: Converted, output: Path | None) -> list[str]:
    lines = []
    if output is None and found.secret is not None:
        lines.append(
            "The database's token is not printed: put it into a file, and set influxdb.token_file (-o FILE does it)."
        )
    if found.secret is not None and (problem := secret_problem(found.secret.reveal())):
        lines.append(
            f"The database's token, or USER:PASSWORD, {problem}: it cannot be sent as a token, and is refused when this starts."
            " Give that user of the database another password (InfluxDB 1: SET PASSWORD FOR \"user\" = 'letters and digits'),"
            " and put USER:PASSWORD into influxdb.token_file."
        )
    if "home_assistant.url" not in values or "home_assistant.token_file" not in values:
        lines.append(
            "Still missing: home_assistant.url and home_assistant.token_file (a token is made in Home Assistant: profile,"
            " Security). --url and --token-file say them here."
        )
    if output is not None:
        lines.append(
            f"Wrote {output}{f' and {output.with_name(TOKEN_FILE)}' if found.secret else ''} (readable by you alone)."
        )
        lines.append(f"Check that it works:  {own_command()} config check --connect --config {output}")
    return lines
