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
    return result.output


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
