"""`homeiq-ingest systemd uninstall`: the service is gone; what it stored and was told stays, unless that is to go, too."""

from __future__ import annotations

import os

from ingest.cli.systemd_install import is_ours
from ingest.cli.systemd_machine import Machine
from ingest.edge.systemctl import ASKING


def uninstall(machine: Machine, *, purge: bool) -> None:
    """Stop it and take it away; to `purge`: with its configuration and its data. Raises `IngestError`."""
    machine.check()
    steps, places = machine.steps, machine.places
    if os.path.lexists(places.unit):
        machine.stop()
        steps.command(("systemctl", "disable", machine.unit.name), ASKING)
        steps.remove(places.unit)
        steps.command(("systemctl", "daemon-reload"), ASKING)
    if is_ours(machine):
        steps.remove(places.shortcut)
    _remove_program(machine)
    kept = [places.config.parent, places.state, places.private_state, places.drop_ins]
    there = [each for each in kept if os.path.lexists(each)]
    if purge:
        for each in there:
            steps.say(f"Removed: {each}" if not steps.dry else f"To be removed: {each}")
            steps.remove(each)
    elif there:
        steps.say("Kept (systemd uninstall --purge removes them): " + ", ".join(map(str, there)))
    if not steps.changed:
        steps.say("Nothing of the service is installed.")


def _remove_program(machine: Machine) -> None:
    """All versions. What else somebody put into the folder, a checkout for instance, is not ours."""
    steps, folder = machine.steps, machine.places.program
    ours = (machine.places.current, machine.places.previous, machine.places.versions)
    for each in ours:
        steps.remove(each)
    if folder.is_dir():
        if others := sorted(str(each) for each in folder.iterdir() if each not in ours):
            steps.say(f"Not ours, and stays: {', '.join(others)}")
        else:
            steps.remove(folder)
