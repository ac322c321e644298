import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ingest.cli.config import config
from ingest.cli.main import main
from ingest.config import files
from tests.config.places import TOKEN, open_to_all, toml
from tests.support.closed import close


def run(*arguments: str, **environ: str) -> Result:
    home = {"HOME": "/nonexistent", "XDG_CONFIG_HOME": "", "HOMEIQ_INGEST_CONFIG": ""}
    return CliRunner(env={**home, **environ}).invoke(config, arguments)


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return toml(tmp_path, f'[home_assistant]\nurl = "http://ha:8123"\ntoken = "{TOKEN}"\n')


def test_check_says_that_it_is_good(good: Path) -> None:
    result = run("check", "--config", str(good))
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == f"The configuration is good (file {good}).\n"


def test_check_names_every_problem(good: Path) -> None:
    good.write_text('[home_assistant]\nurl = "x"\n[batch]\nsize = 0\n', encoding="utf-8")
    result = run("check", "--config", str(good), "--set", "api.prt=1")
    assert (result.exit_code, result.stdout) == (2, "")
    assert [line.split()[:2] for line in result.stderr.splitlines()] == [
        ["error:", "api.prt"],
        ["error:", "home_assistant.url"],
        ["error:", "batch.size"],
    ]


def test_check_asks_for_what_running_needs_and_show_does_not() -> None:
    assert "the address of Home Assistant is missing" in run("check").stderr
    assert run("show").exit_code == 0


def test_check_without_a_file_says_so() -> None:
    result = run("check", HA_URL="http://ha", HA_TOKEN=TOKEN)
    assert result.stdout == "The configuration is good (no file; defaults, environment and command line).\n"


def test_warnings_are_printed_and_do_no_harm(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_to_all(good.parent, monkeypatch)
    good.chmod(0o644)
    result = run("check", "--config", str(good))
    assert result.exit_code == 0
    assert result.stderr.startswith(f"warning: {good} holds home_assistant.token and every user")


def test_an_assignment_without_a_value_is_refused() -> None:
    result = run("show", "--set", "batch.size")
    assert result.exit_code == 2
    assert "--set section.key=value" in result.stderr


@pytest.mark.parametrize("form", ["table", "toml", "json"])
def test_show_masks_secrets_and_says_where_values_came_from(good: Path, form: str) -> None:
    result = run("show", "--config", str(good), "--format", form, "--set", "batch.size=7")
    assert result.exit_code == 0
    assert TOKEN not in result.output
    assert "********" in result.stdout
    assert "command line" in result.stdout
    assert str(good) in result.stdout


def test_json_is_json(good: Path) -> None:
    shown = json.loads(run("show", "--config", str(good), "--format", "json", "--set", "batch.size=7").stdout)
    assert shown["settings"]["batch"]["size"] == 7


def test_which_of_two_files_is_read_is_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own, system = tmp_path / "homeiq-ingest" / "config.toml", tmp_path / "system.toml"
    own.parent.mkdir()
    monkeypatch.setattr(files, "SYSTEM_FILE", system)
    seen = f"homeiq-ingest: this reads {own}, and the installed service {system}: --config says which.\n"

    def said(*arguments: str) -> str:
        return (
            CliRunner(env={"XDG_CONFIG_HOME": str(tmp_path), "HOMEIQ_INGEST_CONFIG": ""}).invoke(main, arguments).stderr
        )

    system.touch()
    assert said("config", "show") == ""
    own.touch()
    assert said("config", "show") == seen
    # It reads its configuration twice.
    assert said("reload").count(seen) == 1
    assert said("config", "show", "--config", str(own)) == ""
    monkeypatch.setenv("HOMEIQ_INGEST_CONFIG", str(own))
    assert CliRunner().invoke(main, ["config", "show"]).stderr == ""
    system.unlink()
    assert said("config", "show") == ""


def test_a_folder_that_may_not_be_entered_is_not_passed_over_in_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    close(tmp_path / "homeiq-ingest", monkeypatch)
    monkeypatch.setattr(files, "SYSTEM_FILE", tmp_path / "system.toml")
    result = run("show", XDG_CONFIG_HOME=str(tmp_path))
    assert result.exit_code == 0
    assert "config.toml cannot be seen: Permission denied" in result.stderr


def test_show_shows_all_that_this_user_may_read(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = good.parent / "credentials" / "influxdb.token"
    good.write_text(good.read_text("utf-8") + f'[influxdb]\nurl = "http://base.test"\ntoken_file = "{token}"\n')
    close(token.parent, monkeypatch)
    assert run("check", "--config", str(good)).exit_code == 2
    shown = run("show", "--config", str(good))
    assert shown.exit_code == 0, shown.stderr
    assert f"file {token}, from file {good}, which this user may not read" in shown.stdout
    assert "***" in next(line for line in shown.stdout.splitlines() if line.startswith("home_assistant.token "))
