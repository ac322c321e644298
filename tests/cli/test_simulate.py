from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
import trio
from click.testing import CliRunner

from ingest.cli.simulate import _home, _run, simulate
from ingest.core.token import token_problem

TOKEN = "0123456789abcdef" * 2
PROGRAM = "from ingest.cli.simulate import simulate; simulate()"


@pytest.fixture
def running() -> Iterator[subprocess.Popen[str]]:
    options = ["--port", "0", "--entities", "20", "--token", TOKEN, "--replay", "1h"]
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        yield process
        process.kill()


def url_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    for line in process.stdout:
        if found := re.search(r"http://127\.0\.0\.1:\d+", line):
            return found[0]
    raise AssertionError("no address was printed")


def test_it_serves_a_home_and_ends_within_two_seconds(running: subprocess.Popen[str]) -> None:
    request = Request(f"{url_of(running)}/api/states", headers={"Authorization": f"Bearer {TOKEN}"})
    with urlopen(request, timeout=10) as answer:
        assert len(json.load(answer)) == 20
    running.send_signal(signal.SIGINT)
    begun = time.monotonic()
    output, _ = running.communicate(timeout=10)  # what comes after the address
    assert time.monotonic() - begun < 2
    assert running.returncode == 0
    assert "Traceback" not in output
    assert "The simulated home is gone" in output


@pytest.mark.parametrize("token", ["", "short", "your-token-here", "Bearer " + TOKEN, "t" * 32, "eyJ" + TOKEN])
def test_a_token_that_the_service_would_refuse_is_refused(token: str) -> None:
    result = CliRunner().invoke(simulate, ["--token", token])
    assert result.exit_code == 2
    assert f"the token {token_problem(token)}." in " ".join(result.output.split())


@pytest.mark.parametrize("span", ["1x", "h", "-1h", "24"])
def test_a_length_of_time_that_is_none(span: str) -> None:
    result = CliRunner().invoke(simulate, ["--replay", span])
    assert result.exit_code == 2
    assert "24h" in result.output


def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = CliRunner().invoke(simulate, ["--port", port, "--entities", "5", "--replay", "0"])
    assert result.exit_code == 2
    assert f"Port {port} cannot be used: Address already in use." in result.output


def test_a_script_that_is_wrong(tmp_path: Path) -> None:
    script = tmp_path / "faults.toml"
    script.write_text('[[fault]]\nkind = "flood"\n')
    result = CliRunner().invoke(simulate, ["--faults", str(script)])
    assert result.exit_code == 2
    assert "no known kind" in result.output


async def test_a_signal_ends_it_from_within(capsys: pytest.CaptureFixture[str]) -> None:
    make = partial(_home, 1, 20, timedelta())
    printed = ""
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_run, make, "t" * 32, 0, 1.0, ())
            while "End with Ctrl-C" not in printed:
                await trio.sleep(0.01)
                printed += capsys.readouterr().out
            signal.raise_signal(signal.SIGTERM)
    assert "Making a home of 20 entities" in printed
    assert "homeiq-ingest run" in printed
    assert "homeiq-ingest init" in printed
