from __future__ import annotations

import configparser
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from ingest.cli.exits import REFUSED
from ingest.cli.main import main


def unit(*args: str) -> str:
    result = CliRunner().invoke(main, ["systemd", "unit", *args])
    assert result.exit_code == 0, result.output
    return result.stdout


def warnings(*args: str) -> str:
    return CliRunner().invoke(main, ["systemd", "unit", *args]).stderr


def test_the_head_repeats_what_was_given_and_says_where_the_configuration_comes_to() -> None:
    head = unit("--config", "/srv/my home.toml", "--user", "homeiq").partition("[Unit]")[0]
    assert "systemd unit --config '/srv/my home.toml' --user homeiq | sudo tee" in head
    assert "install -D -o homeiq -m 600" in head


def test_what_will_not_work_is_said_beside_the_unit(tmp_path: Path) -> None:
    assert "there is no user nosuchuser" in warnings("--user", "nosuchuser")
    assert "useradd --system --no-create-home homeiq-ingest" in warnings("--user", "root")
    config = tmp_path / "config.toml"
    assert f"there is no {config} yet" in warnings("--user", "daemon", "--config", str(config))
    config.touch()
    assert "user" not in warnings("--user", "daemon", "--config", str(config)).replace(str(Path(sys.executable)), "")


def test_the_unit_runs_this_program_with_that_configuration() -> None:
    parser = configparser.ConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # the documented way to keep capitals
    parser.read_string(unit("--config", "/srv/home.toml", "--user", "homeiq"))
    service = parser["Service"]
    assert service["ExecStart"].endswith("run --config /srv/home.toml")
    assert service["ExecStart"].startswith(str(Path(sys.executable).parent))
    assert (service["Type"], service["User"]) == ("notify", "homeiq")
    assert service["StateDirectory"] == service["RuntimeDirectory"] == "homeiq-ingest"
    assert service["RestartPreventExitStatus"] == str(REFUSED)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not on this machine")
def test_systemd_finds_nothing_wrong_with_it(tmp_path: Path) -> None:
    path = tmp_path / "homeiq-ingest.service"
    path.write_text(unit("--user", "root"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(path)], capture_output=True, text=True, check=False
    )
    assert "homeiq-ingest.service" not in done.stderr, done.stderr
