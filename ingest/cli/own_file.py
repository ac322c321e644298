"""The file that a command looks at, and whether the service that runs here has another one.

A service may have got its place from systemd or from `--set`, or its configuration from /etc where a person still has the
one it was installed from: the command does not see it. Where its own file is absent or holds nothing, it asks the service
before it says so; where the file holds something and nobody holds its lock, it says whose it is not, or does nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

import click
from attrs import field, frozen

from ingest.cli.options import loaded
from ingest.cli.service_api import ask_health, configured_url
from ingest.config.files import SYSTEM_FILE, SYSTEM_STATE, find
from ingest.config.load import Loaded
from ingest.config.service import Api
from ingest.core.words import printable
from ingest.edge.database_file import is_there
from ingest.edge.lock import is_held
from ingest.edge.sqlite import Connection, Damaged, translated
from ingest.edge.state_read import state_read
from ingest.errors import IngestError, Refused, Transient

PATIENCE: Final = 1.0
"""Seconds that a service has to say which files it uses."""

DAMAGED: Final = (
    "The service starts all the same: it sets this file aside, brings over what is readable and begins a new one. What that"
    " leaves behind comes back with `homeiq-ingest spool recover` and the name that the log says."
)

SECTIONS: Final = frozenset({"spool", "embedded", "api"})
"""What must be right in a configuration for looking into a file."""


class Elsewhere(Refused):
    """The file holds nothing, and a running service has another one."""


@frozen
class OwnFile:
    """The configured file at `path`. `named`: this very command said which, so no other can be meant.

    `others` are configured beside it, the configuration itself among them.
    `aside`: an embedded store of a configuration that stores in InfluxDB.
    """

    kind: Literal["state", "store"]
    path: Path
    api: Api = field(factory=Api)
    named: bool = True
    others: tuple[Path, ...] = ()
    aside: bool = False

    @property
    def used(self) -> tuple[Path, ...]:
        """What no output of the command may take the place of."""
        return self.path, *self.others

    def look_elsewhere(self) -> None:
        """To be called when there is nothing in it. Raises `Elsewhere` when a running service has another one."""
        if other := self._elsewhere():
            how = f"--set spool.path={other}" if self.kind == "state" else f"--db {other}"
            what = f"this {self.kind} file holds nothing, and the service that runs here uses another"
            raise Elsewhere(what, where=str(self.path), remedy=f"Use {how}, or the --config that the service uses.")

    def check_same(self) -> None:
        """To be called before more is done than to look at it. Raises `Refused` when a running service has another one."""
        if (other := self._elsewhere()) and not is_held(self.path):
            remedy = f"{_how(other)}; where this very file is meant, add --set {self._setting}={self.path}."
            what = f"the service that runs here uses another {self.kind} file, {other}"
            raise Refused(what, where=str(self.path), remedy=remedy)

    def tell_of_another(self) -> None:
        """Say when a running service has another one."""
        if (other := self._elsewhere()) and not is_held(self.path):
            sentence = f"this is what {self.path} holds, and the service that runs here uses {other}. {_how(other)}."
            click.echo(f"homeiq-ingest: {printable(sentence)}", err=True)

    @contextmanager
    def telling(self) -> Iterator[None]:
        """While it is read: say, also of what is not found in it, when it is not the one that a running service has."""
        try:
            yield
        except Elsewhere:
            raise
        except IngestError:
            self.tell_of_another()
            raise
        self.tell_of_another()

    @property
    def _setting(self) -> str:
        return "spool.path" if self.kind == "state" else "embedded.path"

    def _elsewhere(self) -> str | None:
        """The file of the service that answers where this one would, when that is another than this one."""
        other = None if self.named or not self.api.enabled else self._of_service()
        return other if other and os.path.realpath(other) != os.path.realpath(self.path) else None

    def _of_service(self) -> str | None:
        try:
            files = ask_health(configured_url(self.api), PATIENCE, self.api.token).get("files")
        except Transient:
            return None
        found = files.get(self.kind) if isinstance(files, dict) else None
        return found if isinstance(found, str) else None


def own_state(config_path: Path | None, assignments: tuple[str, ...]) -> OwnFile:
    """The configured state file. Raises `Problems`."""
    return state_of(loaded(config_path, assignments, sections=SECTIONS))


def state_of(found: Loaded) -> OwnFile:
    """The state file of a configuration."""
    settings = found.settings
    others = _others(settings.embedded.path, found.file)
    return OwnFile("state", settings.spool.path, settings.api, _named(found, "spool.path"), others)


def own_store(db: Path | None, config_path: Path | None, assignments: tuple[str, ...]) -> OwnFile:
    """The embedded store: `db`, else the configured one. Raises `Problems`."""
    if db is not None:
        return OwnFile("store", db, others=_others(find(config_path, os.environ)))
    return store_of(loaded(config_path, assignments, sections=SECTIONS))


def store_of(found: Loaded) -> OwnFile:
    """The embedded store of a configuration."""
    settings, named = found.settings, _named(found, "embedded.path")
    others, aside = _others(settings.spool.path, found.file), settings.store_kind == "influxdb" and not named
    return OwnFile("store", settings.embedded.path, settings.api, named, others, aside)


def _how(other: str) -> str:
    if Path(other).parent != SYSTEM_STATE:
        return "Use the --config that the service uses"
    return f"{'Add' if os.geteuid() == 0 else 'Run this with sudo and'} --config {SYSTEM_FILE}"


def _others(*paths: Path | None) -> tuple[Path, ...]:
    return tuple(path for path in paths if path is not None)


def _named(found: Loaded, name: str) -> bool:
    return found.origins[name] == "command line"


@contextmanager
def looking(own: OwnFile) -> Iterator[Connection]:
    """A reading connection. Raises as `state_read`, and `Refused` when this one is absent and a running service has another."""
    if not is_there(own.path):
        own.look_elsewhere()
    try:
        with state_read(own.path) as connection, translated(own.path), own.telling():
            yield connection
    except Damaged as error:
        raise Damaged(error.what, where=error.where, remedy=DAMAGED) from error
