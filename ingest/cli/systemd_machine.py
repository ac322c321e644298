"""The installed service as `install`, `upgrade` and `uninstall` change it."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Final

from attrs import field, frozen

from ingest.cli.service_api import ask_health, configured_url
from ingest.cli.systemd_config import credentials
from ingest.cli.systemd_places import NAME, Places
from ingest.cli.systemd_steps import Steps
from ingest.cli.systemd_unit import memory_of, unit_text
from ingest.config.load import load
from ingest.edge.environment import build, free_name, made_from, recipe
from ingest.edge.foreign import Failed
from ingest.edge.interpreters import choose
from ingest.edge.lock import locked
from ingest.edge.systemctl import ASKING, BOOTED, CHANGING, Unit
from ingest.errors import IngestError, Refused, Transient

THE_LOG: Final = f"Look at: journalctl -u {NAME}"

CHECKING = 30.0
"""Seconds for a new version to read the configuration."""


@frozen
class Patience:
    """Seconds in which a service that came up must not go down, and in which one that was healthy must be so again."""

    steady: float = 10.0
    healthy: float = 60.0
    look: float = 1.0
    sleep: Callable[[float], None] = field(default=time.sleep)


@frozen
class Machine:
    """Where it is, what changes it, and how long is looked at what came of it."""

    steps: Steps
    places: Places = field(factory=Places)
    patience: Patience = field(factory=Patience)
    booted: Path = BOOTED

    @property
    def unit(self) -> Unit:
        """What systemd knows of it."""
        return Unit(f"{NAME}.service", self.steps.runner)

    @property
    def current(self) -> Path | None:
        """The folder of the version that is installed."""
        return self._linked(self.places.current)

    @property
    def previous(self) -> Path | None:
        """That of the version before."""
        return self._linked(self.places.previous)

    def _linked(self, link: Path) -> Path | None:
        folder = link.parent / link.readlink() if link.is_symlink() else None
        return folder if folder is not None and folder.is_dir() else None

    def check(self) -> None:
        """Raises `Refused` where systemd does not run the machine, or it may not be changed by this user."""
        if not self.booted.is_dir():
            remedy = "`homeiq-ingest systemd unit` prints the unit file; elsewhere start `homeiq-ingest run` as is usual there."
            raise Refused("systemd does not run this machine", remedy=remedy)
        if os.geteuid() != 0 and not self.steps.dry:
            raise Refused("only root may do this", remedy=f"Run: sudo {again()}")

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else changes it meanwhile: who builds takes away what another one has half built.

        Raises as `check`, or `Held`.
        """
        self.check()
        remedy = "Another `systemd` command is under way, perhaps an upgrade at night: try again when it is done."
        with nullcontext() if self.steps.dry else locked(self.places.changing, remedy=remedy):
            yield

    def made(self, python: Path | None) -> Path:
        """The folder of an environment with the program that runs now: that of now, or a new one. Raises `IngestError`."""
        chosen = recipe(choose(python, self.steps.runner))
        for folder in (self.current, self.previous):
            if folder is not None and made_from(folder) == chosen.mark:
                return folder
        folder = free_name(self.places.versions)
        how = "copies of what runs here" if chosen.copied else "pip fetching what runs here"
        self.steps.say(f"{folder}: with {chosen.interpreter.path} and {how} …")
        self.steps.changed = True
        if not self.steps.dry:
            self.tidy()
            build(folder, chosen, self.steps.runner)
        return folder

    def try_configuration(self, folder: Path) -> None:
        """Have that version read the service's configuration. Raises `Refused` where it finds something wrong."""
        command = (str(folder / "bin" / NAME), "config", "check", "--config", str(self.places.config))
        try:
            self.steps.command(command, CHECKING)
        except Failed as error:
            remedy = "Fix it, then run this again; the service was not changed."
            raise Refused(f"{folder.name} does not take the configuration: {error.words}", remedy=remedy) from error
        except Refused as error:
            remedy = (
                "Is the Python gone that it was made with? Then call `systemd upgrade` of the package of that version."
            )
            raise Refused(f"{folder.name} cannot be run: {error.what}", where=error.where, remedy=remedy) from error

    def text_for(self, memory: int | None) -> str:
        """The unit file, with the memory that it had before where none is said."""
        places = self.places
        named = credentials(places.config) if places.config.is_file() else {}
        old = places.unit.read_text(encoding="utf-8") if places.unit.is_file() else ""
        return unit_text(places.command, places.config, named, memory or memory_of(old))

    def switch(self, folder: Path, unit: str) -> None:
        """Make that the version that systemd starts next. Raises `IngestError`."""
        self.steps.file(folder / self.places.unit.name, unit)
        self.steps.file(self.places.unit, unit)
        self.steps.link(self.places.current, folder.relative_to(self.places.program))
        self.steps.command(("systemctl", "daemon-reload"), ASKING)

    def keep(self, folder: Path | None) -> None:
        """Make that the version that a roll-back brings back."""
        if folder is None:
            self.steps.remove(self.places.previous)
        else:
            self.steps.link(self.places.previous, folder.relative_to(self.places.program))

    def start(self) -> None:
        """Start it, or start it again, and wait until it is ready. Raises `Refused` with the end of its log."""
        try:
            self.steps.command(("systemctl", "restart", self.unit.name), CHANGING)
        except Failed as error:
            raise Refused(f"the service does not start: {self._why(error.words)}", remedy=THE_LOG) from error

    def stop(self) -> None:
        """Stop it. Raises `IngestError`."""
        self.steps.command(("systemctl", "stop", self.unit.name), CHANGING)

    def watch(self, was_healthy: bool) -> None:
        """Look at what was started until it may be trusted. Raises `Refused` or `Transient` where it may not."""
        if self.steps.dry:
            return
        begin, first = time.monotonic(), self.unit.look()
        healthy = False
        while True:
            passed = time.monotonic() - begin
            self._check_same(first, self.unit.look())
            healthy = healthy or not was_healthy or self.healthy
            if healthy and passed >= self.patience.steady:
                return
            if passed >= max(self.patience.healthy, self.patience.steady):
                raise Transient(f"it was healthy before and is not within {passed:.0f} s", remedy=THE_LOG)
            self.patience.sleep(self.patience.look)

    def _check_same(self, first: Mapping[str, str], now: Mapping[str, str]) -> None:
        same = all(first.get(name) == now.get(name) for name in ("MainPID", "NRestarts"))
        if not same or now.get("ActiveState") not in {"active", "reloading"}:
            raise Refused(f"it started and did not last: {self._why(now.get('Result', ''))}", remedy=THE_LOG)

    @property
    def healthy(self) -> bool:
        """True when the service says so itself; False, too, where it has no API."""
        try:
            api = load(self.places.config, {}, {}, sections={"api"}).settings.api
            return api.enabled and ask_health(configured_url(api), token=api.token).get("status") != "unhealthy"
        except IngestError:
            return False

    def tidy(self) -> None:
        """Remove what is neither the version that runs nor the one before."""
        kept = {self.current, self.previous}
        if self.places.versions.is_dir():
            for folder in sorted(self.places.versions.iterdir()):
                if folder not in kept:
                    self.steps.remove(folder)

    def _why(self, otherwise: str) -> str:
        return " | ".join(self.unit.last_words(3).splitlines()) or otherwise


def again() -> str:
    """How this very command is called, in full: root finds commands elsewhere."""
    program = shutil.which(sys.argv[0])
    if program is None or not os.access(program, os.X_OK) or program.endswith(".py"):
        return shlex.join([sys.executable, "-m", "ingest", *sys.argv[1:]])
    return shlex.join([str(Path(program).absolute()), *sys.argv[1:]])
