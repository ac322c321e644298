from __future__ import annotations
from hypothesis import given, settings
from tests.faults.campaign.scenario import Scenario, scenarios
from tests.faults.campaign.world import play


def test_quiet():
    w = play(Scenario(0, ()))
    print(w.met, w.lives[0].pipeline.books())


@settings(max_examples=50, database=None)
@given(scenarios)
def test_campaign(scenario: Scenario) -> None:
    play(scenario)
