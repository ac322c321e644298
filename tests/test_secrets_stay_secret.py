"""What goes through everything that is said in a test run finds a secret, wherever somebody lets it out."""

from __future__ import annotations

import base64
import gzip
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.marked import is_input, leaks, leaks_of, secret, watched
from tests.support.overheard import left_behind

CHECKOUT = Path(__file__).parents[1]
SECRET = secret("of-this-test")

# Its secret is one that the outer run does not look for.
LEAKING = """
import logging, os, sqlite3, subprocess, sys, gzip
import click
import pytest
from click.testing import CliRunner
from ingest.core.reports import Notice
from ingest.core.secret import Secret
from ingest.errors import Problems, Refused
from ingest.web.guard import Guard
from tests.support.marked import watched

SECRET = watched("tell-nobody-" + "4711")

def test_print(): print("the token is", SECRET)
def test_error(): print(SECRET.upper(), file=sys.stderr)
def test_log(): logging.getLogger("x").warning(SECRET)
def test_report(): Notice(f"it is {SECRET}")
def test_refused(): Refused("no", where=f"http://user:{SECRET}@host")
def test_problems(): Problems((f"{SECRET} is no token",))
def test_arguments(): subprocess.run(["true", SECRET])
def test_output(): subprocess.run(["sh", "-c", "echo tell-nobody-$((4710 + 1)) >&2"], capture_output=True)
def test_command(): CliRunner().invoke(click.Command("x", callback=lambda: click.echo(SECRET, err=True)))
def test_raised(): CliRunner().invoke(click.Command("x", callback=lambda: int(SECRET)))

@pytest.fixture
def leaving():
    yield
    print(SECRET)

def test_teardown(leaving): pass

@pytest.mark.parametrize("place", ["body", "header", "frame"])
async def test_answer(place):
    async def app(scope, receive, send):
        await send({
            "body": {"type": "http.response.body", "body": b"it is " + SECRET.encode()},
            "header": {"type": "http.response.start", "status": 302, "headers": [(b"location", SECRET.encode())]},
            "frame": {"type": "websocket.send", "text": SECRET},
        }[place])
    async def send(message): pass
    kind = "websocket" if place == "frame" else "http"
    await Guard(app, None, ())({"type": kind, "path": "/", "headers": [(b"host", b"localhost")]}, None, send)

def test_silent(): pass

def test_files(tmp_path):
    (tmp_path / "config.toml").write_text(f"token = '{SECRET}'")
    (tmp_path / "log").write_text(f"it is {SECRET}")
    with sqlite3.connect(tmp_path / "state.db") as database:
        database.execute("CREATE TABLE batch (payload BLOB)")
        database.execute("INSERT INTO batch VALUES (?)", (gzip.compress(SECRET.encode()),))
    database.close()
"""


@pytest.mark.slow
@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "in two processes"])
def test_every_way_out_is_watched(tmp_path: Path, workers: tuple[str, ...]) -> None:
    (tmp_path / "test_leaking.py").write_text(LEAKING)
    (tmp_path / "pytest.ini").write_text("[pytest]\ntrio_mode = true\n")
    command = [sys.executable, "-m", "pytest", "-p", "tests.support.overheard", "-p", "no:cacheprovider", *workers]
    command += ["--basetemp", str(tmp_path / "left"), "-rA", str(tmp_path)]
    environment = {"PYTHONPATH": str(CHECKOUT), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    failed = set(re.findall(r"^(?:FAILED|ERROR) \S+::test_(\S+)", done.stdout, re.MULTILINE))
    named = set(re.findall(r"^(?:async )?def test_(\w+)", LEAKING, re.MULTILINE)) - {"silent", "files", "answer"}
    assert named | {"answer[body]", "answer[header]", "answer[frame]"} <= failed, done.stdout
    assert re.search(r"^PASSED \S+::test_silent$", done.stdout, re.MULTILINE)
    assert re.search(r"/log: …it is tell-nobody-4711…", done.stdout)
    assert re.search(r"/state\.db: …tell-nobody-4711…", done.stdout)
    assert not re.search(r"config\.toml: …", done.stdout)


@pytest.mark.parametrize(
    "said",
    [
        f"Authorization: Bearer {SECRET}",
        repr(f"\n{SECRET}\u20ac".encode()),
        SECRET.upper(),
        SECRET[: len(SECRET) // 2],
        SECRET[len(SECRET) // 2 :],
        *(base64.b64encode(f"{user}:{SECRET}".encode()).decode() for user in ("", "m", "me", "mee")),
    ],
)
def test_a_secret_is_known_in_every_form_that_it_may_take(said: str) -> None:
    assert leaks(said)
    assert leaks(said.encode())


def test_what_holds_none_is_silent() -> None:
    assert leaks("") == leaks(base64.b64encode(bytes(range(256)) * 50)) == leaks("zq7leak") == []


def test_a_secret_that_others_made_is_looked_for_too() -> None:
    made = watched(f"{11**40:x}")
    assert leaks(f"it is {made}") == [f"it is {made}"]
    assert not leaks(made[:-1])


def test_files_are_gone_through_whole(tmp_path: Path) -> None:
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.write(b"x" * (8 * 1024 * 1024 - 5) + SECRET.encode() + b"y" * 1000)
    packed = tmp_path / "x.gz"
    packed.write_bytes(gzip.compress(SECRET.encode()))
    with closing(sqlite3.connect(tmp_path / "plain.db")) as database:
        database.execute("CREATE TABLE said (what TEXT)")
        database.execute("INSERT INTO said VALUES (?)", (SECRET,))
        database.commit()
    damaged = tmp_path / "damaged.db"
    damaged.write_bytes((tmp_path / "plain.db").read_bytes()[:-10] + b"\xff" * 10 + SECRET.encode())
    (tmp_path / "cut.gz").write_bytes(packed.read_bytes()[:20])
    (tmp_path / "empty").touch()
    found = {line.partition(": ")[0] for line in left_behind(tmp_path)}
    assert {Path(each).name for each in found} == {"large", "x.gz", "plain.db", "damaged.db"}
    for name in found:
        Path(name).unlink()
    assert left_behind(tmp_path) == []


def test_a_configuration_may_hold_a_secret_and_a_log_may_not(tmp_path: Path) -> None:
    assert is_input(tmp_path / "config.toml")
    assert is_input(tmp_path / "db-token")
    assert not is_input(tmp_path / "config.toml" / "log")
    assert leaks_of(Path(__file__)) == []
