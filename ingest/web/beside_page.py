"""The status page, and the lists of the state file that it shows, wired for one plan."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from starlette.routing import BaseRoute

from ingest.core.state import moment_at
from ingest.edge.spool_rows import Key
from ingest.plan import Plan
from ingest.runtime.lane import ThreadLane
from ingest.web import status_page
from ingest.web.gaps import Gaps
from ingest.web.letters import DeadLetters
from ingest.web.recorded import Recorded


def page_routes(plan: Plan, now_ns: Callable[[], int]) -> list[BaseRoute]:
    """What is answered, by path. `now_ns` is the wall clock."""
    state, key = plan.files.get("state"), Key(plan.home, plan.destination.store.name)
    recorded = Recorded(Path(state) if state else None, ThreadLane(abandon=True), lambda: moment_at(now_ns()))
    return [*Gaps(recorded, key).routes(), *DeadLetters(recorded).routes(), *status_page.routes()]
