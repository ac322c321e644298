"""`homeiq-ingest systemd install`: from a package somewhere to a service that runs."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from attrs import frozen

from ingest.cli.filling import check_no_service
from ingest.cli.held import Runs
from ingest.cli.systemd_config import Planned, earlier, owned, planned, source
from ingest.cli.systemd_machine import Machine
from ingest.cli.systemd_places import NAME
from ingest.cli.systemd_upgrade import upgrade
from ingest.edge.database_copy import copy_database
from ingest.edge.database_file import is_there
from ingest.edge.systemctl import ASKING
from ingest.errors import IngestError, Refused

NEXT = """\
What to do next:
  {program} status                  how it is, in a few lines
  {program} doctor                  all of it, looked at from the outside
  journalctl -u homeiq-ingest -f          its log
  sudoedit {config}   its settings; then: sudo systemctl reload homeiq-ingest
A newer version comes with `systemd upgrade` of the newer package."""

STAYS = """\
{config} stays, and its owner's commands go on with it and with its files, not with those of the service.
So that they do not: mv {config} {config}.before"""

OPTIONS = {"state.db": "--state", "home.db": "--store"}
"""By the name of a file what takes one along."""


@frozen
class Wanted:
    """What `install` was told. `memory` in MiB; `state` and `store` are files of an earlier run to bring along.

    Where neither is named, those of the configuration are, unless it begins `fresh`.
    """

    config: Path | None = None
    force: bool = False
    python: Path | None = None
    memory: int | None = None
    start: bool = True
    state: Path | None = None
    store: Path | None = None
    fresh: bool = False


def install(machine: Machine, wanted: Wanted) -> None:
    """Make everything that is missing, and start it. Raises `IngestError`."""
    machine.check()
    steps, places = machine.steps, machine.places
    os.umask(0o022)
    path = source(wanted.config, places)
    plan = planned(path, places)
    _check_config(machine, path, plan, wanted.force)
    along = _along(machine, path, wanted)
    installed, folder = machine.current, machine.made(wanted.python)
    _configure(machine, plan)
    machine.try_configuration(folder)
    for name, file in along.items():
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


def _along(machine: Machine, path: Path, wanted: Wanted) -> Mapping[str, Path]:
    """Files of an earlier run to take along, by their new names. Raises `IngestError`, before anything is changed."""
    named = dict(zip(OPTIONS, (wanted.state, wanted.store), strict=True))
    if wanted.fresh or any(named.values()):
        return {name: file for name, file in named.items() if file is not None}
    steps, places, folder = machine.steps, machine.places, _folder(machine)
    there = [name for name in OPTIONS if _is_there(machine, folder / name)]
    if path == places.config:
        if not there:
            _say_what_stays(machine)
        return {}
    found = earlier(path, places)
    for file in found.values():
        if there:
            steps.say(f"{folder / there[0]} is there already: {file} stays where it is")
        else:
            _check_unused(file)
    if there:
        return {}
    if found:
        steps.say("What was stored so far comes along (--fresh begins without it)")
    return found


def _say_what_stays(machine: Machine) -> None:
    """Of a configuration in /etc nobody knows whose files it went on with: what a person has is not taken unasked."""
    for config in owned(machine.places)[:1]:
        with suppress(IngestError):
            for name, file in earlier(config, machine.places).items():
                machine.steps.say(f"{file} stays where it is; {OPTIONS[name]} {file} brings it along")


def _check_unused(file: Path) -> None:
    try:
        check_no_service(file)
    except Runs as error:
        remedy = (
            "End it, with Ctrl-C where it runs in a terminal, and run this again; or say --fresh to begin without it."
        )
        raise Refused(
            "what was stored so far is in use by a running service", where=str(file), remedy=remedy
        ) from error


def _folder(machine: Machine) -> Path:
    """Where the service finds its files. `Path.exists` would end where only root may follow the link."""
    places = machine.places
    return places.state if os.path.exists(places.state) else places.private_state  # noqa: PTH110


def _is_there(machine: Machine, file: Path) -> bool:
    """False, too, where who tries a dry run may not look: it says what root's would do on a machine without it."""
    try:
        return is_there(file)
    except Refused:
        if machine.steps.dry:
            return False
        raise


def _take_along(machine: Machine, file: Path, name: str) -> None:
    """Copy a file of an earlier run to where the service finds it. Raises `IngestError`."""
    steps, folder = machine.steps, _folder(machine)
    if _is_there(machine, folder / name):
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
    for config in owned(places):
        steps.say(STAYS.format(config=shlex.quote(str(config))))
