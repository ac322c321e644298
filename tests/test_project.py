"""What the review asked of the project itself: gates in the file that is really read, nothing foreign among the sources."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


def tools() -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]
    return found


def test_branches_of_every_module_are_measured_and_the_gate_is_read() -> None:
    coverage = tools()["coverage"]
    assert coverage["run"]["branch"] is True
    assert coverage["run"]["source"] == ["ingest"]
    assert "omit" not in coverage["run"]
    assert coverage["report"]["fail_under"] >= 95
    # Each of these would be read in place of pyproject.toml.
    assert [name for name in (".coveragerc", "setup.cfg", "tox.ini", "pytest.ini") if (ROOT / name).exists()] == []


def test_the_fast_tests_run_in_parallel_with_the_gate_and_without_real_servers() -> None:
    script = (ROOT / "scripts/test").read_text("utf-8")
    assert "--numprocesses auto" in script
    assert " --cov " in script
    assert 'fast="not live and not slow and' in script
    chosen = script.partition('fast="')[2].partition('"')[0]
    assert f'CHOSEN = "{chosen}"' in (ROOT / "noxfile.py").read_text("utf-8")
    runs = [each for each in script.splitlines() if "-m pytest --quiet" in each]
    assert ["--cov" in each for each in runs] == [True, False]
    assert [each.partition(" -m ")[2].partition(" -m ")[2] for each in runs] == [
        '"$fast and not hypothesis"',
        '"$fast and hypothesis"',
    ]


def test_ci_runs_what_a_person_runs_and_the_live_session() -> None:
    steps = (ROOT / ".ci/run").read_text("utf-8").splitlines()
    assert "./scripts/test" in steps
    assert any(step.endswith("nox --session live") for step in steps)


def test_naive_times_and_missing_docstrings_are_errors() -> None:
    lint = tools()["ruff"]["lint"]
    off = {rule for rules in (lint["ignore"], *lint["per-file-ignores"].values()) for rule in rules}
    everywhere = set(lint["ignore"])
    assert lint["select"] == ["ALL"]
    assert [rule for rule in off if rule.startswith("DTZ")] == []
    assert {"D", "D1", "D101", "D102", "D103"}.isdisjoint(everywhere)


def test_only_sources_are_among_the_sources() -> None:
    files = [path for path in (ROOT / "ingest").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    page = {path for path in files if path.parent == ROOT / "ingest" / "web" / "page"}
    assert {path.suffix for path in page} == {".html", ".css", ".js", ".svg"}
    others = [path.name for path in files if path not in page and path.suffix != ".py"]
    assert others == ["py.typed"]
    assert [path.name for path in files if path.name.startswith(("test_", "conftest"))] == []
