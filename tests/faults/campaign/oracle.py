"""What must hold, judged from outside: what the home did, what the database holds, what the file holds.

now     the books balance, memory is bounded, and health says what is so
life    an end in order, in time, that names what it could not keep
end     everything that came in is stored, or it is a dead letter that was really refused, or it was in memory when
        the process was killed, or the service said that it dropped as much, then, of that time
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from ingest.core import reports
from ingest.core.coverage import Cause, Gap
from ingest.core.health import Health, Status
from ingest.core.health_causes import RESTART, SLOW
from ingest.core.influx_searches import REMEMBERED
from ingest.core.ledger import LEFT, SpanFate
from ingest.core.rates import RECENT
from ingest.core.sealing import unsealed
from ingest.core.tally import balanced
from ingest.edge.aside import kept_aside
from ingest.edge.ledger_file import listed, told
from ingest.edge.salvage import open_salvage
from ingest.edge.sqlite import open_reader
from ingest.errors import IngestError
from ingest.simulator import recorder_faults as r
from ingest.simulator.values import State
from tests.actors.states import check_states
from tests.faults.campaign.database import Key, key_of, state_of
from tests.faults.campaign.scenario import Crash, Damage, Outage, Sick, Terminate, What

if TYPE_CHECKING:
    from tests.faults.campaign.life import Life, Loss
    from tests.faults.campaign.world import World

FRAME = 1_100
"""Changes of the largest frame: a link may hold one more than it has room for."""

ROOMY = 100_000
"""Bytes of a spool that takes what fills a gap at once."""

NAMELESS = {Cause.UNREADABLE, Cause.SEVERAL}
"""Causes of gaps for which nobody can ask the history."""

STOP = 5.0
SICK_STOP = 10.0
"""Seconds within which a service is out; on a disk that is sick it is granted its last attempts."""

NOTICED = 65.0
"""Seconds after which nobody may still believe in a connection that is gone."""


# ---- at every look ---------------------------------------------------------------------------------------------------


def check_now(world: World, life: Life) -> None:
    """What must hold at any moment of a life."""
    books = life.pipeline.books()
    assert balanced(books), books
    _check_bounds(life)
    _check_health(world, life, life.health)


def _check_bounds(life: Life) -> None:
    room, spool = life.room, life.spool
    for link in (life.pipeline.intake, life.pipeline.link):
        assert link.held.events <= room.link + FRAME, link
    largest = max((report.size for report in life.of(reports.Batched)), default=0)
    # What is claimed is never evicted, and a batch that is larger than the room is kept alone.
    assert spool.memory.held.size <= room.memory + 2 * largest, spool.memory.held
    # On disk a claim takes what there is room for, or one batch; what was put last is kept beside it.
    largest = life.disk.largest
    assert spool.on_disk.size <= max(room.disk, largest) + largest, spool.on_disk
    assert len(life.deliverer._searches) <= REMEMBERED


def _check_health(world: World, life: Life, health: Health) -> None:
    now, database = trio.current_time(), world.database
    waiting = _unstored(world, life)
    assert health.database.waiting >= waiting, f"{health.database.waiting} are said to wait, {waiting} do"
    if life.refused:
        _check_unwell(health, "the database does not take what waits", ready=False)
    if life.asked_since is not None and now - life.asked_since > SLOW + 1:
        _check_unwell(health, "the database does not answer", ready=False)
    if world.unheard_since is not None and now - max(world.unheard_since, life.born, life.live_at) > NOTICED:
        _check_unwell(health, "Home Assistant is not heard", ready=False)
        assert not health.subscription.subscribed
    if life.lost_at is not None and now - life.lost_at < RECENT - 10:
        assert health.status is Status.UNHEALTHY, f"changes were lost: {health.reason}"
    if life.disk.refused:
        _check_unwell(health, "the disk takes nothing", ready=None)
        assert health.spool.failing or health.spool.letters_failing or health.spool.ledger_failing
    assert not (database.mood == "" and life.refused and health.ready)


def _check_unwell(health: Health, why: str, *, ready: bool | None) -> None:
    assert health.status is not Status.HEALTHY, f"{why}, and health says {health.status.value}"
    assert ready is None or health.ready is ready, f"{why}, and it says that it is ready"


def _unstored(world: World, life: Life) -> int:
    """Points that were made or carried and are nowhere for good, at least."""
    missing = (life.made | life.carried) - world.database.keys
    if world.database.condemned:
        missing -= set(map(key_of, world.database.condemned))
    dropped: int = sum(report.count for report in life.of(reports.Evicted))
    return len(missing) - dropped


# ---- after every life ------------------------------------------------------------------------------------------------


def check_life(world: World, life: Life) -> None:
    """What must hold when a life is over."""
    assert not life.of(reports.DeadLetter), life.of(reports.DeadLetter)[0].traceback
    for report in life.of(reports.Rejected):
        for each in report.rejections:
            assert each.line.encode() in world.database.condemned, f"rejected, and never refused: {each}"
    if life.dead:
        return
    check_states(life.told)
    [stopped] = life.of(reports.Stopped)
    assert stopped.balanced, stopped.books
    said = sum(report.count for report in life.of(reports.Lost))
    assert said >= len(life.gone), f"{said} are said to be lost, {len(life.gone)} are"
    assert life.stopped_after is not None
    assert life.stopped_after <= (SICK_STOP if life.was_sick else STOP) + 0.1, life.stopped_after


# ---- when all is well ------------------------------------------------------------------------------------------------


def stuck(world: World) -> str:
    """Why the service did not come back, as far as it can be seen."""
    life = world.life
    if life is None:
        return "the service is not up"
    return f"not back in time: {life.health.reason}; {life.pipeline.books()}; not stored: {world.pulse - world.database.keys}"


def check_calm(world: World) -> None:
    """Long after the last fault there is nothing to complain about."""
    life = world.life
    assert life is not None
    health = life.health
    # A damaged file is written again when the service is started again, and health says so.
    expected = {health.subscription.unusual}
    others = [
        cause
        for cause in health.causes
        if cause.reason not in expected
        and not (world.met["bytes overwritten"] and cause.remedy == RESTART)
        and not (world.scenario.room.disk < ROOMY and "dropped" in cause.reason)  # what fills a gap does not fit
    ]
    assert not others, others
    assert health.ready
    present = {(key, state.updated * 1000) for key, state in world.home.states.items()}
    excused = _letters(world) | world.damaged  # in a gap, and told again with the next change or the next snapshot
    excused |= set(map(key_of, life.letters_in_memory())) | _letters_gone(world)
    lost = {key for key in present - world.database.keys - excused if key[1] < world.settled_ns}
    assert not lost, f"it is so in the home, the snapshot said it, and the database does not know it: {sorted(lost)}"


# ---- at the end ------------------------------------------------------------------------------------------------------


def check_end(world: World) -> None:
    """What must hold when everything is over."""
    _check_nothing_is_invented(world)
    _check_nothing_is_there_twice(world)
    _check_nothing_is_poorer(world)
    _check_nothing_is_missing(world)
    _check_what_the_file_counted(world)
    if not world.met["bytes overwritten"]:
        _check_coverage(world)


def _check_coverage(world: World) -> None:
    """Whatever the home did since its coverage began is stored, or refused, or in a gap that says why it is not."""
    with closing(sqlite3.connect(world.path)) as connection:
        gaps = [gap for _, gap in listed(connection)]
        spans = [each for gap in gaps for each in told(connection, gap.id)]
    left = [gap for gap in gaps if gap.progress in LEFT]
    assert not left, f"gaps that nobody filled: {left}"
    stored = world.database.keys | _letters(world) | _letters_gone(world)
    known = {entity_id for entity_id, _ in stored}
    lost = {
        key
        for key in _truth(world).keys() - stored
        if world.covered_ns < key[1] < world.settled_ns
        and key[0] in known
        and not any(_has_no_name(gap, key) for gap in gaps)
        and not any(_lacks(world, each, key) for each in spans)
        and not any(first <= key[1] <= last for first, last in world.unrecorded)
    }
    assert not lost, f"neither stored nor in a gap: {sorted(lost)[:5]} and {len(lost)} in all; {gaps}"


def _has_no_name(gap: Gap, key: Key) -> bool:
    """The ledger says that something is missing then, and cannot say of whom."""
    return gap.cause in NAMELESS and bool(gap.why) and gap.from_ns <= key[1] <= gap.to_ns


def _lacks(world: World, told: SpanFate, key: Key) -> bool:
    """The ledger says why that cannot be had, and it is so: a history that is late or behind is waited for."""
    lacking = (r.PartialHistory, r.RecorderOff, r.Exclude)
    right = any(isinstance(act.what, lacking) for act in world.scenario.acts)
    span = told.span
    return right and bool(told.why) and span.entity_id == key[0] and span.after_ns < key[1] < span.before_ns


def _truth(world: World) -> Mapping[Key, State | None]:
    return {
        (change.entity_id, (change.new.updated if change.new else change.fired) * 1000): change.new
        for change in world.home.truth()
    }


def _check_nothing_is_invented(world: World) -> None:
    truth = _truth(world)
    for line in _lines(world):
        key = key_of(line)
        assert key in truth, f"never happened: {line!r}"
        state = truth[key]
        assert state_of(line) == (state.state if state else "removed"), line


def _check_nothing_is_there_twice(world: World) -> None:
    """What came live is one line, whatever was sent again; a snapshot may tell the same change a second time."""
    live: dict[Key, bytes] = {}
    for line in _lines(world):
        if b",origin=" not in line:
            assert live.setdefault(key_of(line), line) == line, f"one change, two lines: {line!r}"


def _check_nothing_is_poorer(world: World) -> None:
    """The history writes over nothing that came live, where it is known what is stored.

    It is not known of what the database stored without saying so, nor of what memory delivered beside a failing disk.
    """
    if any(_is_unsure(act.what) for act in world.scenario.acts):
        return
    for key, lines in world.database.points.items():
        live = [place for place, line in enumerate(lines) if b",origin=" not in line]
        told = [place for place, line in enumerate(lines) if b',origin="backfill"' in line]
        assert not (live and told and live[0] < told[-1]), f"the history wrote over what came live: {key} {lines}"


def _is_unsure(what: What) -> bool:
    match what:
        case Outage(answer):
            return answer == "answer lost"
        case _:
            return isinstance(what, (Sick, Crash, Terminate, Damage))


def _check_nothing_is_missing(world: World) -> None:
    lives = [life for life in world.lives if life.built]
    came = {key for life in lives for key in life.seen}
    excused = {key for life in lives for key in life.gone}
    excused |= _letters(world) | world.damaged
    excused |= {key for path in kept_aside(world.path) for key in on_disk(path)}  # `spool recover` brings them back
    excused |= _letters_gone(world)
    if lives and not lives[-1].spool.kept.known:
        excused |= on_disk(world.path)  # damaged, and not to be read when it could be opened: the next start takes them
    missing = came - world.database.keys - excused
    said = [report for life in lives for report in life.losses()]
    unsaid = {key for key in missing if not any(_tells(report, key) for report in said)}
    assert not unsaid, f"lost without a word: {sorted(unsaid)[:5]} and {len(unsaid)} in all"
    assert len(missing) <= sum(report.count for report in said)


def _check_what_the_file_counted(world: World) -> None:
    """An eviction is in the lasting totals of its file, whatever came after it."""
    if world.met["bytes overwritten"] or not world.path.exists():
        return
    with closing(open_reader(world.path)) as connection:
        (counted,) = connection.execute("SELECT coalesce(sum(value), 0) FROM total WHERE name = 'evicted'").fetchone()
    assert counted >= world.disk.evicted, f"{counted} points are counted as evicted, {world.disk.evicted} are"


def _tells(report: Loss, key: Key) -> bool:
    entity_id, time = key
    if isinstance(report, reports.Shed) and entity_id not in report.entities:
        return False
    return report.oldest_ns <= time <= report.newest_ns


def _letters_gone(world: World) -> set[Key]:
    """Dead letters that were in memory alone when their process was killed."""
    return {key_of(line) for life in world.lives if life.built for line in life.letters_gone}


def _letters(world: World) -> set[Key]:
    """Dead letters of lines that were really refused, in the file or in one that was set aside."""
    found: set[bytes] = set()
    for path in (world.path, *kept_aside(world.path)):
        with suppress(IngestError), closing(open_salvage(path)) as salvage:
            found |= {letter.line.encode() for letter in salvage.letters() if letter.is_line}
    assert found <= world.database.condemned
    return set(map(key_of, found))


def _lines(world: World) -> Iterator[bytes]:
    for lines in world.database.points.values():
        yield from lines


def on_disk(path: Path) -> set[Key]:
    """The changes in the spool's rows and in the dead letters, as far as they can be read, damaged or not."""
    found: set[Key] = set()
    with suppress(IngestError, FileNotFoundError), closing(open_salvage(path)) as salvage:
        found |= {key_of(line) for each in salvage.batches() for line in unsealed(each.batch.payload)}
        found |= {key_of(letter.line.encode()) for letter in salvage.letters() if letter.is_line}
    return found


def has_marks(path: Path) -> bool:
    """The ledger on disk knows what is stored."""
    with suppress(sqlite3.Error), closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return bool(connection.execute("SELECT 1 FROM mark UNION ALL SELECT 1 FROM moved LIMIT 1").fetchall())
    return False
