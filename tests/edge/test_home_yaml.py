"""Home Assistant's YAML: its tags, its files, and what is wrong with them, without a word of what they hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.edge import home_yaml
from ingest.edge.home_yaml import Block, read_block
from ingest.errors import Refused


def read(folder: Path, text: str, name: str = "configuration.yaml", **environ: str) -> Block:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, "utf-8")
    return read_block(file, "influxdb", frozenset({"host"}), environ)


def refused(folder: Path, text: str, **environ: str) -> str:
    with pytest.raises(Refused) as caught:
        read(folder, text, **environ)
    return str(caught.value)


def test_only_what_is_under_the_key_is_looked_at(tmp_path: Path) -> None:
    found = read(
        tmp_path, "automation: !include nowhere.yaml\nhttp: {key: !secret nobody}\ninfluxdb: {host: a, port: 1}\n"
    )
    assert found == Block({"host": "a", "port": 1}, frozenset())
    assert read(tmp_path, "influxdb:\n") == Block({}, frozenset())
    (tmp_path / "empty.yaml").touch()
    assert read(tmp_path, "influxdb: {host: !include empty.yaml}\n").values == {"host": None}


def test_a_file_that_is_included_is_read_by_itself_or_over_the_one_that_includes_it(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "influx.yaml").write_text("host: a\ninclude: !include lists.yaml\n")
    (tmp_path / "parts" / "lists.yaml").write_text("domains: [light]\n")
    wanted = Block({"host": "a", "include": {"domains": ["light"]}}, frozenset())
    assert read(tmp_path, "influxdb: !include parts/influx.yaml\n") == wanted
    assert read_block(tmp_path / "parts" / "influx.yaml", "influxdb", frozenset({"host"}), {}) == wanted


@pytest.mark.parametrize(
    ("core", "file", "text"),
    [
        ("{packages: {other: {light: }, flux: {influxdb: {host: a}}}}", "", ""),
        (
            "{packages: {other: !include none.yaml, flux: !include parts/flux.yaml}}",
            "parts/flux.yaml",
            "influxdb: {host: a}",
        ),
        ("{packages: !include_dir_named parts}", "parts/flux.yaml", "influxdb: {host: a}"),
        ("{packages: !include_dir_merge_named parts}", "parts/all.yaml", "flux: {influxdb: {host: a}}"),
        ("!include core.yaml", "core.yaml", "packages: {flux: {influxdb: {host: a}}}"),
    ],
)
def test_it_may_be_in_a_package(tmp_path: Path, core: str, file: str, text: str) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "none.yaml").touch()
    if file:
        (tmp_path / file).write_text(text)
    assert read(tmp_path, f"homeassistant: {core}\n").values == {"host": "a"}
    both = read(tmp_path, f"homeassistant: {core}\ninfluxdb: {{port: 1}}\n")
    assert both == Block({"port": 1, "host": "a"}, frozenset())


def test_what_packages_add_is_joined_as_home_assistant_joins_it(tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    (tmp_path / "secrets.yaml").write_text("where: a\n")
    (folder / "a.yaml").write_text("influxdb: {exclude: {domains: [person], entities: sensor.a}, tags: {x: 1}}\n")
    (folder / "b.yaml").write_text("influxdb: {exclude: {domains: [zone, '']}, token: !secret where, include: {}}\n")
    (folder / "c.yaml").write_text("influxdb: {bucket: c, tags: {x: 2, y: 3}, host: c, max_retries: 5}\nlight:\n")
    (folder / "d.yaml").write_text("influxdb:\n")
    core = "homeassistant: {packages: !include_dir_named parts}\n"
    found = read(tmp_path, core + "influxdb: {host: b, exclude: {domains: sun}}\n")
    assert found.values == {
        "host": "b",
        "exclude": {"domains": ["sun", "person", "zone"], "entities": "sensor.a"},
        "tags": {"x": 1},
        "token": "a",
        "bucket": "c",
    }
    assert found.hidden == {"token"}
    assert found.remarks == tuple(
        f"package c: Home Assistant does not take its {key}, which is set before it, nor what stands after it there."
        for key in ("tags.x", "host")
    )
    assert read(tmp_path, core).values["host"] == "c"
    said = refused(tmp_path, core + "influxdb: {tags: [1]}\n")
    assert "package a: tags is a mapping, and is something else before it" in said


def test_packages_that_are_not_beside_the_file_are_said(tmp_path: Path) -> None:
    found = read(tmp_path, "homeassistant: {packages: !include_dir_named parts}\ninfluxdb: {host: b}\n")
    assert found.values == {"host": "b"}
    lacking = f"packages: {tmp_path / 'parts'} is no folder here, and what the packages in it add is lacking."
    assert found.remarks == (lacking,)


def test_folders_of_files(tmp_path: Path) -> None:
    folder = tmp_path / "lists"
    (folder / "deep").mkdir(parents=True)
    (folder / ".hidden").mkdir()
    for name, text in (
        ("a", "[one]"),
        ("b", "[two]"),
        ("deep/c", "[three]"),
        (".hidden/d", "[four]"),
        ("secrets", "x: y"),
    ):
        (folder / f"{name}.yaml").write_text(text)
    tables = tmp_path / "tables"
    tables.mkdir()
    (tables / "a.yaml").write_text("x: 1")
    (tables / "b.yaml").write_text("y: 2")
    found = read(
        tmp_path,
        "influxdb:\n  a: !include_dir_list lists\n  b: !include_dir_merge_list lists\n  c: !include_dir_named tables\n"
        "  d: !include_dir_merge_named tables\n",
    ).values
    assert found["a"] == [["one"], ["two"], ["three"]]
    assert found["b"] == ["one", "two", "three"]
    assert found["c"] == {"a": {"x": 1}, "b": {"y": 2}}
    assert found["d"] == {"x": 1, "y": 2}


def test_secrets_come_of_the_nearest_file_up_to_the_root(tmp_path: Path) -> None:
    (tmp_path / "secrets.yaml").write_text("far: outside\n")
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "configuration.yaml").touch()
    (tmp_path / "config" / "secrets.yaml").write_text("near: root\nboth: root\nport: 8086\n")
    (tmp_path / "config" / "packages").mkdir()
    (tmp_path / "config" / "packages" / "secrets.yaml").write_text("both: package\n")
    text = (
        "influxdb: {host: !secret near, bucket: !secret both, port: !secret port, ssl: true, path: !env_var P /x y}\n"
    )
    found = read(tmp_path / "config" / "packages", text, "influx.yaml")
    assert found.values == {"host": "root", "bucket": "package", "port": 8086, "ssl": True, "path": "/x y"}
    assert found.hidden == {"host", "bucket", "port", "path"}
    with pytest.raises(Refused, match="there is no secret far"):
        read(tmp_path / "config" / "packages", "influxdb: {host: !secret far}\n", "influx.yaml")


def test_the_environment(tmp_path: Path) -> None:
    assert read(tmp_path, "influxdb: {host: !env_var HOST}\n", HOST="h").values == {"host": "h"}
    assert "the environment has no variable HOST" in refused(tmp_path, "influxdb: {host: !env_var HOST}\n")


def test_lines_that_are_used_twice(tmp_path: Path) -> None:
    found = read(tmp_path, "base: &base {host: a, port: 1}\ninfluxdb:\n  <<: *base\n  port: 2\n")
    assert found.values == {"host": "a", "port": 2}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("influxdb: {host: *secret-word}\n", "the file is not YAML at line 1"),
        ("influxdb: [\n", "the file is not YAML at line 2"),
        ("influxdb: {host: !input secret-word}\n", "the tag !input is not known here"),
        ("influxdb: {host: 2026-99-99}\n", "the file is not YAML"),
        ("influxdb: {host: !include nowhere}\n", "the file cannot be read: No such file or directory"),
        ("influxdb: {host: !include configuration.yaml}\n", "the file includes itself"),
        ("light: {}\n", "the file holds no `influxdb:`"),
        ("", "the file holds no `influxdb:`"),
    ],
)
def test_what_is_wrong_is_said_without_what_the_file_holds(tmp_path: Path, text: str, said: str) -> None:
    found = refused(tmp_path, text)
    assert said in found
    assert "secret-word" not in found


def test_a_file_that_is_no_text_and_one_that_is_no_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "configuration.yaml"
    file.write_bytes(b"influxdb: \xff")
    with pytest.raises(Refused, match="not UTF-8"):
        read_block(file, "influxdb", frozenset(), {})
    monkeypatch.setattr(home_yaml, "LARGEST", 10)
    file.write_bytes(b"x" * 11)
    with pytest.raises(Refused, match="far too large"):
        read_block(file, "influxdb", frozenset(), {})
