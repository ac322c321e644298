"""The first thing a newcomer runs."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ingest.cli import demo
from ingest.cli.demo import Board, Scene
from ingest.cli.demo_stage import play
from ingest.cli.main import main
from ingest.core import reports
from ingest.core.state import Source

VERDICT = re.compile(r"received ([\d,]+) changes · stored ([\d,]+) · (.+)")


def call(tmp_path: Path, *args: str) -> Result:
    return CliRunner().invoke(main, args, env={"XDG_CACHE_HOME": str(tmp_path)})


def test_the_demo_stores_what_it_receives_and_says_how_to_go_on(tmp_path: Path) -> None:
    result = call(tmp_path, "demo", "--seconds", "2", "--entities", "8")
    assert result.exit_code == 0, result.output
    found = VERDICT.search(result.output)
    assert found
    assert found[1] == found[2] != "0"
    assert found[3] == "every one is stored"
    assert "homeiq-ingest init" in result.output
    pasted = next(line.split()[1:] for line in result.output.splitlines() if " query " in line)
    shown = call(tmp_path, *pasted)
    assert shown.exit_code == 0, shown.output
    assert "°C" in shown.output


def test_the_demo_begins_with_an_empty_file_each_time(tmp_path: Path) -> None:
    for _ in range(2):
        found = VERDICT.search(call(tmp_path, "demo", "--seconds", "1", "--entities", "8").output)
        assert found
        assert found[1] == found[2]


def test_on_a_terminal_it_is_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    board = Board()
    play(board, Scene(tmp_path / "demo.db", 1.0, 8, 1, rich=True))
    assert board.agrees
    assert "received" in capsys.readouterr().out


def test_a_demo_that_lost_something_says_so_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    board = Board()
    board.add(reports.Received(3, Source.LIVE))
    board.add(reports.Stored("embedded", 2, 0.1))
    demo.epilogue(board, Path("demo.db"))
    assert not board.agrees
    assert "received 3 changes · stored 2 · THEY DO NOT AGREE" in capsys.readouterr().out


def test_ctrl_c_ends_it_within_two_seconds_and_without_a_traceback(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ingest", "demo", "--plain", "--entities", "8"]
    environ = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout
        for _ in range(2):
            process.stdout.readline()
        asked = time.monotonic()
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        assert process.wait(10) == 0, rest
        assert time.monotonic() - asked < 2
    assert "Traceback" not in rest
    assert VERDICT.search(rest)
