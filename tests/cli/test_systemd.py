from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from ingest.cli.exits import REFUSED
from ingest.cli.main import main
from ingest.cli.systemd_unit import MEMORY, memory_of, quoted, unit_text
from tests.support.closed import close
from tests.support.homes import TOKEN

ANALYZE = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not on this machine")


def unit(*args: str) -> str:
    result = CliRunner().invoke(main, ["systemd", "unit", *args])
    assert result.exit_code == 0, result.output
    return result.stdout


def service(text: str) -> dict[str, str]:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # the documented way to keep capitals
    parser.read_string(text)
    return dict(parser["Service"])


def test_the_unit_runs_the_installed_program_with_that_configuration() -> None:
    found = service(unit("--config", "/srv/home.toml"))
    assert found["ExecStart"] == "/opt/homeiq-ingest/current/bin/homeiq-ingest run --config /srv/home.toml"
    assert found["ExecReload"] == "/opt/homeiq-ingest/current/bin/homeiq-ingest reload --config /srv/home.toml"
    assert found["Type"] == "notify"
    assert found["StateDirectory"] == found["RuntimeDirectory"] == "homeiq-ingest"
    assert found["RestartPreventExitStatus"] == str(REFUSED)
    assert found["MemoryMax"] == f"{MEMORY}M"


def test_credentials_are_what_the_configuration_names_and_nothing_of_them_is_read(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text("[home_assistant]\nurl = 'http://home.test:8123'\ntoken_file = 'not-there'\n")
    assert f"LoadCredential=home_assistant.token:{tmp_path}/not-there\n" in unit("--config", str(config))


def test_what_will_not_work_is_said_beside_the_unit(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    said = CliRunner().invoke(main, ["systemd", "unit", "--config", str(config)]).stderr
    assert f"there is no {config} yet" in said
    config.touch()
    said = CliRunner().invoke(main, ["systemd", "unit", "--config", str(config), "--program", "/bin/true"]).stderr
    assert f"{config} is where the service cannot see it" in said
    assert "/bin/true" not in said


def test_a_folder_that_may_not_be_entered_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    close(tmp_path / "closed", monkeypatch)
    for option in ("--config", "--program"):
        result = CliRunner().invoke(main, ["systemd", "unit", option, str(tmp_path / "closed" / "x")])
        assert result.exit_code == REFUSED
        assert "the file cannot be looked at: Permission denied" in result.stderr


def test_memory_is_what_was_said_last() -> None:
    assert memory_of(unit("--memory", "768")) == 768
    assert memory_of("") == MEMORY
    assert "MemoryHigh=672M" in unit("--memory", "768")


def test_a_path_is_one_word_whatever_it_holds() -> None:
    assert quoted(Path('/srv/my "home" $1 100%')) == '"/srv/my \\"home\\" $$1 100%%"'
    assert "LoadCredential=api.token:/srv/100%%" in unit_text(Path("/p"), Path("/c"), {"api.token": Path("/srv/100%")})


@ANALYZE
def test_systemd_finds_nothing_wrong_with_it(tmp_path: Path) -> None:
    path = tmp_path / "homeiq-ingest.service"
    path.write_text(unit_text(Path(sys.executable), Path("/etc/homeiq-ingest/config.toml"), {"api.token": Path("/t")}))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(path)], capture_output=True, text=True, check=False
    )
    assert "homeiq-ingest.service" not in done.stderr, done.stderr


@ANALYZE
def test_systemd_finds_little_that_it_may_do(tmp_path: Path) -> None:
    path = tmp_path / "homeiq-ingest.service"
    path.write_text(unit())
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=15", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert float(done.stdout.rpartition("Overall exposure level")[2].split(":")[1].split()[0]) <= 1.5


def test_without_root_or_systemd_it_says_what_to_do_instead(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.touch(mode=0o600)
    config.write_text(f"[home_assistant]\nurl = 'http://home.test:8123'\ntoken = '{TOKEN}'\n")
    if not Path("/run/systemd/system").is_dir():
        result = CliRunner().invoke(main, ["systemd", "install", "--dry-run", "--config", str(config)])
        assert result.exit_code == REFUSED
        assert "systemd unit" in result.stderr


def test_the_unit_of_a_second_home_is_made_of_the_first_ones_as_the_page_says() -> None:
    page = (Path(__file__).parents[2] / "docs/how-to/many-homes.md").read_text("utf-8")
    found = re.search(r"\| (sed -E '[^']+')", page)
    assert found is not None
    config = "/etc/homeiq-ingest-cabin/config.toml"
    made = subprocess.run(
        found[1], shell=True, input=unit("--config", config), capture_output=True, text=True, check=True
    )
    second, first = service(made.stdout), service(unit("--config", config))
    changed = {key for key in first if first[key] != second[key]}
    assert changed == {"User", "StateDirectory", "RuntimeDirectory"}
    assert {second[key] for key in changed} == {"homeiq-ingest-cabin"}
