from __future__ import annotations

import csv
import io
import json
import os
import shutil
import stat
import subprocess
import sys
import threading
import tracemalloc
from pathlib import Path

import pytest
from msgspec.structs import replace

from ingest.cli.export import export
from ingest.core.homeiq import homeiq
from ingest.core.point import Attributes, Facts, Kind, Point
from ingest.core.records import COLUMNS
from ingest.core.sealing import line_of
from ingest.core.state import Context, Source
from ingest.edge import embedded_export
from ingest.edge.embedded_export import Points
from ingest.edge.embedded_read import open_store
from tests.cli.stores import HOUR, NOON, a_day, run, temperature, write

RICH = Point(
    "media_player.tv", NOON, 'say "hi",\nthere', Facts("r9", "d", "a", "config", "cast", "Acme, Inc.", "M", "1"),
    Attributes('{"source":"ü","n":[1]}', "tv", None, "TV", restored=True), None, "off", 2.25, Kind.RESTORED,
    Context("c", "p", "u"), Source.SNAPSHOT,
)  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(a_day(tmp_path / "home.db"), [RICH])


def test_lines_are_what_the_schema_would_have_sent(path: Path) -> None:
    result = run(export, "--db", path, "--entity", "media_player.*")
    assert (result.exit_code, result.stderr) == (0, "1 change\n")
    assert result.stdout_bytes.rstrip(b"\n") == line_of(homeiq(), RICH)


def test_csv_quotes_a_lone_carriage_return(tmp_path: Path) -> None:
    """Every Python does so: one that reads it takes it for the end of a row."""
    path = write(tmp_path / "home.db", [temperature(NOON, "a\rb"), temperature(NOON + HOUR, "c\r\nd, e")])
    out = run(export, "--db", path, "--format", "csv").stdout_bytes.decode()
    assert [row["state"] for row in csv.DictReader(io.StringIO(out, newline=""))] == ["a\rb", "c\r\nd, e"]
    assert out.startswith(",".join(COLUMNS) + "\n")


def test_csv_keeps_every_text_whole(path: Path) -> None:
    out = run(export, "--db", path, "--format", "csv").stdout
    rows = list(csv.DictReader(out.splitlines(keepends=True)))
    assert list(rows[0]) == list(COLUMNS)
    assert len(rows) == 29
    assert [row["time"] for row in rows] == sorted(row["time"] for row in rows)
    assert (rows[-1]["state"], rows[-1]["manufacturer"], rows[-1]["value"]) == (RICH.state, "Acme, Inc.", "")


def test_json_lines_in_a_file_that_appears_when_it_is_whole(path: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    span = ("--since", "2026-01-01T00:00Z", "--until", "2026-01-01T03:00Z")
    result = run(export, "--db", path, "--format", "jsonl", "--entity", "sensor.room", "-o", out, *span)
    assert result.stderr == f"3 changes in {out}\n"
    lines = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert [line["value"] for line in lines] == [12.0, 13.0, 14.0]
    assert list(tmp_path.glob("*.partial")) == []


def test_times_that_no_file_holds_are_since_ever_and_without_an_end(path: Path) -> None:
    everything = run(export, "--db", path).stdout
    assert run(export, "--db", path, "--since", "1000y", "--until", "9999-12-31").stdout == everything
    assert run(export, "--db", path, "--until", "0001-01-01").stderr == "0 changes\n"


def test_a_glob_finds_an_entity_by_the_name_it_once_had(tmp_path: Path) -> None:
    path = write(tmp_path / "a.db", [temperature(NOON, 1.0, "sensor.old"), temperature(NOON + HOUR, 2.0, "sensor.new")])
    assert run(export, "--db", path, "--entity", "*.old").stdout.count("\n") == 2
    assert run(export, "--db", path, "--entity", "*.none").stdout == ""


def test_pages_and_shared_values_change_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run(export, "--db", path).stdout
    monkeypatch.setattr(embedded_export, "PAGE", 2)
    monkeypatch.setattr(embedded_export, "SHARED", 1)
    assert run(export, "--db", path).stdout == whole
    assert whole.count("\n") == 29


def test_points_of_an_entity_share_their_facts(path: Path) -> None:
    rooms = [point for point in stored(path) if point.entity_id == "sensor.room"]
    assert len({id(point.facts) for point in rooms}) == 1
    assert len({id(point.attributes) for point in rooms}) == 2  # the day has an end of a week in it


def stored(path: Path) -> list[Point]:
    with open_store(path) as reader:
        return [point for _, page in Points(reader.connection).pages((0, 0), 1 << 62) for point in page]


def test_memory_does_not_grow_with_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_export, "PAGE", 500)
    peaks = []
    for count in (500, 500, 3_000):
        path = write(tmp_path / f"{count}.db", [temperature(NOON + at * 1_000, float(at)) for at in range(count)])
        tracemalloc.start()
        result = run(export, "--db", path, "--format", "csv", "-o", tmp_path / "out.csv")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert result.exit_code == 0
    # The first round pays for what is imported and compiled once; two pages are alive while one follows the other.
    assert peaks[2] < 2.5 * peaks[1]


def test_a_place_that_cannot_be_written_is_named(path: Path, tmp_path: Path) -> None:
    result = run(export, "--db", path, "-o", tmp_path / "no" / "out")
    assert result.exit_code == 2
    assert str(tmp_path / "no" / "out") in result.stderr


def configuration(path: Path) -> Path:
    """Of the store at `path`, and of a state file beside it, which is damaged."""
    config = path.with_name("config.toml")
    config.write_text(f'[embedded]\npath = "{path.name}"\n[spool]\npath = "state.db"\n')
    path.with_name("state.db").write_text("what is left of it")
    return config


def contents(folder: Path) -> dict[str, bytes]:
    return {each.name: b"" if each.name.endswith("-shm") else each.read_bytes() for each in folder.iterdir()}


@pytest.mark.parametrize(
    "name",
    ["home.db", "link.db", "hard.db", "home.db-wal", "home.db-shm", "home.db.lock", "copy.db", "copy.db-wal", "state.db",
     "state.db.lock", "config.toml"],
)  # fmt: skip
def test_what_is_needed_keeps_its_place(path: Path, tmp_path: Path, name: str) -> None:
    config = configuration(path)
    (tmp_path / "link.db").symlink_to(path)
    (tmp_path / "hard.db").hardlink_to(path)
    shutil.copy(path, tmp_path / "copy.db")
    run(export, "--db", path)  # who reads makes a log, which is empty
    before = contents(tmp_path)
    for more in ((), ("--db", path)) if name not in {"state.db", "state.db.lock"} else ((),):
        result = run(export, "--config", config, *more, "-o", tmp_path / name)
        assert result.exit_code == 2
        assert "would take the place of" in result.stderr
        assert "Choose another file" in result.stderr
    assert contents(tmp_path) == before


def test_a_plain_file_is_replaced_with_its_rights_and_nothing_else_is_touched(path: Path, tmp_path: Path) -> None:
    out, theirs = tmp_path / "dump.lp", tmp_path / "dump.lp.partial"
    out.write_text("of last night")
    out.chmod(0o640)
    theirs.write_text("somebody's")
    assert run(export, "--db", path, "-o", out).exit_code == 0
    assert out.read_text("utf-8") == run(export, "--db", path).stdout
    assert (stat.S_IMODE(out.stat().st_mode), theirs.read_text()) == (0o640, "somebody's")
    assert sorted(each.name for each in tmp_path.iterdir() if path.name not in each.name) == [out.name, theirs.name]


def test_a_file_with_the_name_of_a_log_alone_is_a_file(path: Path, tmp_path: Path) -> None:
    assert run(export, "--db", path, "-o", tmp_path / "-wal").exit_code == 0


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_one_and_its_target_is_replaced(path: Path, tmp_path: Path, *, there: bool) -> None:
    (tmp_path / "kept").mkdir()
    target, link = tmp_path / "kept" / "dump.lp", tmp_path / "dump.lp"
    link.symlink_to("kept/dump.lp")
    if there:
        target.write_text("of last night")
    assert run(export, "--db", path, "-o", link).exit_code == 0
    assert link.is_symlink()
    assert target.read_text("utf-8") == run(export, "--db", path).stdout
    assert list((tmp_path / "kept").iterdir()) == [target]


def test_a_pipe_is_written_into_and_stays(path: Path, tmp_path: Path) -> None:
    pipe, came = tmp_path / "pipe", list[bytes]()
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: came.append(pipe.read_bytes()), daemon=True)
    reader.start()
    assert run(export, "--db", path, "-o", pipe).exit_code == 0
    assert pipe.is_fifo()
    reader.join(20)
    assert came == [run(export, "--db", path).stdout_bytes]


def test_standard_output_by_its_name_is_added_to(path: Path, tmp_path: Path) -> None:
    """Behind `>>` there is a file with something in it. Not by a name in /dev, which root could replace, were this wrong."""
    out = tmp_path / "all.lp"
    out.write_text("first\n")
    command = [sys.executable, "-m", "ingest", "export", "--db", str(path), "-o", "/proc/self/fd/1"]
    with out.open("ab") as stdout:
        subprocess.run(command, check=True, stdout=stdout)
    assert out.read_text("utf-8") == "first\n" + run(export, "--db", path).stdout


def test_a_file_by_its_descriptor_is_written_in_place(path: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.lp"
    with out.open("wb") as file:
        assert run(export, "--db", path, "-o", f"/proc/self/fd/{file.fileno()}").exit_code == 0
        assert os.fstat(file.fileno()).st_ino == out.stat().st_ino
    assert out.read_text("utf-8") == run(export, "--db", path).stdout


def test_a_missing_store_is_named(tmp_path: Path) -> None:
    assert "no embedded store" in run(export, "--db", tmp_path / "none").stderr


def test_origin_live_points_are_read_back_as_live(tmp_path: Path) -> None:
    point = replace(RICH, origin=None)
    path = write(tmp_path / "a.db", [point])
    assert stored(path) == [point]
