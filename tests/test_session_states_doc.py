"""docs/reference/session-states.md says what the table says to which every session is held (whose own tests are in core/test_session.py)."""

import re
import textwrap
from pathlib import Path

from ingest.core import session
from tests.actors.states import TRANSITIONS

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
