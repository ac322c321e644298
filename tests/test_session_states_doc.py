"""docs/reference/session-states.md says what the table in the code says."""

import re
import textwrap
from pathlib import Path

from ingest.core import session
from ingest.core.session import TRANSITIONS, SessionState

PAGE = Path(__file__).parents[1] / "docs/reference/session-states.md"
ROW = re.compile(r"^\| `(\w+)` \| [^|]+ \| ?(.*?) ?\|$", re.MULTILINE)


def documented() -> dict[str, set[str]]:
    return {state: set(re.findall(r"`(\w+)`", targets)) for state, targets in ROW.findall(PAGE.read_text("utf-8"))}


def test_every_state_and_transition_is_documented_and_no_other() -> None:
    allowed = {state.value: {target.value for target in targets} for state, targets in TRANSITIONS.items()}
    assert documented() == allowed


def test_the_drawing_is_the_one_in_the_code() -> None:
    drawing = (session.__doc__ or "").split("\n\n")[1]
    assert textwrap.dedent(drawing) in PAGE.read_text("utf-8")


def test_every_state_is_in_the_table_and_none_leads_to_itself() -> None:
    assert set(TRANSITIONS) == set(SessionState)
    assert [state for state, targets in TRANSITIONS.items() if state in targets] == []


def test_every_state_can_be_reached_and_only_a_stopped_session_is_at_its_end() -> None:
    reached, ahead = set(), {SessionState.IDLE}
    while ahead:
        reached |= ahead
        ahead = {target for state in ahead for target in TRANSITIONS[state]} - reached
    assert reached == set(SessionState)
    assert [state for state, targets in TRANSITIONS.items() if not targets] == [SessionState.STOPPED]
