"""What happens in a scenario, and when: values that print as they are written.

Times are virtual seconds since the beginning. Faults of Home Assistant and its connections are the simulator's own.
"""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

from attrs import frozen
from hypothesis import strategies as st

from ingest.simulator import faults as f
from ingest.simulator import recorder_faults as r
from ingest.simulator.faults import Fault
from tests.faults.campaign.database import ANSWERS, WAYS

LAST = 60
"""Seconds within which every act begins."""

HUGE = 2_100_000
"""Bytes of a frame that is larger than the service takes."""


Sickness = Literal["full", "read-only", "failing", "slow"]
SICKNESSES: tuple[Sickness, ...] = get_args(Sickness)


@frozen
class Outage:
    """The database answers like this for a while; the names are those of `database.ANSWERS`."""

    answer: str
    seconds: float


@frozen
class Picky:
    """The database refuses every so many-th line it is given, in the way of a product, for a while."""

    way: str
    every: int
    seconds: float


@frozen
class Narrow:
    """The database takes at most so many lines in a request (413), for a while."""

    lines: int
    seconds: float


@frozen
class Sick:
    """The disk with the state file is like this for a while."""

    how: Sickness
    seconds: float


@frozen
class Jump:
    """The service's wall clock jumps."""

    seconds: float


@frozen
class Busy:
    """So many changes, in turns of `batch`."""

    count: int
    batch: int = 50


@frozen
class Terminate:
    """SIGTERM, and a new start after `down` seconds."""

    down: float


@frozen
class Crash:
    """The process is gone before the scheduler's next but so many-th step, and started again after `down` seconds."""

    steps: int
    down: float


@frozen
class Damage:
    """As a crash; and while it is down, bytes of the state file are overwritten, at that part of it."""

    where: float
    down: float


What: TypeAlias = Fault | Outage | Picky | Narrow | Sick | Jump | Busy | Terminate | Crash | Damage


@frozen
class Act:
    """Something that happens."""

    at: float
    what: What


@frozen
class Room:
    """How much the service may hold: changes on links, bytes in the spool's file and in its memory, points in a batch."""

    link: int = 2_000
    disk: int = 1_000_000
    memory: int = 20_000
    batch: int = 100


@frozen
class Scenario:
    """One example. The seed decides every chance in it: the home, the jitter of retries, the order of tasks."""

    seed: int
    acts: tuple[Act, ...]
    room: Room = Room()
    pace: float = 2.0
    """Changes a second that the home makes all the time, beside those of its own life."""


def _seconds(most: int) -> st.SearchStrategy[float]:
    return st.integers(1, most).map(float)


def _moments() -> st.SearchStrategy[float]:
    return st.integers(0, LAST * 10).map(lambda tenths: tenths / 10)


_which: st.SearchStrategy[f.Which] = st.sampled_from(["all", "live", "bulk"])
_commands = st.sampled_from(["get_states", "config/entity_registry/list", "get_config", "ping", "supported_features"])

AT_HOME: st.SearchStrategy[What] = st.one_of(
    st.builds(f.Drop, _which),
    st.builds(f.Cut, _which),
    st.builds(f.Stall, _seconds(30), _which),
    st.builds(f.HalfOpen, _which),
    st.builds(f.HugeFrame, st.just(HUGE), _which),
    st.builds(f.SilentAuth, _seconds(30)),
    st.builds(f.Refuse, _seconds(60)),
    st.builds(f.Restart, _seconds(10), _seconds(4), st.booleans()),
    st.builds(f.Malformed, st.sampled_from(["json", "shape"])),
    st.builds(f.AnswerError, _commands, _seconds(30)),
    st.builds(f.SlowAnswers, _seconds(5), _seconds(30)),
)
RARE: st.SearchStrategy[What] = st.one_of(
    st.builds(f.RefuseAuth, _seconds(30)), st.builds(f.Burst, st.just(4200), st.just(50))
)
_answers = st.one_of(st.sampled_from(sorted(ANSWERS)), st.sampled_from(["503", "refused", "hangs"]))
AT_THE_DATABASE: st.SearchStrategy[What] = st.one_of(
    st.builds(Outage, _answers, _seconds(120)),
    st.builds(Outage, _answers, _seconds(120)),
    st.builds(Picky, st.sampled_from(WAYS), st.integers(1, 20), _seconds(120)),
    st.builds(Narrow, st.integers(1, 50), _seconds(60)),
)
_asked = st.sampled_from(["history/history_during_period", "recorder/info"])
AT_THE_RECORDER: st.SearchStrategy[What] = st.one_of(
    st.builds(r.LateHistory, _seconds(50), _seconds(60)),
    st.builds(r.SilentHistory, _seconds(60)),
    st.builds(r.PartialHistory, _seconds(60), st.sampled_from([0.0, 0.3, 0.9])),
    st.builds(r.RecorderOff, _seconds(30)),
    st.builds(r.RecorderBehind, _seconds(60)),
    st.builds(r.Commits, st.sampled_from([1.0, 30.0])),
    st.builds(r.Exclude, st.sampled_from([("sensor.burst_0001",), ("light.*",)])),
    st.builds(f.AnswerError, _asked, _seconds(60), st.sampled_from(["unknown_error", "home_assistant_error"])),
)
AT_THE_DISK: st.SearchStrategy[What] = st.builds(Sick, st.sampled_from(SICKNESSES), _seconds(60))
AT_THE_PROCESS: st.SearchStrategy[What] = st.one_of(
    st.builds(Terminate, _seconds(20)),
    st.builds(Crash, st.integers(0, 400), _seconds(20)),
    st.builds(Damage, st.floats(0, 1, exclude_max=True, width=16), _seconds(5)),
    st.builds(Jump, st.sampled_from([-86_400.0, -30.0, 0.5, 45.0, 3_600.0, 400_000.0])),
)
WORK: st.SearchStrategy[What] = st.builds(Busy, st.integers(1, 600), st.sampled_from([1, 20, 50, 200]))

# The database and the process most of all: there the promise is kept or broken.
_KINDS = (
    *3 * (WORK,),
    *5 * (AT_THE_DATABASE,),
    *4 * (AT_THE_PROCESS,),
    *4 * (AT_HOME,),
    *3 * (AT_THE_DISK,),
    *2 * (AT_THE_RECORDER,),
    RARE,
)
_anything = st.integers(0, len(_KINDS) - 1).flatmap(_KINDS.__getitem__)


def _one(at: float, what: What) -> tuple[Act, ...]:
    return (Act(at, what),)


def _two(at: float, first: What, after: int, second: What) -> tuple[Act, ...]:
    return Act(at, first), Act(at + after, second)


# What goes wrong only together is drawn together: one thing happens while the other lasts.
_episodes = st.one_of(
    st.builds(_one, _moments(), _anything),
    st.builds(_two, _moments(), AT_THE_DATABASE, st.integers(1, 20), AT_THE_PROCESS),
    st.builds(_two, _moments(), AT_THE_DATABASE, st.integers(1, 20), AT_THE_DISK),
    st.builds(_two, _moments(), AT_THE_DISK, st.integers(1, 20), st.one_of(AT_THE_PROCESS, AT_HOME)),
    st.builds(_two, _moments(), st.one_of(AT_THE_PROCESS, AT_HOME), st.integers(0, 20), AT_THE_RECORDER),
)


def _in_order(episodes: list[tuple[Act, ...]]) -> tuple[Act, ...]:
    return tuple(sorted((act for episode in episodes for act in episode), key=lambda act: act.at))


_rooms = st.builds(
    Room,
    link=st.sampled_from([2_000, 300, 60]),
    disk=st.sampled_from([1_000_000, 30_000, 4_000]),
    memory=st.sampled_from([20_000, 1_500]),
    batch=st.sampled_from([100, 20, 5]),
)

scenarios: st.SearchStrategy[Scenario] = st.builds(
    Scenario,
    st.integers(0, 2**16),
    # Hypothesis likes short lists; what goes wrong only together needs long ones.
    st.integers(1, 5).flatmap(lambda count: st.lists(_episodes, min_size=count, max_size=count)).map(_in_order),
    _rooms,
    st.sampled_from([2.0, 8.0]),
)
