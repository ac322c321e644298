"""Home Assistant's recorder is asked in portions, of so many points, and a home that does not answer is no obstacle."""

from __future__ import annotations

import json
from typing import cast

import pytest
from attrs import define, field
from msgspec import Raw

from ingest.actors.history import History
from ingest.cli import compare_home
from ingest.cli.compare_home import Home
from ingest.core.catalog import NO_CATALOG
from ingest.core.comparison import Finding, Side
from ingest.errors import Transient

SECOND = 10**9
T = 1_795_422_795 * SECOND


@define
class Recorder:
    """Answers as the history does: it has a state of each entity at each whole second that it is asked for."""

    text: str = ""
    asked: list[list[str]] = field(factory=list)

    async def answer(self, command: str, absent: str, **fields: object) -> Raw:
        assert command == "history/history_during_period"
        assert fields["no_attributes"] is True
        ids = cast("list[str]", fields["entity_ids"])
        self.asked.append(ids)
        rows = [{"s": "1", "lu": T / SECOND}, {"s": "1", "lu": T / SECOND + 400}, {"no": "row"}]
        return Raw((self.text or json.dumps({**dict.fromkeys(ids, rows), "sensor.odd": 5})).encode())


def home(recorder: Recorder) -> Home:
    return Home(cast("History", recorder), NO_CATALOG)


def found(number: int, seconds: float = 0.0) -> Finding:
    return Finding(Side.OURS, f"sensor.s{number}", T + round(seconds * SECOND), "1")


async def test_what_is_near_in_time_is_asked_for_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare_home, "MANY", 3)
    recorder = Recorder()
    points = [found(number) for number in range(4)] + [found(5, 400), found(6, 400.5)]
    answers = await home(recorder).recorded(points)
    assert [sorted(ids) for ids in recorder.asked] == [
        ["sensor.s0", "sensor.s1", "sensor.s2"],
        ["sensor.s3"],
        ["sensor.s5", "sensor.s6"],
    ]
    assert [answers[each] for each in points] == [True, True, True, True, True, False]


async def test_no_more_points_than_so_many_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    recorder, one = Recorder(), found(1)
    asking = home(recorder)
    asking.left = 1
    assert await asking.recorded([one, found(2)]) == {one: True}
    assert await asking.recorded([found(3)]) == {}
    assert len(recorder.asked) == 1


async def test_an_answer_that_cannot_be_read_is_the_last() -> None:
    recorder = Recorder("[]")
    asking = home(recorder)
    assert await asking.recorded([found(1)]) == {}
    assert "the answer of the history cannot be read" in asking.failed
    assert await asking.recorded([found(2)]) == {}
    assert len(recorder.asked) == 1


async def test_a_home_that_does_not_answer_any_more() -> None:
    class Gone(Recorder):
        async def answer(self, command: str, absent: str, **fields: object) -> Raw:
            raise Transient("the connection is lost")

    asking = home(Gone())
    assert await asking.recorded([found(1)]) == {}
    assert asking.failed == "the connection is lost"
