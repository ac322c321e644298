"""The soak itself: home, database and service together, and at the end what the home did against what the database has."""

from __future__ import annotations

import json
import signal
import sys
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from subprocess import PIPE, Popen

import trio
from attrs import define, field

from ingest.config.home_assistant import HomeAssistant
from ingest.core.number import number
from scripts.benchmark.account import Failed
from scripts.benchmark.service import bare, tail
from scripts.soaking.database import Database
from scripts.soaking.days import acts
from scripts.soaking.home import SUBSCRIBED
from scripts.soaking.service import Life, Sample, Service
from tests.live.lab import end

EVERY = 5.0
"""Seconds between two samples."""

AFTER_START = 20.0
"""Seconds after which a new life is weighed."""

DOWN = 4.0
OUT = 40.0
"""Seconds that the home, and the database, are away; the latter a quarter of a day when that is less."""

SETTLING = 240.0
"""Seconds in which everything comes to rest when nothing happens any more and Home Assistant is heard again."""

LONGEST_RETRY = HomeAssistant().max_retry_delay


@define
class Compared:
    """The home's changes against the database's."""

    changes: int = 0
    stored: int = 0
    lost: list[str] = field(factory=list)
    wrong: list[str] = field(factory=list)
    invented: list[str] = field(factory=list)
    twice: list[str] = field(factory=list)


@define(eq=False)
class Soak:
    """So many seconds of it. `samples` are of the last life since `steady`; `met` counts what happened."""

    seconds: float
    day: float
    entities: int
    rate: float
    folder: Path
    database: Database
    say: Callable[[str], None]
    samples: list[Sample] = field(factory=list)
    lives: list[Life] = field(factory=list)
    met: Counter[str] = field(factory=Counter)
    settled: bool = False
    last: dict[str, float] = field(factory=dict)
    compared: Compared | None = None
    passed: float = 0.0
    _service: Service = field(init=False)
    _home: Popen[bytes] = field(init=False)
    _busy: trio.Lock = field(factory=trio.Lock)

    async def run(self) -> None:
        """All of it; whatever was started is ended. Raises `Failed`."""
        try:
            await self._run()
        finally:
            with trio.CancelScope(shield=True):
                if hasattr(self, "_service"):
                    await self._service.end()
                if hasattr(self, "_home"):
                    await trio.to_thread.run_sync(end, self._home)
                await self.database.stop()

    async def _run(self) -> None:
        (self.folder / "database").mkdir(exist_ok=True)
        await self.database.start()
        self._service = Service(await self._home_port(), self.database.url, self.folder)
        begun = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._sample)
            nursery.start_soon(self._progress, begun)
            await self._begin_life()
            for act in acts(self.seconds, self.day):
                await trio.sleep_until(begun + act.at)
                await getattr(self, f"_{act.what}")(nursery)
                self.met[act.what] += 1
            await trio.sleep_until(begun + self.seconds)
            self._tell({"kind": "rest"})
            self.passed = trio.current_time() - begun
            await self._settle()
            nursery.cancel_scope.cancel()
        self.compared = await self._compare()

    async def _home_port(self) -> int:
        command = [sys.executable, "-m", "scripts.soaking.home", str(self.entities), str(self.rate), str(self.folder)]
        with (self.folder / "home.log").open("wb") as out:
            self._home = Popen(command, stdin=PIPE, stdout=out, stderr=out, env=bare())  # noqa: ASYNC220  a moment
        with trio.fail_after(60):
            while not (self.folder / "port").exists():  # noqa: ASYNC110  a file has no event
                await trio.sleep(0.1)
        return int((self.folder / "port").read_text("ascii"))

    def _tell(self, what: dict[str, object]) -> None:
        assert self._home.stdin is not None
        self._home.stdin.write(json.dumps(what).encode() + b"\n")
        self._home.stdin.flush()

    # ---- what happens ------------------------------------------------------------------------------------------

    async def _begin_life(self) -> None:
        self.samples.clear()
        self._service.start()
        await self._service.subscribed()
        subscribed = trio.current_time() - self._service.begun
        await trio.sleep(min(AFTER_START, self.day / 4))
        if (found := await self._service.sample()) is not None:
            self.lives.append(Life(self._service.begun, subscribed, found.resident, found.on_disk))

    async def _restart(self, _: trio.Nursery) -> None:
        await trio.lowlevel.checkpoint()
        self._tell({"kind": "restart", "down": DOWN})

    async def _stop(self, _: trio.Nursery) -> None:
        if (code := await self._service.end()) != 0:
            raise Failed(f"asked to stop, the service ended with {code}:\n{tail(self.folder)}")
        await trio.sleep(DOWN)
        await self._begin_life()

    async def _kill(self, _: trio.Nursery) -> None:
        await self._service.end(signal.SIGKILL)
        await trio.sleep(DOWN)
        await self._begin_life()

    async def _outage(self, nursery: trio.Nursery) -> None:
        async def out() -> None:
            async with self._busy:
                await self.database.stop()
                await trio.sleep(min(OUT, self.day / 4))
                await self.database.start()

        nursery.start_soon(out)
        await trio.lowlevel.checkpoint()

    async def _cut(self, _: trio.Nursery) -> None:
        await trio.lowlevel.checkpoint()
        self._tell({"kind": "cut"})

    async def _move(self, _: trio.Nursery) -> None:
        await trio.lowlevel.checkpoint()
        self._tell({"kind": "move"})

    async def _reload(self, _: trio.Nursery) -> None:
        await trio.lowlevel.checkpoint()
        level = ("info", "warning")[self.met["reload"] % 2]
        (self.folder / "config.toml").write_text(f'[log]\nlevel = "{level}"\n', "utf-8")
        self._service.send(signal.SIGHUP)

    # ---- what is seen ------------------------------------------------------------------------------------------

    async def _sample(self) -> None:
        while True:
            await trio.sleep(EVERY)
            count = self._service.count
            found = await self._service.sample()
            if found is not None and count == self._service.count:
                self.samples.append(found)
                self.last = found.metrics or self.last
            if self._service.ended_by_itself:
                raise Failed(f"the service ended by itself:\n{tail(self.folder)}")

    async def _progress(self, begun: float) -> None:
        while True:
            await trio.sleep(60)
            self.passed = trio.current_time() - begun
            self.say(self.line())

    def line(self) -> str:
        """How it stands, in one line."""
        found = self.samples[-1] if self.samples else None
        memory = f"{found.resident / 2**20:.1f} MB, {found.files} files" if found else "between two lives"
        stored, waiting = (int(self.last.get(name, 0)) for name in (STORED, "homeiq_ingest_waiting_points"))
        what = ", ".join(f"{count} {name}" for name, count in sorted(self.met.items()))
        return f"{self.passed / 60:.0f} min: life {self._service.count}, {memory}, {stored:,} stored, {waiting:,} wait; {what}"

    async def _settle(self) -> None:
        """Until nothing waits and no gap is open. Who has not heard of Home Assistant's return does not know of a gap yet."""
        with trio.move_on_after(LONGEST_RETRY + SETTLING) as scope:
            while not (await self._service.metrics()).get("homeiq_ingest_subscribed"):  # noqa: ASYNC110  nor has a page
                await trio.sleep(2)
        if scope.cancelled_caught:
            return
        with trio.move_on_after(SETTLING):
            quiet = 0
            while quiet < 3:
                await trio.sleep(2)
                now = await self._service.metrics()
                self.last = now or self.last
                waits = now.get("homeiq_ingest_waiting_points", 1) + now.get('homeiq_ingest_gaps{state="open"}', 1)
                quiet = quiet + 1 if not waits and not now.get('homeiq_ingest_states_held{term="in_flight"}', 1) else 0
            self.settled = True

    async def _compare(self) -> Compared:
        held, numbers = await self.database.held()
        since, done = told(self.folder / "changes")
        found = Compared(stored=len(held))
        for key, series in held.items():
            if len(series) > 1 or sum(series.values()) > len(done.get(key, ())) > 0:
                found.twice.append(f"{key[0]} at {key[1]} ms: {done.get(key)}, stored {dict(series)}")
        for key, states in done.items():
            if key[1] * 1000 <= since:
                continue
            found.changes += 1
            if key not in held:
                found.lost.append(f"{key[0]} at {key[1]} ms: {states}")
                continue
            expected = {value for value in map(number, states) if value is not None}
            if expected and not numbers.get(key, set()) <= expected:
                found.wrong.append(f"{key[0]} at {key[1]} ms: {states}, stored {numbers.get(key)}")
            if expected and key not in numbers:
                found.wrong.append(f"{key[0]} at {key[1]} ms: {states}, stored without its number")
        found.invented += [f"{entity_id} at {at} ms" for entity_id, at in held if (entity_id, at) not in done]
        return found


STORED = 'homeiq_ingest_lifetime_states_total{term="stored"}'


def told(path: Path) -> tuple[int, dict[tuple[str, int], list[str]]]:
    """Since when somebody listened, in microseconds, and the states of every entity by milliseconds, one for each change."""
    since, found = 0, defaultdict[tuple[str, int], list[str]](list)
    with path.open(encoding="utf-8") as lines:
        for each in lines:
            entity_id, at, state = each.rstrip("\n").split("\t")
            if entity_id == SUBSCRIBED:
                since = int(at)
            else:
                found[entity_id, int(at) // 1000].append(state)
    return since, found
