import os
from pathlib import Path

import pytest

from ingest.config.load import load
from ingest.config.secrets import TWINS, read_secret
from ingest.core.secret import Secret
from ingest.errors import Problems, Refused
from tests.config.places import TOKEN, open_to_all, problems, toml
from tests.support.closed import close


@pytest.mark.parametrize(
    "variable", ["HA_TOKEN_FILE", "HOME_ASSISTANT_TOKEN_FILE", "HOMEIQ_INGEST_HOME_ASSISTANT_TOKEN_FILE"]
)
def test_a_token_from_a_file_can_be_read_again(tmp_path: Path, variable: str) -> None:
    file = toml(tmp_path, f"{TOKEN}\n", "token")
    loaded = load(None, {variable: str(file)}, {})
    home = loaded.settings.home_assistant
    assert (home.token, home.token_file) == (Secret(TOKEN), file)
    assert loaded.origins["home_assistant.token"] == f"file {file}, from environment {variable}"
    file.write_text(TOKEN[::-1])
    assert read_secret(file) == Secret(TOKEN[::-1])


def test_a_credential_of_systemd_is_found_by_its_name(tmp_path: Path) -> None:
    for name in TWINS:
        toml(tmp_path, TOKEN, name)
    loaded = load(None, {"CREDENTIALS_DIRECTORY": str(tmp_path)}, {})
    settings = loaded.settings
    assert settings.home_assistant.secondary_token_file == tmp_path / "home_assistant.secondary_token"
    assert settings.influxdb.token == settings.data_api.api_key == settings.api.token == Secret(TOKEN)
    assert loaded.origins["api.token_file"] == "credential api.token"


def test_a_later_source_takes_the_other_way_back(tmp_path: Path) -> None:
    file = toml(tmp_path, f'[influxdb]\ntoken = "{TOKEN}"\n[api]\ntoken_file = "{tmp_path}/missing"\n')
    other = toml(tmp_path, "other", "other")
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    toml(credentials, "credential", "influxdb.token")
    environ = {"CREDENTIALS_DIRECTORY": str(credentials), "HOMEIQ_INGEST_API_TOKEN": "from-environment"}
    settings = load(file, environ, {}).settings
    assert settings.influxdb.token == Secret("credential")
    assert (settings.api.token, settings.api.token_file) == (Secret("from-environment"), None)
    settings = load(file, environ | {"INFLUXDB_TOKEN_FILE": str(other)}, {}).settings
    assert settings.influxdb.token == Secret("other")


def test_both_ways_in_one_source_are_an_error(tmp_path: Path) -> None:
    file = toml(tmp_path, f'[influxdb]\ntoken = "{TOKEN}"\ntoken_file = "x"\n')
    found = problems(file, {"HA_TOKEN": TOKEN, "HA_TOKEN_FILE": "y"})
    assert (
        f"influxdb.token (file {file} and file {file}): influxdb.token_file is given as well. Keep one of the two."
        in found
    )
    assert any(
        each.startswith("home_assistant.token (environment HA_TOKEN and environment HA_TOKEN_FILE)") for each in found
    )


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"\xff", "is not a text"),
        (b"x" * 70_000, "is far too large"),
        (None, "cannot be read"),
    ],
)
def test_a_file_without_a_secret(tmp_path: Path, data: bytes | None, said: str) -> None:
    file = tmp_path / "token"
    if data is not None:
        file.write_bytes(data)
    with pytest.raises(Refused, match=said):
        read_secret(file)
    (found,) = problems(None, {"INFLUXDB_TOKEN_FILE": str(file)})
    assert found.startswith(f"influxdb.token_file (environment INFLUXDB_TOKEN_FILE): the file {file} {said}")


def test_a_malformed_token_is_named_and_a_placeholder_too(tmp_path: Path) -> None:
    file = toml(tmp_path, "Bearer x\n", "token")
    environ = {"HA_TOKEN": "abc", "NABU_CASA_TOKEN_FILE": str(file), "INFLUXDB_TOKEN": "<token>"}
    assert problems(None, environ) == (
        (
            "home_assistant.token (environment HA_TOKEN): the token is too short (3 characters; a long-lived access token has"
            " about 180). Paste it again, whole, from Home Assistant (profile, Security)."
        ),
        (
            f"home_assistant.secondary_token (file {file}, from environment NABU_CASA_TOKEN_FILE): the token starts with"
            ' "Bearer " or "Token ", which is not part of it. Paste it again, whole, from Home Assistant (profile, Security).'
        ),
        "influxdb.token (environment INFLUXDB_TOKEN): the token is still a placeholder. Paste it again, whole.",
    )


def test_a_secret_does_not_come_from_the_command_line() -> None:
    (found,) = problems(None, {}, {"home_assistant.token": TOKEN})
    assert found == (
        "home_assistant.token (command line): every user of this machine can read it there. Set home_assistant.token_file."
    )
    assert load(None, {}, {"home_assistant.token": Secret(TOKEN)}).settings.home_assistant.token == Secret(TOKEN)


def test_a_secret_that_every_user_can_read_is_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_to_all(tmp_path, monkeypatch)
    file = toml(tmp_path, f'[influxdb]\ntoken = "{TOKEN}"\n[api]\ntoken_file = ""\n')
    assert load(file, {}, {}).warnings == ()
    file.chmod(0o644)
    (warning,) = load(file, {}, {}).warnings
    assert warning == (
        f"{file} holds influxdb.token and every user of this machine can read it: chmod 600 {file}, or use influxdb.token_file."
    )
    tmp_path.chmod(0o700)
    assert load(file, {}, {}).warnings == ()  # nobody else gets there
    tmp_path.chmod(0o711)
    assert load(file, {}, {}).warnings == (warning,)
    harmless = toml(tmp_path, 'home = "x"\n', "harmless.toml")
    harmless.chmod(0o644)
    assert load(harmless, {}, {}).warnings == ()
    assert os.access(file, os.R_OK)


def test_who_may_not_read_a_secret_is_not_invited_to_open_it_to_everybody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    close(tmp_path / "credentials", monkeypatch)
    environ = {"HA_TOKEN_FILE": str(tmp_path / "credentials" / "home_assistant.token")}
    (found,) = problems(None, environ)
    assert "cannot be read: Permission denied. Run this with sudo, or as the user the service runs as;" in found
    loaded = load(None, environ, {}, secrets="readable")
    assert loaded.settings.home_assistant.token is None
    assert loaded.origins["home_assistant.token"].endswith(
        "from environment HA_TOKEN_FILE, which this user may not read"
    )
    with pytest.raises(Problems, match="No such file"):
        load(None, {"HA_TOKEN_FILE": str(tmp_path / "none")}, {}, secrets="readable")
    assert (
        load(None, {"HA_TOKEN_FILE": str(tmp_path / "none")}, {}, secrets="unread").settings.home_assistant.token
        is None
    )


def test_a_folder_in_the_place_of_a_file_is_said_to_be_one(tmp_path: Path) -> None:
    (found,) = problems(None, {"HA_TOKEN_FILE": str(tmp_path)})
    assert f"{tmp_path} is a folder, not a file. Name the file in it that holds the secret" in found
