"""What every session must keep, read from the reports that it left."""

from __future__ import annotations

from collections.abc import Iterable

from ingest.core import reports
from ingest.core.reports import Report
from ingest.core.session import TRANSITIONS, SessionState


def check_states(emitted: Iterable[Report]) -> dict[str, list[SessionState]]:
    """Every candidate only went where the table allows, from idle to stopped. Returns the ways they went."""
    ways: dict[str, list[SessionState]] = {}
    for report in emitted:
        if isinstance(report, reports.SessionChanged):
            way = ways.setdefault(report.candidate, [SessionState.IDLE])
            assert report.state in TRANSITIONS[way[-1]], f"{report.candidate}: {way[-1]} to {report.state}"
            way.append(report.state)
    assert {way[-1] for way in ways.values()} <= {SessionState.STOPPED}
    return ways
