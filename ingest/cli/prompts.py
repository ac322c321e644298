"""Asking a person for what is missing, until it works."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import click
from attrs import frozen

from ingest.core.secret import Secret
from ingest.errors import IngestError, Refused

Values: TypeAlias = dict[str, object]


ANOTHER = "Another token (not shown; Enter alone: another address)"
"""What is asked for where only the token was wrong."""


@frozen
class Given:
    """What the flags of `init` say. None or empty: it is asked for, or left at its default."""

    url: str | None
    token_file: Path | None
    database: str | None
    database_token_file: Path | None
    org: str
    bucket: str
    ca_file: Path | None
    output: Path | None
    force: bool
    no_check: bool

    @property
    def names_database(self) -> bool:
        """Whether nothing is asked about the database."""
        return self.database is not None and self.database_token_file is not None


@frozen
class Asking:
    """How a missing answer is got: from a person, or not at all."""

    interactive: bool

    def text(self, question: str, flag: str, default: str | None = None) -> str:
        """A line of text. Raises `Refused` when nobody can be asked."""
        if not self.interactive:
            raise Refused(f"{flag} is missing", remedy=f"Give {flag}, or run init in a terminal.")
        return self._typed(question, default, show_default=bool(default))

    def secret(self, question: str, flag: str, default: str | None = None) -> Secret:
        """A line that is not shown. Raises `Refused` when nobody can be asked."""
        if not self.interactive:
            raise Refused(f"{flag} is missing", remedy=f"Give {flag}, or run init in a terminal.")
        return Secret(self._typed(question, default, hide_input=True))

    def _typed(
        self, question: str, default: str | None, *, hide_input: bool = False, show_default: bool = False
    ) -> str:
        try:
            answer: str = click.prompt(question, default=default, hide_input=hide_input, show_default=show_default)
        except click.Abort:
            if not hide_input:  # there click has ended the line
                click.echo(err=True)
            raise
        return answer.strip()

    def until_it_works(self, ask: Callable[[], Values], *, by_flags: bool) -> Values:
        """What `ask` found. A person's slip is said, and asked for again; that of a flag is raised."""
        while True:
            try:
                return ask()
            except IngestError as error:
                if by_flags:
                    raise
                self.complain(error)

    def complain(self, error: IngestError) -> None:
        """Say what was wrong before it is asked for again. Raises it when nobody can be asked."""
        if not self.interactive:
            raise error
        click.echo(f"  {error}\n  Once more, or Ctrl-C.\n", err=True)


def told(look: Callable[[Values], tuple[str, Values]], values: Values) -> Values:
    """What `look` found out beside the values that it was given; its sentence is shown."""
    sentence, more = look(values)
    click.echo(f"  {sentence}")
    return more
