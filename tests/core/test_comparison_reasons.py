from __future__ import annotations

import pytest
from attrs import evolve

from ingest.core.comparison import Finding, Side
from ingest.core.comparison_fields import Difference, Why
from ingest.core.comparison_reasons import Because, Known, Reason
from ingest.core.comparison_silence import Listening, Silence
from ingest.core.comparison_tally import Tally
from ingest.core.coverage import Cause, Gap, Progress
from ingest.core.filter_settings import FilterSettings, Pattern
from ingest.core.point import Facts
from ingest.core.rules import Rules

EVERYTHING = Rules(FilterSettings())
GAP = Gap(3, Cause.STOPPED, 100, 200, Progress.OPEN)


def reason(found: Finding, **knows: object) -> Because:
    (because,) = Known(**{"rules": EVERYTHING, **knows}).reasons(found)  # type: ignore[arg-type]  # by name
    return because


def ours(state: str = "1", time_ns: int = 60 * 10**9, **more: bool) -> Finding:
    return Finding(Side.OURS, "sensor.a", time_ns, state, **more)  # type: ignore[arg-type]  # by name


def theirs(state: str = "1", time_ns: int = 150, **more: str | bool) -> Finding:
    return Finding(Side.THEIRS, "sensor.a", time_ns, state, **more)  # type: ignore[arg-type]  # by name


@pytest.mark.parametrize("state", ["unknown", "unavailable", "", "removed"])
def test_what_the_original_never_writes(state: str) -> None:
    assert reason(ours(state)) == Because(Reason.ABSENT)


def test_what_only_we_have() -> None:
    beating = Rules(FilterSettings(exceptions=(Pattern(domain="sensor", heartbeat=60.0),)))
    assert reason(ours()) == Because(Reason.LOST)
    assert reason(ours(), never={"sensor.a"}) == Because(Reason.THEIR_FILTER)
    assert reason(ours("nan")) == Because(Reason.NOT_FINITE)
    assert reason(ours(), silence=lambda _: Silence(0, 1, 1)) == Because(Reason.SILENT)
    assert reason(ours(shared=True)) == Because(Reason.PRECISION)
    assert reason(ours(), rules=beating) == Because(Reason.HEARTBEAT)
    assert reason(ours(time_ns=61 * 10**9), rules=beating) == Because(Reason.LOST)


def test_what_only_the_original_has() -> None:
    attic = Rules(FilterSettings(patterns=(Pattern(area_id="attic"),)))
    power = Rules(FilterSettings(patterns=(Pattern(device_class="power"),)))
    quiet = Rules(FilterSettings(drop_replays=True))
    assert reason(theirs()) == Because(Reason.MISSING)
    assert not reason(theirs()).explained
    assert reason(theirs(), rules=attic) == Because(Reason.MISSING)
    assert (
        reason(theirs(), rules=attic, facts=lambda _: Facts("r", area_id="attic")).about == "pattern 1: area_id=attic"
    )
    assert reason(theirs(device_class="power"), rules=power) == Because(Reason.RULE, "pattern 1: device_class=power")
    assert reason(theirs("on"), numeric_only=True) == Because(Reason.NUMBERS)
    assert reason(theirs("1"), numeric_only=True) == Because(Reason.MISSING)
    assert reason(theirs(again=True), rules=quiet) == Because(Reason.REPLAY)
    assert reason(theirs(again=True)) == Because(Reason.MISSING)
    assert reason(theirs(), since_ns=151) == Because(Reason.BEFORE)
    assert reason(theirs(), since_ns=150) == Because(Reason.MISSING)
    assert reason(theirs(), refused={("sensor.a", 150)}) == Because(Reason.REFUSED)
    assert reason(theirs(), gaps=[GAP]) == Because(Reason.GAP, "gap 3: the service was stopped")
    filled = reason(theirs(), gaps=[evolve(GAP, progress=Progress.FILLED)])
    assert filled == Because(Reason.FILLED, "gap 3: the service was stopped")
    assert filled.known_to(recorder=False) is filled
    assert filled.known_to(recorder=True) == Because(Reason.MISSING, "gap 3: the service was stopped")
    assert reason(theirs(time_ns=201), gaps=[GAP]) == Because(Reason.MISSING)
    assert reason(theirs(), waiting=(100, 150)) == Because(Reason.WAITS)
    assert reason(theirs(), waiting=(151, 160)) == Because(Reason.MISSING)


def test_a_point_that_both_have_has_a_reason_for_each_field() -> None:
    fields = (Difference("icon_str", None, "a"), Difference("token_str", None, "b"), Difference("value", 1.0, 2.0))
    found = Finding(Side.BOTH, "camera.a", 300, "1", fields)
    knows = Known(EVERYTHING, dropped_by_domain={"camera": ("token",)}, gaps=[GAP])
    assert list(knows.reasons(found)) == [
        Because(Why.OTHER, "icon_str"),
        Because(Why.SECRET, "token_str"),
        Because(Why.STATE, "value"),
    ]
    filled = Finding(Side.BOTH, "camera.a", 150, "1", fields[:1])
    assert list(knows.reasons(filled)) == [Because(Why.HISTORY, "icon_str")]


def test_a_silence_lasts_from_one_point_to_the_next_and_has_changes_in_it() -> None:
    second = 10**9
    listening = Listening(0)
    listening.heard([10 * second], [4 * second])  # the first, which one change is enough for
    listening.heard([11 * second, 30 * second], [12 * second, 13 * second])
    listening.heard([50 * second], [31 * second, 32 * second, 40 * second])
    listening.heard([54 * second], [51 * second, 52 * second, 53 * second])
    listening.heard([], [55 * second, 56 * second, 57 * second])
    listening.end(70 * second)
    assert listening.found == [
        Silence(0, 10 * second, 1),
        Silence(30 * second, 50 * second, 3),
        Silence(54 * second, 70 * second, 3),
    ]
    assert listening.at(40 * second) == Silence(30 * second, 50 * second, 3)
    assert listening.at(20 * second) is None
    assert listening.at(50 * second) is None
    assert Listening(0).at(5) is None


def test_of_too_many_silences_those_with_the_most_in_them_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.core.comparison_silence.MOST", 2)
    listening = Listening(0)
    for number, missed in enumerate((3, 9, 5), start=1):
        listening.heard([number * 10**10], [number * 10**10 - 1 - each for each in range(missed)])
    assert [each.missed for each in listening.found] == [9, 5]


def verdict(*found: Finding, **knows: object) -> str:
    tally = Tally()
    known = Known(**{"rules": EVERYTHING, **knows})  # type: ignore[arg-type]  # by name
    for each in found:
        tally.add(each, known.reasons(each), recorded=None)
    return tally.verdict


def test_what_it_comes_to() -> None:
    differing = Finding(Side.BOTH, "a.b", 1, "1", (Difference("value", 1.0, 2.0),))
    assert verdict() == "Nothing of the original is missing here."
    assert verdict(ours()) == "Nothing of the original is missing here. The original lost 1 point that is here."
    assert verdict(theirs()) == "1 point of the original is missing here, and nothing says why."
    assert verdict(theirs(), theirs()).startswith("2 points of the original are missing here")
    assert verdict(differing).endswith("but 1 field differs from it.")
    assert verdict(differing, differing).endswith("but 2 fields differ from it.")
    assert verdict(theirs(), gaps=[GAP]) == (
        "Whatever of the original is not here has a known reason. 1 point may still come: compare again when the gaps are"
        " filled and the spool is empty."
    )
    assert verdict(ours(), ours()).endswith("The original lost 2 points that are here.")
