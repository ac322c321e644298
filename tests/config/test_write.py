from pathlib import Path

import pytest

from ingest.config.load import load
from ingest.config.write import render, write
from ingest.core.secret import Secret
from ingest.errors import Problems, Refused
from tests.config.places import TOKEN

VALUES = {
    "influxdb.url": None,
    "embedded.path": Path("/var/lib/home.db"),
    "home_assistant.token": Secret(TOKEN),
    "home_assistant.url": "http://homeassistant.local:8123",
    "home": "zuhause",
    "api.trusted_networks": ["10.0.0.0/8"],
    "embedded.retention": "30d",
}


def test_a_small_file_that_says_what_each_line_means() -> None:
    assert render(VALUES) == (
        "# Configuration of homeiq-ingest.\n"
        "# `homeiq-ingest config show` lists every setting, its value and where it came from.\n"
        "\n"
        "# Name of the home; it keys what is stored about it.\n"
        'home = "zuhause"\n'
        "\n"
        "[home_assistant]\n"
        "# Address of Home Assistant; http, https, ws or wss.\n"
        'url = "http://homeassistant.local:8123"\n'
        "# Long-lived access token (in Home Assistant: profile, Security).\n"
        f'token = "{TOKEN}"\n'
        "\n"
        "[embedded]\n"
        "# Its file; by default `home.db` in $STATE_DIRECTORY, else in /var/lib/homeiq-ingest for a configuration in"
        " /etc/homeiq-ingest, else in $XDG_DATA_HOME/homeiq-ingest.\n"
        'path = "/var/lib/home.db"\n'
        "# Age at which changes give way to their hourly roll-up.\n"
        'retention = "30d"\n'
        "\n"
        "[api]\n"
        "# Networks that need no token, such as 192.168.1.0/24.\n"
        'trusted_networks = ["10.0.0.0/8"]\n'
    )


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    path = tmp_path / "new" / "config.toml"
    write(path, VALUES)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o077 == 0
    assert [each.name for each in path.parent.iterdir()] == ["config.toml"]
    loaded = load(path, {}, {}, for_running=True)
    assert loaded.warnings == ()
    assert loaded.settings.home_assistant.token == Secret(TOKEN)
    assert loaded.settings.home == "zuhause"
    assert loaded.settings.embedded.retention == 30 * 86400


def test_nothing_is_overwritten_unless_forced(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("mine", encoding="utf-8")
    path.chmod(0o644)
    with pytest.raises(Refused, match=r"exists already .*--force"):
        write(path, VALUES)
    assert path.read_text(encoding="utf-8") == "mine"
    assert len(list(tmp_path.iterdir())) == 1
    write(path, VALUES, force=True)
    assert path.stat().st_mode & 0o777 == 0o600
    assert load(path, {}, {}).settings.home == "zuhause"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Refused, match="cannot be written"):
        write(tmp_path / "file" / "below" / "config.toml", VALUES)
    with pytest.raises(Refused, match=r"cannot be written: .*/file is a file and no folder"):
        write(tmp_path / "file" / "config.toml", VALUES)


def test_values_that_would_not_load_are_not_written(tmp_path: Path) -> None:
    values = {"batch.size": "x", "api.port": 5, "influxdb.url": "y", "attributes.drop": [1, "a", 2]}
    with pytest.raises(Problems) as caught:
        write(tmp_path / "config.toml", values)
    assert caught.value.problems == (
        'batch.size: "x" is not a whole number. Give a whole number from 1 to 100000.',
        "influxdb.url: the value (not shown) does not start with http:// or https://. Give an address such as http://host:port.",
        'attributes.drop: 1 in the list is not a name. Give a list of names, such as ["token"].',
        'attributes.drop: 2 in the list is not a name. Give a list of names, such as ["token"].',
    )
    assert not list(tmp_path.iterdir())
