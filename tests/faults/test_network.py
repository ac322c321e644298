"""The service between two bad lines: one to Home Assistant, one to the database.

`STORM` is how many faults a storm has: `STORM=500 nox -s faults -- -k storm`; another `SEED`, another storm.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from attrs import frozen

from ingest.simulator.client import Client
from tests.faults.campaign.database import key_of
from tests.faults.proxy import WEATHERS, Proxy, Weather, proxy
from tests.faults.service import Service, place
from tests.faults.sink import Sink, sinking, wait_for
from tests.faults.test_kill import NOTHING_LOST, check_doubles, lost
from tests.support.homes import Running, running_home

pytestmark = pytest.mark.slow

STORM = int(os.environ.get("STORM", "12"))
SEED = int(os.environ.get("SEED", "1"))
BURST = 200
BAD = tuple(weather for weather in WEATHERS if weather != "fair")
QUICK = (
    "home_assistant.max_retry_delay=1s",
    "home_assistant.connect_timeout=2s",
    "home_assistant.auth_timeout=2s",
    "home_assistant.ping_interval=0.5s",
    "home_assistant.pong_timeout=1s",
    "log.level=info",
    "api.enabled=false",
)
PATIENCE = 90.0
"""Seconds within which everything has recovered: backoffs are drawn, and a half-open write waits for its timeout."""


@frozen
class Scene:
    """A service, and the two lines it depends on."""

    home: Running
    sink: Sink
    to_home: Proxy
    to_sink: Proxy
    service: Service

    def line(self, name: str) -> Proxy:
        return self.to_home if name == "home" else self.to_sink

    def listeners(self) -> set[Client]:
        """Who Home Assistant would send changes to. Not the log: of a line that comes and goes it does not tell each time."""
        return set(self.home.do(lambda: self.home.server.clients("live")))

    def subscriptions(self) -> int:
        """How many times Home Assistant would send each change."""
        clients = self.listeners()
        return sum([*client._conversation.subscriptions.values()].count("state_changed") for client in clients)

    def stored(self) -> set[tuple[str, int]]:
        """Entities and times of everything the sink took."""
        with self.sink._lock:
            lines = [*self.sink.lines]
        return {key_of(line) for line in lines}

    def proof(self, name: str) -> None:
        """What changes now is stored soon."""
        wanted: set[tuple[str, int]] = set()

        def arrived() -> bool:
            nonlocal wanted
            if not wanted and self.subscriptions():
                wanted = self.home.change([f"sensor.{name}_{number:04}" for number in range(BURST)], "on")
            return bool(wanted) and wanted <= self.stored()

        wait_for(arrived, PATIENCE)


@contextmanager
def scene(folder: Path) -> Iterator[Scene]:
    """When the block is left the service is stopped, and everything is counted."""
    with ExitStack() as stack:
        home = stack.enter_context(running_home(200, timedelta(minutes=5), speed=30, remember=True))
        sink = stack.enter_context(sinking())
        to_home, to_sink = stack.enter_context(proxy(home.port)), stack.enter_context(proxy(sink.port))
        where = place(folder, to_home.url, to_sink.url)
        where.changes = QUICK
        service = stack.enter_context(where.service())
        service.wait("Connected")
        made = Scene(home, sink, to_home, to_sink, service)
        yield made
        for line in (to_home, to_sink):
            line.become("fair")
        calm(made)
        check(made, service.stop())


def calm(made: Scene) -> None:
    """Begin anew on good lines; half-open connections end, and one session is there, once."""
    before = made.listeners()
    made.to_home.reset()
    made.to_sink.reset()
    wait_for(lambda: made.listeners() - before, PATIENCE)
    made.proof("calm")
    assert made.subscriptions() == 1


def check(made: Scene, books: dict[str, int]) -> None:
    """Everything that came in is stored, once, and is what the home did."""
    assert lost(books) == NOTHING_LOST
    assert len(made.sink.lines) == books["stored"]
    check_doubles(made.sink)
    truth = {(change.entity_id, change.fired * 1000) for change in made.home.server.home.truth()}
    assert made.stored() <= truth


@pytest.mark.parametrize("which", ["home", "sink"])
def test_whatever_a_line_does_it_recovers_and_nothing_is_lost(tmp_path: Path, which: str) -> None:
    with scene(tmp_path) as made:
        line = made.line(which)
        for weather in BAD:
            line.become(weather)
            made.home.change(["sensor.now"], weather)
            wait_for(partial(line.met.__getitem__, weather))
            time.sleep(0.7)
            line.become("fair")
            if weather == "swallow" and which == "sink":
                line.reset()  # else a write waits for its timeout of 30 s: a test of its own
            made.proof(weather.replace(" ", "_"))


def test_a_write_whose_answer_is_lost_is_sent_again_byte_for_byte(tmp_path: Path) -> None:
    with scene(tmp_path) as made:
        made.to_sink.become("cut answer")
        wait_for(lambda: made.to_sink.met["cut answer"] >= 4)
        made.to_sink.become("fair")
        made.proof("again")
        assert made.sink.lines.total() > len(made.sink.lines)


@pytest.mark.skipif("STORM" not in os.environ, reason="waits half a minute for a socket's timeout: STORM=50")
def test_a_half_open_line_to_the_database_is_given_up_by_itself(tmp_path: Path) -> None:
    with scene(tmp_path) as made:
        made.to_sink.become("swallow")
        wait_for(lambda: made.to_sink.met["swallow"])
        made.to_sink.become("fair")
        made.proof("half_open")
        assert any("cannot be reached" in report["reason"] for report in made.service.reports("StoreWaiting"))


def test_a_storm_of_faults_loses_nothing(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    chance = random.Random(SEED)
    with scene(tmp_path) as made:
        for _ in range(STORM):
            storms: list[tuple[Proxy, Weather]] = [
                (line, chance.choice(BAD)) for line in (made.to_home, made.to_sink) if chance.random() < 0.7
            ]
            for line, weather in storms:
                line.become(weather)
            end = time.monotonic() + chance.uniform(0.05, 1.0)
            while time.monotonic() < end:
                made.home.change([f"sensor.storm_{chance.randrange(50)}"], f"{chance.random()}")
                time.sleep(0.005)
            for line, weather in storms:
                line.become("fair")
                if weather == "swallow" and line is made.to_sink:
                    line.reset()
            time.sleep(chance.uniform(0.05, 1.5))
        for line in (made.to_home, made.to_sink):
            record_property(f"met on port {line.port}", dict(line.met))
    record_property("sent again", made.sink.lines.total() - len(made.sink.lines))
    record_property("stored", len(made.sink.lines))
