"""`homeiq-ingest doctor`: looks from the outside at everything that goes wrong for people, and says what to mend first."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Final

import click
import trio

from ingest.cli.exits import DOUBTFUL, ILL, explained
from ingest.cli.options import configured, loaded
from ingest.core.findings import Check, Severity, error, skipped, warning, worst
from ingest.errors import Problems

_CODES: Final = {None: 0, Severity.HINT: 0, Severity.WARNING: DOUBTFUL, Severity.ERROR: ILL}


@click.command()
@configured
@click.option("--json", "as_json", is_flag=True, help="Print every check and finding as one JSON object.")
@click.option("-v", "--verbose", is_flag=True, help="List every check with what it saw, also when all is well.")
def doctor(config_path: Path | None, assignments: tuple[str, ...], *, as_json: bool, verbose: bool) -> None:
    """Check everything from the outside, and say what to fix, the worst first.

    The configuration, this machine, Home Assistant with its token and recorder, all clocks, the database or the embedded
    store, and the service. It writes one point into a measurement of its own, and removes it again where the database can;
    a running service is not disturbed. No secret is printed.

    Exit code 0: all is well, or there are hints at most; 1: warnings, something will be missing one day; 2: something is not
    stored, or will not be.
    """
    from ingest.cli.doctor_show import as_object, screen  # noqa: PLC0415  only where there is something to show

    with explained():
        checks = _checked(config_path, assignments)
    if as_json:
        click.echo(json.dumps(as_object(checks), indent=2))
    else:
        for line in screen(checks, verbose=verbose):
            click.echo(line)
    sys.exit(_CODES[worst(checks)])


def _checked(config_path: Path | None, assignments: tuple[str, ...]) -> list[Check]:
    try:
        found = loaded(config_path, assignments, for_running=True)
    except Problems as problems:
        wrong = tuple(error(each, remedy=_REMEDY) for each in problems.problems)
        return [
            Check("configuration", "wrong", wrong),
            *skipped("the configuration is wrong", "this machine", "home assistant", "store", "service"),
        ]
    from ingest.cli.doctor_looks import looks  # noqa: PLC0415  imports the network

    source = f"file {found.file}" if found.file else "no file; defaults, environment and command line"
    warned = tuple(warning(each, str(found.file or "")) for each in found.warnings)
    return [Check("configuration", source, warned), *trio.run(looks, found.settings)]


_REMEDY: Final = "Do as that says; `homeiq-ingest config check` says when it is good."
