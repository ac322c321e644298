"""`statistics`, from a simulated home with a long past into a database over real HTTP."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trio
from click.testing import CliRunner, Result

from ingest.actors.history import History
from ingest.cli import statistics as module
from ingest.cli.main import main
from ingest.config.settings import Settings
from ingest.core.homeiq import homeiq
from ingest.core.state import HOUR_NS
from ingest.core.statistics import COMMAND, Statistic
from ingest.core.store import Batch, Delivered, Keep, Rejection, Store, Verdict
from ingest.plan import Destination
from ingest.simulator.history import Past, Row
from ingest.simulator.home import Home
from ingest.simulator.values import DAY, SECOND, State, encode, micros
from tests.cli.test_copy import Database
from tests.cli.test_copy import database as database  # noqa: PLC0414  a fixture
from tests.cli.test_run import configuration
from tests.support.homes import Running, running_home
from tests.support.marked import secret

DAYS = 40
KEYS = ("sensor.long_power", "sensor.long_heat", "sensor.long_meter")


def remember(home: Home) -> None:
    """Give the home sensors that changed once a day for forty days, at noon."""
    home.past.keep = 2 * DAYS * DAY
    now = micros(datetime.now(UTC))
    for key in KEYS:
        kind = "total_increasing" if key.endswith("meter") else "measurement"
        attributes = encode({"state_class": kind, "unit_of_measurement": "W", "device_class": key.rpartition("_")[2]})
        for day in range(DAYS, 0, -1):
            at = now - day * DAY + 60 * SECOND
            home.states[key] = State(key, str(DAYS - day), attributes, at, at, "c")
            home.past.record(key, Row(at, home.states[key]))


@pytest.fixture
def home() -> Iterator[Running]:
    with running_home(12, timedelta(0)) as running:
        running.do(lambda: remember(running.server.home))
        yield running


def command(home: Running, folder: Path, database: Database | None, *arguments: str, more: str = "") -> Result:
    config = configuration(folder, home.url, more)
    sets: list[str] = []
    if database is not None:
        (folder / "influx-token").touch(mode=0o600)
        (folder / "influx-token").write_text(secret("influxdb"))
        sets = [
            f"influxdb.url={database.url}",
            f"influxdb.token_file={folder / 'influx-token'}",
            "influxdb.create_bucket=false",
        ]
    options = [word for each in sets for word in ("--set", each)]
    return CliRunner().invoke(main, ["statistics", "--config", str(config), *options, *arguments])


class Once(dict[str, tuple[str, str]]):
    """Errors that a home answers with once."""

    def get(self, key: str, default: object = None) -> Any:
        return self.pop(key, default)


LINE = re.compile(
    rb"home_assistant_statistics,registry_id=([\w.]+),source=recorder,statistic_id=(sensor\.\w+) "
    rb'((?:mean|min|max|state|sum)=[\d.e+-]+,)+unit="W" (\d+)'
)


def test_hours_of_weeks_are_stored_and_again_they_are_the_same(
    home: Running, database: Database, tmp_path: Path
) -> None:
    dry = command(home, tmp_path, database, "--since", "2y", "--entities", "sensor.long_*", "--dry-run")
    assert (dry.exit_code, dry.stdout) == (0, "Nothing was written.\n"), dry.output
    assert re.match(
        r"3 statistics \(2 with a mean, 1 with a sum\), from 20.* to 20.*: 52,560 hours at most\.", dry.stderr
    )
    assert database.lines == []
    result = command(home, tmp_path, database, "--since", "2y", "--entities", "sensor.long_*")
    assert result.exit_code == 0, result.output
    found = [LINE.fullmatch(line) for line in database.lines]
    assert all(found)
    points = {(match[2], int(match[4])) for match in found if match}
    assert len(points) == len(found)
    assert {key.decode() for key, _ in points} == set(KEYS)
    times = sorted(at for key, at in points if key == b"sensor.long_power")
    assert times == list(range(times[0], times[0] + len(times) * HOUR_NS, HOUR_NS))
    assert len(times) in {DAYS * 24 - 1, DAYS * 24}
    assert result.stdout == f"{len(found):,} hours of 3 statistics stored in {database.url}\n"
    assert "%, 0 hours\n" in result.stderr
    before, database.lines = database.lines, []
    assert command(home, tmp_path, database, "--since", "2y", "--entities", "sensor.long_*").exit_code == 0
    assert set(before) <= set(database.lines)
    assert not (tmp_path / "state.db").exists()


def test_since_ever_is_since_1970(home: Running, database: Database, tmp_path: Path) -> None:
    dry = command(home, tmp_path, database, "--since", "1000y", "--entities", "sensor.long_*", "--dry-run")
    assert (dry.exit_code, dry.stdout) == (0, "Nothing was written.\n"), dry.output
    assert ", from 1970-01-01 " in dry.stderr


def test_what_the_rules_leave_out_is_left_out(home: Running, database: Database, tmp_path: Path) -> None:
    rules = '[[filter.patterns]]\ndevice_class = "heat"\n\n[[filter.patterns]]\nentity_id = "sensor.long_m*"\n'
    result = command(home, tmp_path, database, "--since", "40d", "--entities", "sensor.long_*", more=rules)
    assert result.exit_code == 0, result.output
    assert "of 1 statistics stored" in result.stdout
    assert all(b"sensor.long_power" in line for line in database.lines)


def test_registered_entities_carry_their_id_for_life(home: Running, database: Database, tmp_path: Path) -> None:
    def lived() -> str:
        world = home.server.home
        entry = next(
            each
            for each in world.registry.entities.values()
            if each.kind.registered
            and each.kind.domain == "sensor"
            and "state_class" in world.states[each.entity_id].attributes.decode()
        )
        at = micros(datetime.now(UTC)) - 3 * 3600 * SECOND
        state = world.states[entry.entity_id]._replace(state="5", changed=at, updated=at)
        world.past = Past(DAY)
        world.past.record(entry.entity_id, Row(at, state))
        return str(world.registry.extended(entry)["id"])

    registry_id = home.do(lived)
    result = command(home, tmp_path, database, "--since", "1d")
    assert result.exit_code == 0, result.output
    assert any(f"registry_id={registry_id},".encode() in line for line in database.lines)


def test_what_an_integration_brought_is_named_like_an_entity(
    home: Running, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def brought(_: History) -> list[Statistic]:
        await trio.lowlevel.checkpoint()
        return [Statistic("tibber:home", "tibber", "kWh", mean=False, total=True)]

    monkeypatch.setattr(module, "listed", brought)
    dry = ("--since", "2d", "--dry-run")
    assert "1 statistics" in command(home, tmp_path, database, *dry, "--entities", "tibber:*").stderr
    assert "no statistics" in command(home, tmp_path, database, *dry, "--entities", "sensor.*").stdout
    rule = '[[filter.patterns]]\nentity_id = "tibber:*"\n'
    assert "no statistics" in command(home, tmp_path, database, *dry, more=rule).stdout
    assert "1 statistics" in command(home, tmp_path, database, *dry, more=f'[filter]\nmode = "include"\n{rule}').stderr
    assert "no statistics" in command(home, tmp_path, database, *dry, more='[filter]\nmode = "include"\n').stdout


def test_a_store_of_numbers_gets_no_unit(home: Running, database: Database, tmp_path: Path) -> None:
    only = ("--since", "2d", "--entities", "sensor.long_power", "--set", "influxdb.numeric_only=true")
    assert command(home, tmp_path, database, *only).exit_code == 0
    assert database.lines
    assert not any(b"unit=" in line for line in database.lines)


def test_nothing_older_than_the_bucket_keeps_is_asked_for(home: Running, database: Database, tmp_path: Path) -> None:
    result = command(
        home, tmp_path, database, "--since", "40d", "--entities", "sensor.long_power", "--set", "influxdb.retention=2d"
    )
    assert result.exit_code == 0, result.output
    assert "influxdb.retention" in result.stderr
    assert 40 <= len(database.lines) <= 48


def test_nothing_that_is_called_so_is_said(home: Running, database: Database, tmp_path: Path) -> None:
    result = command(home, tmp_path, database, "--since", "40d", "--entities", "light.*")
    assert (result.exit_code, result.stdout) == (0, "Home Assistant has no statistics of what was asked for.\n")


def test_without_a_database_it_says_what_to_do(home: Running, tmp_path: Path) -> None:
    result = command(home, tmp_path, None, "--since", "40d")
    assert result.exit_code == 2
    assert "embedded store has no place" in result.stderr
    assert "influxdb.url" in result.stderr


def test_a_database_that_refuses_the_token_is_named(home: Running, database: Database, tmp_path: Path) -> None:
    database.room = 0
    result = command(home, tmp_path, database, "--since", "40d", "--entities", "sensor.long_power")
    assert result.exit_code == 2
    assert "token" in result.stderr
    assert secret("influxdb") not in result.output


def test_a_home_without_registries_is_not_guessed_at(home: Running, database: Database, tmp_path: Path) -> None:
    home.do(lambda: home.server.instance.mood.errors.update({"config/area_registry/list": ("unknown_error", "no")}))
    result = command(home, tmp_path, database, "--since", "40d", "--set", "home_assistant.registry_wait=1s")
    assert result.exit_code == 1
    assert "the registries could not be read" in result.stderr
    assert database.lines == []


def test_who_is_waited_for_and_what_is_refused_is_said(
    home: Running, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    verdicts: list[Verdict] = [Keep("too busy", 0.1), Delivered((Rejection("the line", "odd"),))]

    @asynccontextmanager
    async def opened(_: Settings) -> AsyncGenerator[Destination]:
        yield Destination(Store("database", homeiq(), deliver), "the database")

    async def deliver(_: Batch[bytes]) -> Verdict:
        await trio.lowlevel.checkpoint()
        return verdicts.pop(0) if verdicts else Delivered()

    monkeypatch.setattr(module, "opened_database", opened)
    once = Once({COMMAND: ("unknown_error", "not now")})
    home.do(lambda: setattr(home.server.instance.mood, "errors", once))
    result = command(home, tmp_path, database, "--since", "3d", "--entities", "sensor.long_power")
    assert result.exit_code == 0, result.output
    assert "s for Home Assistant: recorder/statistics_during_period: not now" in result.stderr
    assert "s for the database: too busy" in result.stderr
    assert "refused: odd: the line" in result.stderr
    assert re.fullmatch(r"\d+ hours of 1 statistics stored in the database, 1 refused\n", result.stdout)


@pytest.mark.parametrize("since", ["soon", "2999-01-01"])
def test_a_time_that_will_not_do_is_refused(since: str) -> None:
    assert CliRunner().invoke(main, ["statistics", "--since", since]).exit_code == 2
