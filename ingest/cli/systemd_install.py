"""`homeiq-ingest systemd install`: from a package somewhere to a service that runs."""

from __future__ import annotations

import os
from pathlib import Path

from attrs import frozen

from ingest.cli.filling import check_no_service
from ingest.cli.systemd_config import Planned, planned, source
from ingest.cli.systemd_machine import Machine
from ingest.cli.systemd_places import NAME
from ingest.cli.systemd_upgrade import upgrade
from ingest.edge.database_copy import copy_database
from ingest.edge.database_file import is_there
from ingest.edge.systemctl import ASKING
from ingest.errors import Refused

NEXT = """\
What to do next:
  {program} status                  how it is, in a few lines
  {program} doctor                  all of it, looked at from the outside
  journalctl -u homeiq-ingest -f          its log
  sudoedit {config}   its settings; then: sudo systemctl reload homeiq-ingest
A newer version comes with `systemd upgrade` of the newer package."""


@frozen
class Wanted:
    """What `install` was told. `memory` in MiB; `state` and `store` are files of an earlier run to bring along."""

    config: Path | None = None
    force: bool = False
    python: Path | None = None
    memory: int | None = None
    start: bool = True
    state: Path | None = None
    store: Path | None = None


def install(machine: Machine, wanted: Wanted) -> None:
    """Make everything that is missing, and start it. Raises `IngestError`."""
    machine.check()
    steps, places = machine.steps, machine.places
    os.umask(0o022)
    path = source(wanted.config, places)
    plan = planned(path, places)
    _check_config(machine, path, plan, wanted.force)
    installed, folder = machine.current, machine.made(wanted.python)
    _configure(machine, plan)
    machine.try_configuration(folder)
    for file, name in ((wanted.state, "state.db"), (wanted.store, "home.db")):
        if file is not None:
            _take_along(machine, file, name)
    machine.switch(installed or folder, machine.text_for(wanted.memory))
    _shortcut(machine)
    steps.command(("systemctl", "enable", machine.unit.name), ASKING)
    if installed not in {None, folder}:
        upgrade(machine, folder)
    elif wanted.start and (steps.changed or not machine.unit.active):
        machine.start()
    _say_what_is(machine)


def _check_config(machine: Machine, path: Path, plan: Planned, force: bool) -> None:
    """What is there may have been changed since: it is not replaced unasked."""
    there = machine.places.config
    if path == there or force or not os.path.lexists(there) or there.read_text(encoding="utf-8") == plan.text:
        return
    remedy = f"Leave out --config to keep it, or add --force to replace it with {path}."
    raise Refused("there is another configuration already", where=str(there), remedy=remedy)


def _configure(machine: Machine, plan: Planned) -> None:
    steps, places = machine.steps, machine.places
    for remark in plan.remarks:
        steps.say(f"{places.config}: {remark}")
    steps.folder(places.config.parent)
    steps.folder(places.credentials, 0o700)
    for name, secret in plan.secrets.items():
        steps.file(places.credentials / name, secret, 0o600)
    for path, data in plan.files.items():
        steps.file(path, data)
    steps.file(places.config, plan.text)


def _take_along(machine: Machine, file: Path, name: str) -> None:
    """Copy a file of an earlier run to where the service finds it. Raises `IngestError`."""
    steps, places = machine.steps, machine.places
    folder = places.state if places.state.exists() else places.private_state
    if is_there(folder / name):
        steps.say(f"{folder / name} is there already: {file} stays where it is")
        return
    if not file.is_file():
        raise Refused("there is no such file", where=str(file), remedy="Give the path where the earlier run kept it.")
    check_no_service(file)
    if not folder.parent.is_dir():
        steps.folder(folder.parent, 0o700)
    steps.folder(folder, 0o700)
    steps.say(f"copy  {file} -> {folder / name}")
    steps.changed = True
    if not steps.dry:
        copy_database(file, folder / name)


def _shortcut(machine: Machine) -> None:
    steps, places = machine.steps, machine.places
    if os.path.lexists(places.shortcut) and not is_ours(machine):
        steps.say(f"{places.shortcut} is somebody else's and stays: the service's own command is {places.command}")
        return
    if not places.shortcut.parent.is_dir():
        steps.folder(places.shortcut.parent)
    steps.link(places.shortcut, places.command)


def is_ours(machine: Machine) -> bool:
    """True when the shell's command is the one that `install` made."""
    path = machine.places.shortcut
    return path.is_symlink() and path.readlink() == machine.places.command


def _say_what_is(machine: Machine) -> None:
    steps, places = machine.steps, machine.places
    if steps.dry:
        steps.say("Nothing was done: this was a dry run.")
        return
    program = NAME if is_ours(machine) else str(places.command)
    folder = machine.current
    steps.say(f"homeiq-ingest is installed: {folder}, {places.config}, {places.unit}")
    if machine.unit.active:
        steps.say(f"It runs: {machine.unit.look().get('StatusText', '')}")
    else:
        steps.say(f"It does not run yet. Start it with: sudo systemctl start {NAME}")
    steps.say(NEXT.format(program=program, config=places.config))
