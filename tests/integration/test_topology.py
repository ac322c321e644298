"""The drawings of the architecture page show how a running pipeline is wired, and its tables which tasks there are.

A whole pipeline is run in virtual time, with everything that a configuration may ask of one, and watched: what is put into a
link, the spool or a cell, who puts it and who takes it. Then the page is read. Where the two differ, the message says which
line is missing in the drawing, or which one is only drawn.
"""

from __future__ import annotations

import ast
import re
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import define, evolve, field
from trio.testing import MockClock

import ingest
from ingest.actors.control import Control
from ingest.core import control
from ingest.core.filter_settings import FilterSettings, Pattern
from ingest.core.rules import Rules
from ingest.core.secret import Secret
from ingest.core.store import Codec, Delivered, Rejection, Store
from ingest.edge.catalog_file import CatalogFile
from ingest.edge.control import Commands, Complain
from ingest.edge.data_api import open_data_api
from ingest.edge.dead_letters import DeadLetters
from ingest.edge.disk_spool import DiskSpool
from ingest.edge.kept_catalog import KeptCatalog
from ingest.edge.lasting import Lasting
from ingest.edge.ledger import Ledger
from ingest.edge.ledger_file import LedgerFile
from ingest.edge.letter_file import Letters
from ingest.edge.spool_control import SpoolControl
from ingest.edge.spool_file import Table
from ingest.edge.spool_rows import Key
from ingest.edge.state_file import open_state
from ingest.edge.totals_file import Totals
from ingest.pipeline import Pipeline
from ingest.plan import INTAKE, LINK, Destination, Plan
from ingest.runtime.lane import InlineLane
from ingest.runtime.watch import Watch
from ingest.simulator import faults as f
from ingest.simulator.script import happen
from tests.integration.house import candidate, plan_of
from tests.integration.test_gaps import FILLED, SPARE, House, house
from tests.support.data_api import KEY, DataApi
from tests.support.drawing import Arrow, WrongDrawingError, arrows
from tests.support.wiring import Delivering, Spawned, Wiring

ROOT = Path(ingest.__file__).parent
PAGE = (ROOT.parent / "docs/explanation/architecture.md").read_text("utf-8")
STATE = Key("home", "database")
RULES = FilterSettings(exceptions=(Pattern(domain="sensor", heartbeat=60.0),))
ELSEWHERE = {"demo_service.py", "demo_stage.py", "filling.py"}
"""Modules of commands with tasks of their own: the demo, and the filling of gaps while no service runs."""

OUTSIDE = {"api", "live events", "watchdog", "configuration", "reloading", "signals"}
"""Tasks of the service beside its pipeline."""


def section(heading: str) -> str:
    """What is below a heading, up to the next one."""
    return re.split(r"^#+ ", PAGE.partition(f"\n{heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def drawing(text: str) -> list[Arrow]:
    """The first one in it."""
    return arrows(re.findall(r"^```text\n(.*?)^```", text, re.MULTILINE | re.DOTALL)[0])


def rows(text: str, cells: int) -> list[list[str]]:
    """Those of the tables with so many columns, without their heads."""
    found = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:2] == "| "]
    return [row for row in found if len(row) == cells][1:]


STAGES = section("## Stages")
BY_MODULE = {
    path.removesuffix(".py").replace("/", "."): name
    for name, _, modules, _ in rows(STAGES, 4)
    for path in re.findall(r"`([\w/]+\.py)`", modules)
}
"""The stages of the page by module."""


@define(eq=False)
class Whole:
    """A pipeline with everything, and what it is wired like."""

    wiring: Wiring
    spawned: Spawned = field(factory=Spawned)
    pipeline: Pipeline = field(init=False)


async def listen(_: Commands, __: Complain) -> None:
    await trio.sleep_forever()


async def delivered(_: object) -> Delivered:
    """One line of every batch is refused."""
    await trio.sleep(0.01)
    return Delivered((Rejection("line", "it is one too many"),))


@asynccontextmanager
async def plan(it: House, wiring: Wiring) -> AsyncGenerator[Plan]:
    """Everything that a plan can have."""
    codec: Codec[bytes, bytes] = Codec(
        lambda _: b"state ",
        lambda items: sum(map(len, items)),
        b"".join,
        lambda _: b"gap ",
        lambda _: b"entry ",
        heartbeats=True,
    )
    store = Store(STATE.store, codec, Delivering(delivered, wiring.stages))
    connection, _ = open_state(it.path, it.now_ns)
    lane, emit, transport = InlineLane(), it.told.append, DataApi().transport()
    with closing(connection):
        spool = DiskSpool(Table(connection, it.path, STATE), lane, SPARE, b"".join, it.now_ns, emit)
        letters = DeadLetters(Letters(connection, it.path), STATE, lane, it.now_ns, emit)
        lasting = Lasting(Totals(connection, it.path, STATE), lane, it.now_ns, emit, lambda: None)
        ledger = Ledger(LedgerFile(connection, it.path, STATE), lane, emit, lambda: None)
        catalog = KeptCatalog(CatalogFile(connection, it.path, STATE.home), lane, lane, it.now_ns, emit)
        for each in (spool, lasting, ledger, catalog):
            await each.load()
        spool.notes.noted = ledger.noted
        commands = Control(SpoolControl(spool, letters, lane), "the database", listen, ledger)
        destination = Destination(
            store, "the database", spool=spool, letters=letters, control=commands, lasting=lasting, ledger=ledger, catalog=catalog
        )  # fmt: skip
        async with open_data_api("http://data-api:8006", lambda: Secret(KEY), transport=transport) as data_api:
            made = plan_of(it.memory, [candidate("primary")], rules=RULES, data_api=data_api)
            yield evolve(made, destination=destination, wall_ns=it.now_ns)


@asynccontextmanager
async def running(it: House, whole: Whole) -> AsyncGenerator[None]:
    """The pipeline, while the block runs."""
    stop = trio.Event()

    async def run() -> None:
        whole.spawned.top = trio.lowlevel.current_task()
        await whole.pipeline.run(stop)

    async with plan(it, whole.wiring) as made, trio.open_nursery() as nursery:
        whole.pipeline = Pipeline(made, (it.told.append,), lambda: 0.5, it.dial)
        nursery.start_soon(run)
        yield
        stop.set()


async def lived(path: Path, patch: pytest.MonkeyPatch) -> Whole:
    """A life in which everything is used: two starts, a broken session that leaves a gap, a command, other rules."""
    whole = Whole(Wiring(BY_MODULE))
    trio.lowlevel.add_instrument(whole.spawned)
    async with house(path / "state.db") as it:
        async with running(it, whole):  # so that the next start has a catalog that was kept
            await trio.sleep(30)
            await it.work()
        whole.wiring.look_on(patch)
        async with running(it, whole):
            await trio.sleep(30)
            await it.work()
            await happen(it.server, f.Drop())
            await trio.sleep(FILLED)
            await it.work()
            old = next(each.entity_id for each in it.home.truth() if each.entity_id.startswith("sensor."))
            it.server.instance.rename(old, f"{old}_renamed")
            assert whole.pipeline.importing is not None
            commands = whole.pipeline.plan.destination.control
            assert isinstance(commands, Control)
            orders = commands.orders(lambda: None, whole.pipeline.emit)
            await orders.retry(control.Retry(everything=True), lambda _: None)
            await whole.pipeline.importing.begin(control.Import(it.now_ns() - 3600 * 10**9, again=True))
            whole.pipeline.rules.set(Rules(FilterSettings(exceptions=(Pattern(domain="light", heartbeat=60.0),))))
            await trio.sleep(120)
    trio.lowlevel.remove_instrument(whole.spawned)
    return whole


def drawn(found: list[Arrow]) -> set[tuple[str, str, str]]:
    return {(source, each.label, target) for each in found for source in each.sources for target in each.targets}


def named(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


async def test_the_page_shows_how_a_running_pipeline_is_wired(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = await lived(tmp_path, monkeypatch)
    known: dict[str, Watch[Any]] = {"catalog": whole.pipeline.catalog, "rules": whole.pipeline.rules}

    wired = whole.wiring.edges(whole.pipeline) | whole.wiring.inboxes(known)
    shown = drawn(drawing(PAGE))
    assert sorted(wired - shown) == [], "these are not in the first drawing of docs/explanation/architecture.md"
    assert sorted(shown - wired) == [], "these are only drawn there"

    cells = whole.wiring.cells(known)
    drawn_cells = {each.label: (set(each.sources), set(each.targets)) for each in drawing(section("## State in cells"))}
    # Other rules were given by the test: that is what `reloading` does.
    rules = {"nobody": "reloading"}
    found = {name: ({rules.get(each, each) for each in writers}, readers) for name, (writers, readers) in cells.items()}
    assert found == drawn_cells, "who writes a cell and who reads it, and what is drawn of that"

    kept = drawn(drawing(section("## What lasts")))
    assert sorted(whole.wiring.keeping() ^ kept) == [], "these are drawn, or done, but not both: who has something kept"

    made = {re.sub(r"^(connection|socket) .*", r"\1 …", name) for name in whole.spawned.names}
    tasks = {name for name in made if "." not in name}  # the others are named after their function: parts of a stage
    assert sorted(tasks ^ (tasks_of_the_page() - OUTSIDE)) == [], "these tasks run, or are in the table, but not both"


def tasks_of_the_page() -> set[str]:
    return {task for _, tasks, _, _ in rows(STAGES, 4) for task in named(tasks)}


def tasks_of_the_code() -> Iterator[tuple[str, str]]:
    """The module and the name of every task that is given one; of a name that is made, what is known."""
    for path in sorted(ROOT.rglob("*.py")):
        if path.parent.name == "simulator" or path.name in ELSEWHERE:
            continue
        for call in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("start_soon"):
                for keyword in call.keywords:
                    yield str(path.relative_to(ROOT.parent)), _name_of(keyword.value)


def _name_of(value: ast.expr) -> str:
    match value:
        case ast.Constant(value=str(name)):
            return name
        case ast.JoinedStr(values=[ast.Constant(value=str(name)), *_]):
            return f"{name}…"
    return ""


def test_the_table_of_stages_names_every_task_of_the_service() -> None:
    begun = {name for _, name in tasks_of_the_code() if name}
    assert sorted(begun ^ tasks_of_the_page()) == [], "these are begun, or are in the table of stages, but not both"


def test_every_stage_of_the_pipeline_has_a_name() -> None:
    tree = ast.parse((ROOT / "pipeline.py").read_text("utf-8"))
    begun = [each for each in ast.walk(tree) if isinstance(each, ast.Call) and "start_soon" in ast.unparse(each.func)]
    assert [ast.unparse(each) for each in begun if "name" not in {keyword.arg for keyword in each.keywords}] == []
    assert len(begun) > 10


def test_every_actor_is_on_the_page_and_every_module_of_a_stage_exists() -> None:
    actors = {f"ingest/actors/{path.name}" for path in (ROOT / "actors").glob("*.py") if path.name != "__init__.py"}
    assert sorted(actors - set(re.findall(r"`(ingest/actors/\w+\.py)`", PAGE))) == [], (
        "these modules belong to no stage of docs/explanation/architecture.md"
    )
    assert [
        path for _, _, paths, _ in rows(STAGES, 4) for path in named(paths) if not (ROOT.parent / path).exists()
    ] == []


def test_every_stage_that_is_drawn_is_in_the_table() -> None:
    stages, outside = set(BY_MODULE.values()), {"Home Assistant", "store", "data-api"}
    found = [*drawing(PAGE), *drawing(section("## State in cells")), *drawing(section("## What lasts"))]
    assert {name for each in found for name in each.sources | each.targets} - outside <= stages


def test_every_room_is_in_the_table_of_rooms() -> None:
    rooms = {f"ingest/{each.name}/" for each in ROOT.iterdir() if (each / "__init__.py").exists()}
    alone = {f"ingest/{each.name}" for each in ROOT.glob("*.py") if not each.name.startswith("__")}
    assert sorted((rooms | alone) ^ {name for row in rows(section("## Rooms"), 3) for name in named(row[0])}) == []


def test_the_links_hold_what_the_table_says() -> None:
    table = {name: (ends, capacity) for name, ends, capacity, _, _ in rows(section("## Links and overflow"), 5)}
    for name, weight in (("intake, live end", INTAKE), ("the store's link", LINK)):
        assert f"{weight.events:,}" in table[name][1]
        assert f"{weight.size // 2**20} MiB" in table[name][1]
    ends = {end for name, (said, _) in table.items() if name != "spool" for end in _ends_of(said)}
    assert ends == {(each[0], each[2]) for each in drawn(drawing(PAGE)) if re.match("intake|link", each[1])}


def _ends_of(said: str) -> Iterator[tuple[str, str]]:
    sources, _, target = said.partition(" → ")
    yield from ((source, target) for source in sources.split(", "))


def test_a_drawing_is_read_as_a_person_reads_it() -> None:
    found = arrows("a b ══on a line══▶ c ──┬──▶ d\n  ║                    └──▶ e f\n  ╚══▶ g ◀── h\n")
    assert drawn(found) == {
        ("a b", "on a line", "c"),
        ("c", "", "d"),
        ("c", "", "e f"),
        ("a b", "", "g"),
        ("h", "", "g"),
    }
    assert drawn(arrows("a\n▲\n│\n└── b")) == {("b", "", "a")}


@pytest.mark.parametrize("wrong", ["a ──▶", "──▶ a", "a ── b", "a ──┐\n    ▼\n\n    b"])
def test_a_line_that_leads_nowhere_is_found(wrong: str) -> None:
    with pytest.raises(WrongDrawingError):
        arrows(wrong)
