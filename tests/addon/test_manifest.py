"""What the Supervisor and the user are told of the app: as the Supervisor wants it, and as the service is."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Any

import pytest
import yaml

from ingest import __version__
from ingest.config.addon import OPTIONS, OPTIONS_VARIABLE
from ingest.config.files import SYSTEM_FILE
from ingest.config.kinds import Wrong
from ingest.config.service import Api
from ingest.config.settings import KEYS, Settings
from ingest.web.guard import OPEN
from scripts.addon import assemble
from tests.addon.schema import broken, refused
from tests.config.test_addon import EVERYTHING

APP = Path(assemble.__file__).parent
MANIFEST: dict[str, Any] = yaml.safe_load((APP / "config.yaml").read_text("utf-8"))
SCHEMA: dict[str, Any] = MANIFEST["schema"]
LANGUAGES = sorted((APP / "translations").glob("*.yaml"))
DOCKERFILE = (APP / "Dockerfile").read_text("utf-8")
DOCS = (APP / "DOCS.md").read_text("utf-8")


def test_the_supervisor_takes_the_manifest() -> None:
    assert broken(MANIFEST) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("stage", "new"),
        ("watchdog", "http://localhost"),
        ("ports", {"8001": None}),
        ("arch", ["armv7"]),
        ("colour", "red"),
    ],
)
def test_a_manifest_that_it_does_not_take_is_noticed(key: str, value: object) -> None:
    assert broken({**MANIFEST, key: value}) == [key]


def test_without_a_choice_the_app_starts() -> None:
    assert refused(SCHEMA, MANIFEST["options"]) == []


def test_every_option_is_a_setting_and_every_one_is_tried() -> None:
    assert set(SCHEMA) <= set(OPTIONS)
    assert set(SCHEMA) == set(EVERYTHING)
    assert refused(SCHEMA, {**EVERYTHING, "embedded_retention": "400d"}) == []


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("log_level", "loud"), ("influxdb_url", "db"), ("influxdb_gaps", "yes"), ("api_token", "short"), ("home", "a b"),
        ("filter_patterns", "light"), ("filter_patterns", [5]), ("nothing", 1),
    ],
)  # fmt: skip
def test_the_supervisor_refuses_what_it_can(option: str, value: object) -> None:
    assert refused(SCHEMA, {**MANIFEST["options"], option: value}) == [option]
    assert refused(SCHEMA, {}) != []


def test_words_to_choose_from_are_those_of_the_setting() -> None:
    for option, kind in SCHEMA.items():
        if isinstance(kind, str) and kind.startswith("list("):
            words = kind.rstrip("?").removeprefix("list(").removesuffix(")").split("|")
            parse = KEYS[OPTIONS[option]].kind.parse
            assert [parse(word) for word in words] == words
            assert option in EVERYTHING
    levels = set(SCHEMA["log_level"].removeprefix("list(").removesuffix(")").split("|"))
    assert f"{', '.join(sorted(levels - {'critical'}, key=SCHEMA['log_level'].index))} or critical" == (
        KEYS["log.level"].kind.wanted
    )


def test_a_default_is_that_of_the_setting() -> None:
    for option, value in MANIFEST["options"].items():
        key = KEYS[OPTIONS[option]]
        assert key.kind.parse(value) == key.default


def test_a_home_that_the_supervisor_takes_is_one() -> None:
    parse = KEYS["home"].kind.parse
    pattern = SCHEMA["home"].rstrip("?").removeprefix("match(").removesuffix(")")
    for text in ("home", "cabin-2", "_", "x" * 64):
        assert re.match(pattern, text)
        assert parse(text) == text
    for text in ("", "x" * 65, "a b"):
        assert not re.match(pattern, text)
        with pytest.raises(Wrong):
            parse(text)


@pytest.mark.parametrize("path", LANGUAGES, ids=lambda path: path.stem)
def test_every_option_and_port_has_words_in_every_language(path: Path) -> None:
    words = yaml.safe_load(path.read_text("utf-8"))
    assert words.keys() == {"configuration", "network"}
    assert list(words["configuration"]) == list(SCHEMA)
    assert words["network"].keys() == MANIFEST["ports"].keys()
    for told in words["configuration"].values():
        assert told.keys() == {"name", "description"}
        assert all(isinstance(text, str) and text.strip() == text and text for text in told.values())
        assert told["description"].endswith(".")


def test_there_is_english_and_german() -> None:
    assert [path.stem for path in LANGUAGES] == ["de", "en"]


def test_the_documentation_tells_every_option_and_no_other() -> None:
    assert re.findall(r"^\| `(\w+)` \|", DOCS, re.MULTILINE) == list(SCHEMA)


def test_it_is_asked_where_it_answers() -> None:
    port = Api().port
    assert MANIFEST["ingress_port"] == port
    assert MANIFEST["ports"] == {f"{port}/tcp": None}, "closed, until somebody opens it"
    address, _, path = MANIFEST["watchdog"].partition(f"[PORT:{port}]")
    assert address == "http://[HOST]:"
    assert path in OPEN


def test_it_asks_for_no_right_but_to_read_home_assistant() -> None:
    rights = {
        "hassio_api",
        "host_network",
        "privileged",
        "full_access",
        "docker_api",
        "devices",
        "auth_api",
        "apparmor",
    }
    assert rights.isdisjoint(MANIFEST)
    assert MANIFEST["homeassistant_api"] is True
    (folder,) = MANIFEST["map"]
    assert folder == {"type": "addon_config", "path": str(SYSTEM_FILE.parent)}, "read only"


def test_its_files_are_where_the_supervisor_keeps_them() -> None:
    assert f"ENV {OPTIONS_VARIABLE}=/data/options.json\n" in DOCKERFILE
    assert MANIFEST["backup"] == "cold", "a file of SQLite that is written to is no backup"


def test_the_image_is_built_of_the_folder_and_a_base_with_a_short_name() -> None:
    (base,) = re.findall(r"^FROM (\S+)$", DOCKERFILE, re.MULTILINE)
    assert re.fullmatch(r"python:3\.\d+-slim-\w+", base)
    (copied,) = re.findall(r"^COPY (.+) \S+$", DOCKERFILE, re.MULTILINE)
    assert copied.split() == ["requirements.txt", "homeiq_ingest-*.whl"]
    assert "--require-hashes" in DOCKERFILE


def test_its_pictures_have_the_sizes_that_are_wanted() -> None:
    for name, size in (("icon", (128, 128)), ("logo", (250, 100))):
        data = (APP / f"{name}.png").read_bytes()
        assert data.startswith(b"\x89PNG\r\n")
        assert struct.unpack(">II", data[16:24]) == size


def test_the_folder_holds_all_that_the_supervisor_builds_from(tmp_path: Path) -> None:
    wheel = tmp_path / f"homeiq_ingest-{__version__}-py3-none-any.whl"
    wheel.write_bytes(b"a wheel")
    folder = assemble.assemble(tmp_path / "homeiq_ingest", wheel)
    names = {path.name for path in folder.iterdir()}
    assert names == {
        "config.yaml", "Dockerfile", "DOCS.md", "README.md", "CHANGELOG.md", "icon.png", "logo.png", "translations",
        "requirements.txt", wheel.name,
    }  # fmt: skip
    manifest = yaml.safe_load((folder / "config.yaml").read_text("utf-8"))
    assert manifest == {**MANIFEST, "version": __version__}
    assert broken(manifest) == []
    assert (folder / "requirements.txt").read_bytes() == assemble.REQUIREMENTS.read_bytes()
    assert sorted(path.name for path in (folder / "translations").iterdir()) == [path.name for path in LANGUAGES]
    with pytest.raises(SystemExit, match="holds something already"):
        assemble.assemble(folder, wheel)


def test_the_command_says_what_comes_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    wheel = tmp_path / "homeiq_ingest-7.8.9-py3-none-any.whl"
    wheel.write_bytes(b"a wheel")
    monkeypatch.setattr("sys.argv", ["assemble", str(tmp_path / "app"), "--wheel", str(wheel)])
    assemble.main()
    assert "is ready: copy it" in capsys.readouterr().out
    assert 'version: "7.8.9"' in (tmp_path / "app" / "config.yaml").read_text("utf-8")


def test_without_a_wheel_one_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def wheel(command: list[str], *, check: bool) -> None:
        assert check
        assert command[1:5] == ["-m", "pip", "wheel", "--quiet"]
        assert command[-1] == str(assemble.ROOT)
        Path(command[-2], f"homeiq_ingest-{__version__}-py3-none-any.whl").write_bytes(b"built")

    monkeypatch.setattr("scripts.addon.assemble.subprocess.run", wheel)
    monkeypatch.setattr("scripts.addon.assemble.find_spec", lambda name: None)
    with pytest.raises(SystemExit, match="has no pip"):
        assemble.built(tmp_path)
    monkeypatch.setattr("scripts.addon.assemble.find_spec", lambda name: name)
    folder = assemble.assemble(tmp_path / "app")
    assert [path.read_bytes() for path in folder.glob("*.whl")] == [b"built"]


def test_what_is_stored_by_default_needs_nothing_else() -> None:
    assert Settings().store_kind == "embedded"
