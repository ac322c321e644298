"""`homeiq-ingest systemd upgrade`: another version beside the one that runs, which comes back when the new one fails.

build ▶ read the configuration with it ▶ keep a copy of files that it will migrate ▶ switch ▶ start ▶ look
  ▶ good: the one before stays for a roll-back · bad: switched back, the copy put back, and said why
"""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from types import MappingProxyType
from typing import Final

from attrs import frozen

from ingest.cli.systemd_machine import Machine
from ingest.cli.systemd_places import NAME
from ingest.edge import embedded_schema, state_versions
from ingest.edge.database_copy import copy_database, layout_of
from ingest.edge.database_file import is_there
from ingest.errors import IngestError, Refused
from ingest.runtime.signals import interrupted, uninterrupted

STATE: Final = "state.db"
STORE: Final = "home.db"
LAYOUTS: Final = MappingProxyType({STATE: state_versions.VERSION, STORE: embedded_schema.VERSION})
"""The service's files, and the version that this program makes of each when it starts."""


def upgrade_to_this(machine: Machine, python: Path | None) -> None:
    """Run the program that runs now instead of the one that is installed. Raises `IngestError`."""
    machine.check()
    os.umask(0o022)
    _installed(machine)
    upgrade(machine, machine.made(python))


def upgrade(machine: Machine, folder: Path) -> None:
    """Run that version instead. Raises `IngestError`; then the one before runs again."""
    old = _installed(machine)
    if folder == old:
        machine.steps.say(f"{old.name} is this very version already: nothing to do")
        machine.steps.say("Another version comes with its own command: sudo /path/to/it/homeiq-ingest systemd upgrade")
        return
    machine.try_configuration(folder)
    unit, was_active, was_healthy = machine.text_for(None), machine.unit.active, machine.healthy
    migrated, before = _to_be_migrated(machine), machine.previous
    try:
        with interrupted():
            # First of all: after a power cut in the midst of it a roll-back finds what ran.
            machine.keep(old)
            if migrated and was_active:
                machine.stop()
            for path in migrated:
                _keep(machine, path, folder)
            machine.switch(folder, unit)
            _run(machine, was_active, was_healthy)
    except BaseException as error:
        _back(machine, _Way(old, folder, before), was_active, LAYOUTS)
        if not isinstance(error, IngestError):
            machine.steps.say(f"{folder.name} was not kept, {old.name} is back")
            raise
        raise Refused(f"{folder.name} was not kept, {old.name} is back: {error.said}", remedy=error.remedy) from error
    machine.tidy()
    for path in _files(machine):
        for copy in path.parent.glob(f"{path.name}.before-*"):
            if copy != _copy(path, folder):
                machine.steps.remove(copy)
    machine.steps.say(f"{folder.name} is installed; {old.name} is kept: homeiq-ingest systemd upgrade --roll-back")


def roll_back(machine: Machine) -> None:
    """Run the version before the last upgrade again, which then is the one that is kept. Raises `IngestError`."""
    machine.check()
    now, before = _installed(machine), machine.previous
    if before is None or before == now:
        remedy = "Upgrade with the package of the version that you want: an older one will do."
        raise Refused("there is no version before this one", where=str(machine.places.versions), remedy=remedy)
    machine.try_configuration(before)
    state = machine.places.state / STATE
    if is_there(_copy(state, now)):
        machine.steps.say(
            f"{before.name} does not know {state} as it is now: it sets it aside and begins another, with what"
        )
        machine.steps.say(f"was known. What waits comes back with: sudo {NAME} spool recover FILE, which its log names")
    # A state file of then would know nothing of what was stored since. A store that cannot be read is of no use at all.
    _back(machine, _Way(before, now, now), machine.unit.active, (STORE,))
    machine.steps.say(f"{before.name} is installed again; {now.name} is kept: the same command brings it back")


def _installed(machine: Machine) -> Path:
    if machine.current is None:
        remedy = "Install it first: homeiq-ingest systemd install"
        raise Refused("no version is installed", where=str(machine.places.current), remedy=remedy)
    return machine.current


def _run(machine: Machine, was_active: bool, was_healthy: bool) -> None:
    """A service that somebody stopped stays stopped."""
    if was_active:
        machine.start()
        machine.watch(was_healthy)
    else:
        machine.steps.say(f"It did not run, and is not started: sudo systemctl start {NAME}")


@frozen
class _Way:
    """Back to a version, from one that may have migrated files; and which one a roll-back brings after that."""

    to: Path
    away_from: Path
    previous: Path | None


def _back(machine: Machine, way: _Way, was_active: bool, names: Collection[str]) -> None:
    """Put a version back, with files of these names as they were before the other migrated them. Nothing ends it midway."""
    kept = [path for path in _files(machine) if path.name in names and is_there(_copy(path, way.away_from))]
    with uninterrupted():
        if kept and was_active:
            machine.stop()
        for path in kept:
            _put_back(machine, path, way.away_from)
        machine.switch(way.to, (way.to / machine.places.unit.name).read_text(encoding="utf-8"))
        try:
            machine.keep(way.previous)
        finally:  # on a disk that takes nothing the service is what counts
            if was_active:
                machine.start()


def _files(machine: Machine) -> list[Path]:
    return [path for name in LAYOUTS if is_there(path := machine.places.state / name)]


def _to_be_migrated(machine: Machine) -> list[Path]:
    """The state file and the store whose layout this version changes, or does not know.

    A file of a newer version is among them: this version sets it aside, and a copy brings it back if the upgrade is undone.
    A damaged one is only reported: the service sets it aside, whichever version runs.
    """
    found = []
    for path in _files(machine):
        try:
            layout = layout_of(path)
            if layout > LAYOUTS[path.name]:
                _say_older(machine, path)
            if layout not in {0, LAYOUTS[path.name]}:
                found.append(path)
        except IngestError as error:
            machine.steps.say(f"{path} cannot be looked at: {error}")
    return found


def _say_older(machine: Machine, path: Path) -> None:
    if path.name == STORE:
        machine.steps.say(
            f"This package is older than {path} and cannot read it: where it is the store, nothing is stored"
        )
        machine.steps.say(f"until the version before is back: sudo {NAME} systemd upgrade --roll-back")
        return
    machine.steps.say(f"This package is older than {path}: it sets it aside and begins another, with what was known.")
    machine.steps.say(f"What waits comes back with: sudo {NAME} spool recover FILE, which its log names")


def _copy(path: Path, folder: Path) -> Path:
    return path.with_name(f"{path.name}.before-{folder.name}")


def _keep(machine: Machine, path: Path, folder: Path) -> None:
    """What the new version makes of a file the old one would set aside."""
    copy = _copy(path, folder)
    machine.steps.say(f"copy  {path} -> {copy}, because {folder.name} changes its layout")
    if machine.steps.dry:
        return
    try:
        copy_database(path, copy)
    except IngestError as error:
        machine.steps.say(f"There is no copy: {error}")
        machine.steps.say(
            "A roll-back then begins a new file, and `homeiq-ingest spool recover` brings back what waits."
        )


def _put_back(machine: Machine, path: Path, failed: Path) -> None:
    aside = path.with_name(f"{path.name}.of-{failed.name}")
    machine.steps.say(f"move  {path} -> {aside}, and the copy of before back")
    if path.name == STATE:
        machine.steps.say(f"What came since waits in it: sudo {NAME} spool recover {aside}")
    if machine.steps.dry:
        return
    for suffix in ("", "-wal", "-shm"):
        if os.path.lexists(part := path.with_name(path.name + suffix)):
            part.replace(aside.with_name(aside.name + suffix))
    _copy(path, failed).replace(path)
