"""`python -m tests.faults.routes_told FILE run …`: homeiq-ingest, which also writes down what its own API answers.

FILE becomes a list of paths, from the routes that the application itself was made of: who adds one need not say so here.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import starlette.applications
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute


def paths(routes: Sequence[BaseRoute], before: str = "") -> Iterator[str]:
    """Every path, a parameter of one filled in with a word; what is mounted with something below it."""
    for route in routes:
        if isinstance(route, Mount):
            yield f"{before}{route.path}/anything"
            yield from paths(route.routes or (), before + route.path)
        else:
            assert isinstance(route, Route | WebSocketRoute), route
            yield before + re.sub(r"\{[^}]*\}", "anything", route.path)


class Told(starlette.applications.Starlette):
    def __init__(self, routes: Sequence[BaseRoute] = (), **given: Any) -> None:
        super().__init__(routes=routes, **given)
        made = FILE.with_name("being-written")
        made.write_text(json.dumps([*paths(routes)]), "utf-8")
        made.rename(FILE)


if __name__ == "__main__":
    FILE = Path(sys.argv.pop(1))
    vars(starlette.applications)["Starlette"] = Told  # before anybody else knows it

    from ingest.cli.main import main

    main(prog_name="homeiq-ingest")
