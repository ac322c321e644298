"""`python -m tests.faults.breaking run …`: homeiq-ingest with two bugs that have a token in their words.

`GET /broken` breaks in the handler, on what it was asked with; SIGHUP breaks the process, on its settings.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import starlette.applications
from starlette.requests import Request
from starlette.routing import BaseRoute, Route


async def broken(request: Request) -> NoReturn:
    raise ValueError(f"cannot make anything of {request.headers}")


class Broken(starlette.applications.Starlette):
    def __init__(self, routes: Sequence[BaseRoute] = (), **given: Any) -> None:
        super().__init__(routes=[*routes, Route("/broken", broken)], **given)


def break_down(self: Any) -> NoReturn:
    raise KeyError(self.settings.influxdb.token.reveal())


if __name__ == "__main__":
    vars(starlette.applications)["Starlette"] = Broken  # before anybody else knows it

    from ingest.cli.main import main
    from ingest.cli.reloading import Reloading

    Reloading.signalled = break_down  # type: ignore[method-assign]
    main(prog_name="homeiq-ingest")
