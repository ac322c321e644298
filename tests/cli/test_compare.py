"""`compare`: two databases of the same home, and why they differ."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from click.testing import CliRunner, Result

from ingest.cli.exits import FAILED, UNEXPLAINED
from ingest.cli.main import main
from ingest.cli.moments import iso
from ingest.core.coverage import Cause
from ingest.core.state import nanoseconds
from ingest.edge.letter_file import Letter, Letters
from tests.edge.ledgers import KEY, ledger_in, opening
from tests.support.homes import TOKEN, Running, running_home
from tests.support.query_server import Databases, Point, query_server

SECOND = 10**9
NOW = datetime.now(UTC)
START = nanoseconds(NOW - timedelta(hours=2)) // SECOND * SECOND


def at(seconds: float) -> int:
    return START + round(seconds * SECOND) + 123_000


def watts(seconds: float, value: float, entity_id: str = "sensor.power", **fields: float | str) -> Point:
    return Point("W", entity_id, at(seconds), {"value": value, **fields})


BOTH = [watts(number * 10, number) for number in range(20)]


@pytest.fixture
def server() -> Iterator[Databases]:
    with query_server(ours=list(BOTH), theirs=list(BOTH)) as databases:
        yield databases


def compare(folder: Path, server: Databases, *arguments: str, more: str = "") -> Result:
    assert server.peer is not None
    config = folder / "config.toml"
    config.write_text(
        f'[influxdb]\nurl = "{server.peer.url}"\nbucket = "ours"\nschema = "homeassistant"\n'
        f'[spool]\npath = "state.db"\n[original]\nbucket = "theirs"\n{more}'
    )
    given = ["compare", "--config", str(config), "--since", "3h", *arguments]
    return CliRunner().invoke(main, given, env={"HOMEIQ_INGEST_CONFIG": "", "TZ": "UTC"})


def result(folder: Path, server: Databases, *arguments: str, more: str = "") -> dict[str, Any]:
    found = compare(folder, server, "--json", *arguments, more=more)
    assert found.exit_code in {0, 3}, found.output
    told: dict[str, Any] = json.loads(found.stdout.splitlines()[-1])
    assert bool(told["unexplained"]) == bool(found.exit_code)
    return told


def reasons(told: dict[str, Any], side: str) -> dict[tuple[str, str], int]:
    return {(each["reason"], each["about"]): each["points"] for each in told[side]}


def test_the_same_on_both_sides(tmp_path: Path, server: Databases) -> None:
    found = compare(tmp_path, server)
    assert found.exit_code == 0
    assert "the same in both" in found.stdout
    assert found.stdout.endswith("\nNothing of the original is missing here.\n")
    assert "Home Assistant was not asked what its recorder has: the configuration names none" in found.stdout
    told = result(tmp_path, server)
    assert (told["ours"]["points"], told["theirs"]["points"], told["same"]) == (20, 20, 20)


@pytest.mark.parametrize("step", [SECOND, SECOND // 1_000])
def test_a_quiet_home_whose_original_cuts_times(tmp_path: Path, server: Databases, step: int) -> None:
    """Its first minutes hold too few points to tell that their times are cut."""
    server.points["ours"] = [watts(number * 70.013579, number) for number in range(50)]
    cut = [evolve(point, time=point.time // step * step) for point in server.points["ours"]]
    server.points["theirs"] = cut
    told = result(tmp_path, server)
    assert (told["same"], told["only_ours"], told["only_theirs"]) == (50, [], [])


def test_a_span_that_begins_and_ends_within_a_second(tmp_path: Path, server: Databases) -> None:
    server.points["ours"] = [watts(number * 10 + 0.7, number) for number in range(20)]
    cut = [evolve(point, time=point.time // SECOND * SECOND) for point in server.points["ours"]]
    server.points["theirs"] = cut
    for within in (0.3, 0.9):
        begin, end = (iso(at(seconds + within)) for seconds in (50, 150))
        told = result(tmp_path, server, "--since", begin, "--until", end)
        assert (told["same"], told["only_ours"], told["only_theirs"]) == (10, [], [])


def test_what_only_one_side_holds_and_what_differs(tmp_path: Path, server: Databases) -> None:
    server.points["ours"] += [
        watts(15, 5),
        Point("light.a", "light.a", at(20), {"state": "unavailable"}),
        Point("light.never", "light.never", at(25), {"state": "on", "value": 1.0}),
        *(watts(300 + number, number) for number in range(5)),
        watts(500, 1, day_str="2026-11-23", cold_str="-5.5 °C", cold=-5.5, model_str="a"),
    ]
    server.points["theirs"] += [
        watts(16, 5),
        watts(17, 5, "camera.b"),
        watts(500, 1, day_str="2026-11-23", day=20261123.0, cold_str="-5.5 °C", cold=5.5, access_token_str="geheim"),
    ]
    rules = '[filter]\npatterns = [{domain = "camera"}]\n'
    told = result(tmp_path, server, more=rules)
    assert reasons(told, "only_ours") == {
        ("silent", ""): 5,
        ("absent", ""): 1,
        ("lost", ""): 1,
        ("their_filter", ""): 1,
    }
    assert reasons(told, "only_theirs") == {("rule", "pattern 1: domain=camera"): 1, ("missing", ""): 1}
    assert reasons(told, "fields") == {
        ("digits", "day"): 1,
        ("digits", "cold"): 1,
        ("secret", "access_token_str"): 1,
        ("other", "model_str"): 1,
    }
    assert told["unexplained"] == 2
    assert [each["changes"] for each in told["silences"]] == [5]
    text = compare(tmp_path, server, more=rules).stdout
    assert "! missing here, and nothing says why; 1 entity" in text
    assert "cold: here -5.5, there 5.5" in text
    assert "access_token_str: here nothing, there ********" in text
    assert "The original wrote nothing at all" in text
    assert "geheim" not in text


def test_every_point_on_a_line(tmp_path: Path, server: Databases) -> None:
    server.points["ours"].append(watts(15, 5, model_str="x"))
    server.points["theirs"].append(watts(15, 5, token=7.0))
    lines = compare(tmp_path, server, "--all").stdout.splitlines()
    assert "sensor.power  5  another attribute (model_str)" in lines[0]
    assert lines[0].startswith("both    ")
    first = json.loads(compare(tmp_path, server, "--all", "--json").stdout.splitlines()[0])
    assert first["fields"] == {
        "model_str": {"ours": "x", "theirs": None},
        "token": {"ours": None, "theirs": "********"},
    }
    assert [each["explained"] for each in first["reasons"]] == [False, True]


def test_what_the_state_file_knows(tmp_path: Path, server: Databases) -> None:
    server.points["theirs"] += [watts(number, 1, f"sensor.{number}") for number in (201, 301, 401, 501, 601)]
    state = tmp_path / "state.db"
    with ledger_in(state) as ledger:
        ledger.open_gap(opening(at(300), at(310), "301", cause=Cause.STOPPED))
        ledger.connection.execute(
            "INSERT INTO coverage (home, store, since_ns, heard_ns, stopped) VALUES (?, ?, ?, ?, 0)",
            (KEY.home, KEY.store, at(-5), at(700)),
        )
        lines = (f"W,domain=sensor,entity_id=401 value=1 {at(401)}", f"m,entity_id=sensor.501 value=1 {at(501)}")
        letters = Letters(ledger.connection, state)
        letters.add([Letter(0, KEY.home, KEY.store, 0, line, "no") for line in (*lines, "{}")])
        ledger.connection.execute(
            "INSERT INTO batch (home, store, put_ns, oldest_ns, newest_ns, count, size, payload)"
            " VALUES (?, ?, 0, ?, ?, 1, 1, x'00')",
            (KEY.home, KEY.store, at(600), at(602)),
        )
    server.points["theirs"].append(watts(-100, 1))
    told = result(tmp_path, server)
    assert reasons(told, "only_theirs") == {
        ("missing", ""): 1,
        ("before", ""): 1,
        ("gap", "gap 1: the service was stopped"): 1,
        ("refused", ""): 2,
        ("waits", ""): 1,
    }


def test_our_side_may_have_the_schema_homeiq(tmp_path: Path, server: Databases) -> None:
    def homeiq(point: Point) -> Point:
        fields = {"value": point.fields["value"], "state_value": f"{point.fields['value']}", "kind": "changed"}
        return Point("home_assistant_events", point.entity_id, point.time, fields)

    server.points["ours"] = [homeiq(each) for each in BOTH[1:]]
    told = result(tmp_path, server, "--set", "influxdb.schema=homeiq")
    assert (told["same"], told["ours"]["points"]) == (19, 19)
    assert reasons(told, "only_theirs") == {("missing", ""): 1}
    # What a rule puts into a measurement of its own is not missing.
    server.points["ours"] = [evolve(each, measurement="energy") for each in server.points["ours"]]
    told = result(
        tmp_path,
        server,
        "--set",
        "influxdb.schema=homeiq",
        more='[filter]\noverrides = [{domain = "sensor", measurement = "energy"}]\n',
    )
    assert (told["same"], told["ours"]["points"]) == (19, 19)


def test_what_the_registries_say_of_entities_is_no_point_of_theirs(tmp_path: Path, server: Databases) -> None:
    tags = {"entity_id": "sensor.power", "domain": "sensor"}
    server.points["ours"].append(Point("entities", "sensor.power", at(100), {"unique_id": "u"}, tags))
    told = result(tmp_path, server)
    assert (told["ours"]["points"], told["only_ours"]) == (20, [])


def test_the_other_side_is_said_on_the_command_line(tmp_path: Path, server: Databases) -> None:
    token = tmp_path / "token"
    token.write_text("user:password")
    assert server.peer is not None
    server.points["third"] = list(BOTH)
    told = result(tmp_path, server, "--with", "third")
    assert told["theirs"]["bucket"] == "third"
    url = server.peer.url.replace("localhost", "127.0.0.1")
    told = result(tmp_path, server, "--with", f"{url}/third", "--with-token-file", str(token))
    assert told["theirs"] == {"url": url, "bucket": "third", "points": 20}
    assert server.peer.requests[-1].headers["authorization"] == "Token user:password"


def test_nothing_is_looked_for_in_what_is_to_come(tmp_path: Path, server: Databases) -> None:
    told = result(tmp_path, server, "--until", "9999-12-31")
    assert datetime.fromisoformat(told["to"]) <= datetime.now(UTC)
    assert told["theirs"]["points"] == 20


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--set", "store.kind=embedded"), "what is stored here is in no database"),
        (("--with", "ours"), "both sides are the same bucket"),
        (("--with", "none"), "database not found: none"),
        (("--set", "original.bucket="), "it is not said where the original writes"),
        (("--until", "2h30m"), "neither a duration"),
        (("--since", "2999-01-01"), "lies in the future"),
        (("--until", "5h"), "there is nothing between --since and --until"),
        (("--since", "1m"), "the original has written nothing in that time"),
    ],
)
def test_what_cannot_be_compared(tmp_path: Path, server: Databases, arguments: tuple[str, ...], said: str) -> None:
    found = compare(tmp_path, server, *arguments)
    assert found.exit_code == 2
    assert said in found.output.replace("\n", " ")


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ("influx.lan:8086/ha", "does not start with http:// or https://"),
        ("http://user:geheim@127.0.0.1:9/ha", "holds a user or password"),
        ("http://127.0.0.1:9/?token=geheim/ha", "ends in a query"),
        ("http://127.0.0.1:9/query?u=a&p=geheim", "ends in a query"),
        ("http:///ha", "names no host"),
    ],
)
def test_where_the_original_writes_is_an_address_as_of_the_setting(
    tmp_path: Path, server: Databases, other: str, said: str
) -> None:
    found = compare(tmp_path, server, "--with", other)
    assert (found.exit_code, found.stdout) == (2, "")
    assert "--with" in found.stderr
    assert said in " ".join(found.stderr.split())
    assert "geheim" not in found.stderr


def test_a_database_that_is_away_is_no_difference(tmp_path: Path, server: Databases) -> None:
    found = compare(tmp_path, server, "--set", "influxdb.url=http://127.0.0.1:9")
    assert found.exit_code == FAILED != UNEXPLAINED
    assert "cannot be reached" in found.stderr


@pytest.fixture
def home() -> Iterator[Running]:
    with running_home(5, timedelta(0)) as running:
        yield running


def test_home_assistant_is_asked_whether_its_recorder_has_it(tmp_path: Path, server: Databases, home: Running) -> None:
    (tmp_path / "ha-token").write_text(TOKEN)
    ((entity_id, time_ns),) = home.change(["sensor.last"], "5")
    server.points["theirs"] += [
        Point("W", entity_id, time_ns, {"value": 5.0}),
        Point("W", entity_id, time_ns + 7_000, {"value": 6.0}),
    ]
    more = f'[home_assistant]\nurl = "{home.url}"\ntoken_file = "ha-token"\n'
    until = (datetime.now(UTC) + timedelta(seconds=5)).isoformat()
    time.sleep(1 - time.time() % 1)  # whole seconds are compared, and this one is over then
    told = result(tmp_path, server, "--until", until, more=more)
    (missing,) = told["only_theirs"]
    assert (missing["reason"], missing["points"], missing["asked"], missing["recorded"]) == ("missing", 2, 2, 1)
    assert told["home_not_asked"] == ""
    text = compare(tmp_path, server, "--until", until, more=more).stdout
    assert "of 2 that Home Assistant's recorder was asked for it has 1" in text
    assert "in Home Assistant's recorder" in compare(tmp_path, server, "--all", "--until", until, more=more).stdout
    told = result(tmp_path, server, "--until", until, "--no-home", more=more)
    assert told["home_not_asked"] == "it was not wanted"
    told = result(tmp_path, server, "--until", until, more=more.replace(home.url, "http://127.0.0.1:1"))
    assert "127.0.0.1:1" in told["home_not_asked"]
