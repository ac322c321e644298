"""A secret that a person puts where none belongs: they are told what is wrong, and never shown it."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from ingest.cli.main import main
from tests.support.marked import leaks, secret

SECRET = secret("misplaced")
WITH_PASSWORD = f"http://me:{SECRET}@127.0.0.1:9"


def said(folder: Path, *arguments: str, config: str = "") -> str:
    file = folder / "config.toml"
    file.write_text(config)
    file.chmod(0o600)
    environ = {"HOMEIQ_INGEST_CONFIG": str(file), "HOME": str(folder)}
    result = CliRunner().invoke(main, [*arguments], env=environ)
    assert result.exit_code != 0
    assert leaks(result.output) == []
    assert isinstance(result.exception, SystemExit)
    return " ".join(result.output.split())


@pytest.mark.parametrize("setting", ["influxdb.url", "home_assistant.url", "data_api.url", "original.url"])
def test_in_an_address(tmp_path: Path, setting: str) -> None:
    given = "holds a user or password (it is not shown)"
    assert given in said(tmp_path, "config", "check", "--set", f"{setting}={WITH_PASSWORD}")
    assert "(not shown)" in said(tmp_path, "config", "check", "--set", f"{setting}={SECRET}")
    assert "(it is not shown)" in said(tmp_path, "config", "check", "--set", f"{setting}=http://h/?token={SECRET}")


@pytest.mark.parametrize("path", [SECRET, f"/etc/{SECRET}", f"{SECRET}/{SECRET}", f"eyJ.{SECRET}.x", SECRET * 6])
@pytest.mark.parametrize("setting", ["home_assistant.token_file", "influxdb.token_file", "api.token_file"])
def test_as_the_name_of_its_file(tmp_path: Path, setting: str, path: str) -> None:
    told = said(tmp_path, "config", "check", "--set", f"{setting}={path}")
    assert f"{setting} (command line): the file cannot be read: " in told
    assert "it may be the secret itself" in told


def test_a_missing_file_with_an_ordinary_name_is_named(tmp_path: Path) -> None:
    told = said(tmp_path, "config", "check", "--set", f"api.token_file={tmp_path}/api-token")
    assert "api-token cannot be read: No such file" in told


def test_in_the_address_of_a_service(tmp_path: Path) -> None:
    assert "no service answers" in said(tmp_path, "status", "--url", WITH_PASSWORD)
    assert "must begin with http://" in said(tmp_path, "status", "--url", SECRET)


def test_in_the_address_of_another_database(tmp_path: Path) -> None:
    config = '[influxdb]\nurl = "http://127.0.0.1:9"\nbucket = "b"\n[spool]\npath = "state.db"\n'
    assert "holds a user or password (it is not shown)" in said(
        tmp_path, "compare", "--with", f"{WITH_PASSWORD}/other", config=config
    )


@pytest.mark.parametrize("option", ["--url", "--database"])
def test_in_an_address_that_init_is_given(tmp_path: Path, option: str) -> None:
    (tmp_path / "token").write_text(SECRET)
    given = {"--url": "http://127.0.0.1:9", option: WITH_PASSWORD}
    words = [word for pair in given.items() for word in pair]
    output = tmp_path / "written.toml"
    told = said(
        tmp_path, "init", *words, "--no-check", "--token-file", str(tmp_path / "token"), "--output", str(output)
    )
    assert "holds a user or password" in told


@pytest.mark.parametrize(
    "config",
    [
        f"[home_assistant]\ntoken = '{SECRET}\n",
        f"[home_assistant]\ntokn = '{SECRET}'\n",
        f"[home_assistant]\ntoken = ['{SECRET}']\n",
        f"[home_assistant.token]\nvalue = '{SECRET}'\n",
        f"[influxdb]\ntoken = 'Bearer {SECRET}'\n",
        f"[influxdb]\ntoken = '{SECRET}'\ntoken_file = 'other'\n",
    ],
)
def test_in_a_file_that_is_wrong(tmp_path: Path, config: str) -> None:
    said(tmp_path, "config", "check", config=config)
