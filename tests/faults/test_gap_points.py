"""The gaps that a real service writes into a real socket, through an outage of the database and two kills."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from attrs import evolve

from ingest.core.coverage import Cause
from tests.faults.service import place
from tests.faults.sink import Sink, sinking, wait_for
from tests.support.homes import running_home

pytestmark = pytest.mark.slow

KILLS = 2


def shown(sink: Sink) -> Counter[tuple[str, str]]:
    """Cause and beginning of the gaps in the database."""
    lines = [line.decode() for line in [*sink.lines] if line.startswith(b"ingest_gaps,")]
    series = {(line.partition(" ")[0], line.rpartition(" ")[2]) for line in lines}
    assert all(line.partition(" ")[0].endswith(",home=home") for line in lines)
    return Counter((each.split("cause=")[1].partition(",")[0], time) for each, time in series)


def test_the_gaps_are_in_the_database_whatever_happens_to_it_and_to_us(tmp_path: Path) -> None:
    with running_home(100, timedelta(minutes=5)) as home, sinking() as sink:
        where = evolve(place(tmp_path, home.url, sink.url), changes=("api.enabled=false", "influxdb.gaps=true"))
        for _ in range(KILLS):
            with where.service() as service:
                service.wait("Stored")
                home.change(["sensor.one"], "before")
                service.wait("Snapshot")
                wait_for(lambda: any(b"sensor.one" in line for line in [*sink.lines]), 20)
                service.kill()
            home.change(["sensor.one"], "meanwhile")
        sink.become("503")
        with where.service() as service:
            service.wait("GapOpened")
            service.wait("StoreWaiting")
            sink.become("take")
            wait_for(lambda: len(shown(sink)) >= KILLS, 30)
            books = service.stop()
        causes = {cause for cause, _ in shown(sink)}
        assert Cause.KILLED.name.lower() in causes
        assert books["made"] >= KILLS
        assert max(shown(sink).values()) == 1
