"""`homeiq-ingest run`: a process with a configuration, a log, signals and exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ingest.cli.exits import GAVE_UP
from ingest.cli.main import BUG, COMMANDS, bug, main
from ingest.core.line_types import line_types
from ingest.core.secret import Secret
from tests.support.homes import OTHER_TOKEN, TOKEN, Running, running_home


@pytest.fixture
def home() -> Iterator[Running]:
    with running_home() as running:
        yield running


def configuration(folder: Path, url: str, *more: str) -> Path:
    (folder / "token").touch(mode=0o600)
    (folder / "token").write_text(TOKEN)
    path = folder / "config.toml"
    lines = [f'[home_assistant]\nurl = "{url}"\ntoken_file = "token"', *more]
    path.write_text(
        "\n".join(
            [*lines, "[embedded]", 'path = "home.db"', "[spool]", 'path = "state.db"', "[log]", 'format = "json"']
        )
    )
    return path


def start(config: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "ingest", "run", "--config", str(config), *more]
    environ = {**os.environ, "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def told(process: subprocess.Popen[str], kind: str) -> dict[str, Any]:
    """The next log line of that kind of report."""
    assert process.stderr
    for line in process.stderr:
        entry: dict[str, Any] = json.loads(line)
        if entry["report"] == kind:
            return entry
    raise AssertionError(f"no {kind} before the end")


def test_a_bug_is_written_down_whole_but_for_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyError) as caught:
        dict[str, int]()[Secret("known-to-this-process-only").reveal()]
    bug(caught.type, caught.value, caught.tb)
    said = capsys.readouterr().err
    assert said.startswith("Traceback (most recent call last):\n")
    assert said.endswith(f"KeyError: '********'\n{BUG}\n")


def test_it_stores_until_it_is_told_to_stop_and_its_books_balance(tmp_path: Path, home: Running) -> None:
    with start(configuration(tmp_path, home.url)) as process:
        assert told(process, "Connected")["ha_version"] == "2025.4.4"
        told(process, "Snapshot")
        process.send_signal(signal.SIGTERM)
        books = told(process, "Stopped")
        assert process.wait(10) == 0
    assert books["balanced"]
    assert books["books"]["stored"] > 0
    assert books["books"]["spooled"] == books["books"]["in_flight"] == 0


def test_lines_go_to_standard_output(tmp_path: Path, home: Running) -> None:
    with start(configuration(tmp_path, home.url), "--set", "store.kind=stdout") as process:
        told(process, "Snapshot")
        assert process.stdout
        line = process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=10)
    assert line.startswith("home_assistant_events,")
    written = line_types(line.removesuffix("\n").encode())
    assert written is not None
    assert written.fields[b"state_value"] == "string"


def test_a_refused_token_is_said_once_with_its_remedy_and_does_not_spin(tmp_path: Path, home: Running) -> None:
    config = configuration(tmp_path, home.url)
    (tmp_path / "token").write_text(OTHER_TOKEN)
    with start(config) as process:
        refused = told(process, "CandidateRefused")
        process.send_signal(signal.SIGTERM)
        _, rest = process.communicate(timeout=10)
        assert process.returncode == 0
    assert "long-lived access token" in refused["message"]
    assert "CandidateRefused" not in rest
    assert OTHER_TOKEN not in rest + json.dumps(refused)


def test_limited_retries_end_with_their_own_exit_code(tmp_path: Path) -> None:
    config = configuration(tmp_path, "http://127.0.0.1:9", "max_retries = 1", 'max_retry_delay = "1s"')
    with start(config) as process:
        _, log = process.communicate(timeout=20)
        assert process.returncode == GAVE_UP, log
    assert "home_assistant.max_retries" in log
    assert "Traceback" not in log


def test_help_imports_no_command() -> None:
    code = "import sys; from ingest.cli.main import main; main(['--help'], standalone_mode=False); print(*sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "homeiq-ingest demo" in shown
    assert not {"trio", "rich", "influxdb_client", "httpx", "ingest.pipeline"} & set(shown.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_help(name: str) -> None:
    result = CliRunner().invoke(main, [name, "--help"])
    assert result.exit_code == 0
    assert "Usage:" in result.output


def test_a_command_that_does_not_exist_is_named() -> None:
    result = CliRunner().invoke(main, ["sing"])
    assert result.exit_code == 2
    assert "sing" in result.output


def test_an_override_without_a_value_is_refused() -> None:
    result = CliRunner().invoke(main, ["run", "--set", "log.level"])
    assert result.exit_code == 2
    assert "--set section.key=value" in result.output
