"""Options that several commands share, and the configuration they lead to."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from ingest.config.files import of_the_choice
from ingest.config.load import Loaded, Secrets, load
from ingest.core.control import LAST_ID
from ingest.core.words import printable
from ingest.errors import Refused

F = TypeVar("F", bound=Callable[..., Any])

config_option = click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Configuration file (else $HOMEIQ_INGEST_CONFIG, then the usual places).",
)
set_option = click.option(
    "--set", "assignments", multiple=True, metavar="SECTION.KEY=VALUE", help="Override one setting; may be repeated."
)


ROW_ID = click.IntRange(1, LAST_ID)
"""The number of something in the state file."""


def configured(function: F) -> F:
    """Give a command `--config` and `--set`."""
    return config_option(set_option(function))


def overrides(assignments: tuple[str, ...]) -> Mapping[str, object]:
    """`("log.level=debug",)` as a mapping. Raises `Refused` when one is not of that form."""
    pairs = [each.partition("=") for each in assignments]
    for key, equals, _ in pairs:
        if not key or not equals:
            raise Refused(f"--set {key} gives no value", remedy="Write it as --set section.key=value.")
    return {key.strip(): value for key, _, value in pairs}


def loaded(
    config_path: Path | None,
    assignments: tuple[str, ...],
    *,
    for_running: bool = False,
    sections: Collection[str] | None = None,
    secrets: Secrets = "needed",
) -> Loaded:
    """The effective configuration; `for_running` asks for an address and a token too. Raises `Problems`.

    A command that uses some `sections` only names them: a token that it does not need must not keep it from its work.
    """
    given = overrides(assignments)
    _tell_of_the_choice(config_path)
    return load(config_path, os.environ, given, for_running=for_running, sections=sections, secrets=secrets)


def _tell_of_the_choice(config_path: Path | None) -> None:
    """Say once which of two files is read. Not in the service's threads, which read it again: those belong to no command."""
    command = click.get_current_context(silent=True)
    if command is not None and not command.meta.get(__name__):
        command.meta[__name__] = True
        for sentence in of_the_choice(config_path, os.environ):
            click.echo(f"homeiq-ingest: {printable(sentence)}.", err=True)
