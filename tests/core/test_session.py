from __future__ import annotations

from ingest.core.session import SessionState
from tests.actors.states import TRANSITIONS


def test_every_state_has_a_row_and_only_the_last_has_no_way_on() -> None:
    assert set(TRANSITIONS) == set(SessionState)
    assert [state for state, following in TRANSITIONS.items() if not following] == [SessionState.STOPPED]


def test_every_state_can_be_reached_from_the_first_and_every_state_can_stop() -> None:
    reached, grown = {SessionState.IDLE}, True
    while grown:
        following = {after for state in reached for after in TRANSITIONS[state]}
        grown = not following <= reached
        reached |= following
    assert reached == set(SessionState)
    assert all(
        SessionState.STOPPED in after for state, after in TRANSITIONS.items() if state is not SessionState.STOPPED
    )


def test_nothing_is_skipped_on_the_way_to_live() -> None:
    way = ["idle", "connecting", "authenticating", "loading", "subscribing", "snapshot", "live"]
    states = [SessionState(name) for name in way]
    for index, state in enumerate(states):
        ahead = TRANSITIONS[state] & set(states)
        assert ahead == set(states[index + 1 : index + 2])


def test_a_waiting_or_refused_candidate_only_tries_anew() -> None:
    working = {SessionState.AUTHENTICATING, SessionState.LOADING, SessionState.LIVE}
    assert not TRANSITIONS[SessionState.WAITING] & working
    assert not TRANSITIONS[SessionState.REFUSED] & working
