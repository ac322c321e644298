"""An import: a home with a past, the service, and how fast what it remembers is stored."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import DEVNULL

import trio
from attrs import frozen

from ingest.simulator.history import Row
from ingest.simulator.home import Home
from ingest.simulator.values import DAY, SECOND, State, encode, micros
from scripts.benchmark.account import Account, Failed, Mark, Sample
from scripts.benchmark.runs import Opener, serving, stage
from scripts.benchmark.service import SECRETS, bare, service
from scripts.benchmark.stores import Store

DAYS = 10

WARM = 0.1
"""The part of the states that is not measured: windows grow until they hold what one answer should."""

DEADLINE = 300.0
"""Seconds for one import."""

CONTEXT = "01ABCDEFGHJKMNPQRSTVWXYZ00"


@frozen
class Past:
    """What the home remembers: so many states of so many entities, evenly over ten days."""

    entities: int
    states: int

    @property
    def imported(self) -> int:
        """How many states come of the history: of each entity the last one is in the snapshot."""
        return self.entities * (self.states - 1)

    def home(self) -> Home:
        """A home with that past, which stands still from now on."""
        now = datetime.now(UTC)
        home = Home(1, 1, now, history=timedelta(0))
        home.past.keep = 2 * DAYS * DAY
        first, last = micros(now - timedelta(days=DAYS)) + 60 * SECOND, micros(now) - 120 * SECOND
        step = (last - first) // self.states
        for number in range(self.entities):
            key = f"sensor.import_{number:04}"
            attributes = encode({"unit_of_measurement": "W", "device_class": "power", "friendly_name": key})
            for each in range(self.states):
                at = first + each * step + number
                home.states[key] = State(key, f"{each * 7 % 997 / 10}", attributes, at, at, CONTEXT)
                home.past.record(key, Row(at, home.states[key]))
        return home


@frozen
class Imported:
    """What came of it: the rate and processor time, and resident bytes at most."""

    sample: Sample
    peak: int


async def imported(past: Past, opener: Opener) -> Imported:
    """Import everything. Raises `Failed` unless every state is stored, once."""
    home = past.home()
    async with stage(past.entities, home, DEADLINE) as scene, serving(scene, opener) as (process, store, account):
        await scene.peer.subscribed()
        before = await _reached(account, scene.peer.states)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_backfill, scene.port, scene.folder, store)
            begun = await _reached(account, before.events + round(past.imported * WARM))
            ended = await _reached(account, before.events + past.imported)
        check_import(past, home, store)
        sample = account.sample(begun if begun.events < ended.events else before, ended)
        return Imported(sample, process.memory()[1])


async def _reached(account: Account, count: int) -> Mark:
    await account.acknowledged.until(lambda known: known >= count)
    return account.mark()


async def _backfill(port: int, folder: Path, store: Store) -> None:
    command = service(port, folder, store.settings, "backfill", "--since", f"{DAYS + 1}d")
    done = await trio.run_process(command, capture_stderr=True, check=False, env={**bare(), **SECRETS}, stdout=DEVNULL)
    if done.returncode:
        raise Failed(f"backfill ended with {done.returncode}:\n{done.stderr.decode()}")


def check_import(past: Past, home: Home, store: Store) -> None:
    """Raise `Failed` unless the store holds every state that the home remembers, once."""
    names = (f"sensor.import_{number:04}" for number in range(past.entities))
    expected = Counter(row.at * 1000 for name in names for row in home.past.rows(name))
    stored = Counter(time for time in store.times() if time in expected)
    if stored != expected:
        lost, more = (expected - stored).total(), (stored - expected).total()
        raise Failed(f"of {expected.total():,} states {lost:,} are not stored, and {more:,} are stored twice")
