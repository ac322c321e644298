"""Exact verdicts by a real database: what it refuses is a dead letter with its words, and nothing else is.

The real commands, state file, spool, writer and letters: `spool replay` delivers as the running service does.
"""

from __future__ import annotations

import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import frozen
from msgspec.structs import replace

from ingest.core.homeiq import MEASUREMENT, Encoder
from ingest.core.influx_answer import CHECK_BUCKET, Answer, check_token
from ingest.core.point import Attributes
from ingest.core.sealing import seal
from ingest.core.secret import Secret
from ingest.core.state import Context
from ingest.core.store import Batch, Delivered
from ingest.edge.influx import Address, open_influx
from ingest.edge.influx_deliver import Deliverer
from ingest.edge.spool_succession import insert
from ingest.edge.sqlite import transaction
from ingest.runtime.lane import ThreadLane
from tests.cli.stores import DAY, NOON, S, temperature
from tests.cli.waiting import KEY, letters, opened, waiting_lines
from tests.live import servers
from tests.live.servers import Database
from tests.live.test_servers import fresh_bucket, write

pytestmark = pytest.mark.live

FULL = 5_000
OF_AN_AUTOMATION = (17, 2_500, 4_998)
CONFLICT = 'input field "context_parent_id" on measurement "home_assistant_events" is type string, already exists as type float'
SPOILT: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "its value is missing": (lambda line: line.replace(b",value=", b",value=,x="), "missing field value"),
    "it is cut off": (lambda line: line[: line.index(b"unit_of")], "unbalanced quotes"),
}


def home(start: int = NOON) -> list[bytes]:
    """A full batch, one point a second. Three have the field that another writer used with another type."""
    encoder = Encoder()
    points = [temperature(start + number * S, 20 + number / 64, f"sensor.n{number % 50}") for number in range(FULL)]
    for number in OF_AN_AUTOMATION:
        points[number] = replace(points[number], context=Context("01M8", "01M7", None))
    return [encoder.line(point) for point in points]


@frozen
class Installation:
    """A folder with a configuration, a token and a state file."""

    folder: Path
    database: Database

    @property
    def state(self) -> Path:
        return self.folder / "state.db"

    def spool(self, lines: list[bytes]) -> None:
        """Let a batch wait, as the batcher seals it."""
        batch = Batch(seal(lines), len(lines), sum(map(len, lines)), NOON, NOON + len(lines) * S)
        with opened(self.state) as connection, transaction(connection):
            insert(connection, KEY, batch, NOON)

    def run(self, *arguments: str, bucket: str, token: str | None = None) -> subprocess.CompletedProcess[str]:
        """A command of ours in a process of its own."""
        secret = self.folder / "db-token"
        secret.touch(mode=0o600)
        secret.write_text(self.database.token if token is None else token, "utf-8")
        sets = {
            "influxdb.url": self.database.url, "influxdb.org": self.database.org, "influxdb.bucket": bucket,
            "influxdb.token_file": secret, "influxdb.create_bucket": "false", "spool.path": self.state,
        }  # fmt: skip
        command = [sys.executable, "-m", "ingest", *arguments]
        command += [word for name, value in sets.items() for word in ("--set", f"{name}={value}")]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def times(self, bucket: str) -> list[int]:
        return [row.time for row in self.database.read(bucket, MEASUREMENT)]


@pytest.fixture
def here(tmp_path: Path, influxdb: Database) -> Installation:
    return Installation(tmp_path, influxdb)


def at(line: bytes) -> int:
    return int(line.rpartition(b" ")[2])


def summary(stored: int, refused: int, where: str) -> str:
    return f"{stored:,} points stored in {where}, {refused:,} refused, 0 still wait.\n"


@pytest.mark.parametrize("how", SPOILT)
def test_of_5000_lines_4996_are_stored_4_are_letters_and_after_mending_the_conflicts_are_stored_too(
    here: Installation, how: str
) -> None:
    """What is malformed cannot be mended: it is refused again, or is no line that could be sent, and keeps its reason."""
    spoil, words = SPOILT[how]
    bucket, sent, database = fresh_bucket(here.database), home(), here.database
    # Another writer was here first: a shard's types are those of its first point.
    assert write(database, bucket, f"{MEASUREMENT},writer=other context_parent_id=7 {NOON - S}").status_code == 204
    bad = sent[3_000] = spoil(sent[3_000])
    conflicts = [sent[number] for number in OF_AN_AUTOMATION]
    good = [line for line in sent if line not in {bad, *conflicts}]
    here.spool(sent)

    replay = here.run("spool", "replay", bucket=bucket)
    assert (replay.returncode, replay.stdout) == (0, summary(4_996, 4, database.url)), replay.stderr
    assert here.times(bucket) == [NOON - S, *map(at, good)]
    assert waiting_lines(here.state) == []
    reasons = dict(letters(here.state))
    assert set(reasons) == {line.decode() for line in (bad, *conflicts)}
    assert words in reasons[bad.decode()]
    assert all(CONFLICT in reasons[line.decode()] for line in conflicts)

    mended = fresh_bucket(database)
    retry = here.run("dead-letters", "retry", "--all", bucket=mended)
    assert retry.returncode == 0, retry.stderr
    again = here.run("spool", "replay", bucket=mended)
    assert again.returncode == 0, again.stderr
    assert here.times(mended) == list(map(at, conflicts))
    assert [line for line, reason in letters(here.state) if words in reason] == [bad.decode()]
    assert len(letters(here.state)) == 1
    assert waiting_lines(here.state) == []


def test_a_conflict_in_one_shard_condemns_no_line_of_another(here: Installation) -> None:
    bucket = fresh_bucket(here.database)
    write(here.database, bucket, f"{MEASUREMENT},writer=other context_parent_id=7 {NOON - S}")
    first, second = home(), home(NOON + 60 * DAY)
    here.spool(first)
    here.spool(second)
    replay = here.run("spool", "replay", bucket=bucket)
    assert replay.stdout == summary(2 * FULL - 3, 3, here.database.url), replay.stderr
    assert {line for line, _ in letters(here.state)} == {first[number].decode() for number in OF_AN_AUTOMATION}
    assert here.times(bucket)[-FULL:] == list(map(at, second))


async def test_conflicts_that_are_known_cost_one_request_more(influxdb: Database) -> None:
    bucket, spent = fresh_bucket(influxdb), 0
    write(influxdb, bucket, f"{MEASUREMENT},writer=other context_parent_id=7 {NOON - S}")
    address = Address(influxdb.url, Secret(influxdb.token), influxdb.org, bucket)
    async with open_influx(address, ThreadLane(), time.time_ns) as opened_database:

        async def post(payload: bytes) -> Answer:
            nonlocal spent
            spent += 1
            return await opened_database.post(payload)

        to = Deliverer(post, time.time_ns)
        costs = []
        for number in range(3):
            lines, before = home(NOON + number * FULL * S), spent
            verdict = await to.deliver(Batch(seal(lines), FULL, 0, 0, 0))
            assert isinstance(verdict, Delivered)
            assert {each.line for each in verdict.rejected} == {lines[place].decode() for place in OF_AN_AUTOMATION}
            costs.append(spent - before)
    assert costs == [3, 2, 2]


def test_what_is_sent_twice_is_stored_once(here: Installation) -> None:
    bucket, sent = fresh_bucket(here.database), home()
    for _ in range(2):
        here.spool(sent)
        assert here.run("spool", "replay", bucket=bucket).stdout == summary(FULL, 0, here.database.url)
    assert here.times(bucket) == list(map(at, sent))


def test_a_wrong_token_keeps_everything_and_says_what_to_do(here: Installation) -> None:
    bucket, sent = fresh_bucket(here.database), home()
    here.spool(sent)
    refused = here.run("spool", "replay", bucket=bucket, token="some-other-token-of-the-database")
    assert refused.returncode != 0
    assert "401" in refused.stderr
    assert check_token("influxdb.token_file") in refused.stderr
    assert (waiting_lines(here.state), letters(here.state)) == (sent, [])
    assert here.run("spool", "replay", bucket=bucket).stdout == summary(FULL, 0, here.database.url)


def test_a_missing_bucket_keeps_everything_and_says_what_to_do(here: Installation) -> None:
    bucket, sent = f"live-{uuid.uuid4().hex}", home()
    here.spool(sent)
    refused = here.run("spool", "replay", bucket=bucket)
    assert refused.returncode != 0
    assert "404" in refused.stderr
    assert CHECK_BUCKET in refused.stderr
    assert (waiting_lines(here.state), letters(here.state)) == (sent, [])
    here.database.create_bucket(bucket)
    assert here.run("spool", "replay", bucket=bucket).stdout == summary(FULL, 0, here.database.url)


def test_what_is_too_large_is_halved_and_a_line_that_is_too_large_alone_blocks_no_other(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with servers.influxdb(tmp_path_factory.mktemp("small"), max_body=50_000) as database:
        here, bucket, sent = Installation(tmp_path, database), fresh_bucket(database), home()
        text = Attributes('{"list":"' + 60_000 * "x" + '"}', "temperature", "°C", "Room")
        large = Encoder().line(replace(temperature(NOON - S, 1.0), attributes=text))
        here.spool([*sent, large])
        replay = here.run("spool", "replay", bucket=bucket)
        assert replay.stdout == summary(FULL, 1, database.url), replay.stderr
        [(line, reason)] = letters(here.state)
        assert line.encode() == large
        assert "too large" in reason
        assert here.times(bucket) == list(map(at, sent))
