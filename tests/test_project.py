"""What the review asked of the project itself: gates in the file that is really read, nothing foreign among the sources."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Collection
from itertools import combinations
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


ELSEWHERE = ("container", "live", "outside", "package", "slow")
"""Marks of tests that have sessions of their own."""

WRITES_DOWN = r"""#!/bin/sh
{ printf '%s' "${0##*/}"; printf '\t%s' "$@"; echo; } >> "$CALLS"
[ "$(wc -l < "$CALLS")" -ne "$FAILS" ]
"""


def called(folder: Path, fails: int = 0) -> tuple[int, list[list[str]]]:
    """How `scripts/test` ends and what it calls, where all tools do is write that down; which of the calls `fails`, from 1."""
    for name in ("scripts/environment", *(f".venv-test/bin/{each}" for each in ("python", "ruff", "mypy"))):
        tool = folder / name
        tool.parent.mkdir(parents=True, exist_ok=True)
        tool.write_text(WRITES_DOWN, "utf-8")
        tool.chmod(0o755)
    script = Path(shutil.copy(ROOT / "scripts/test", folder / "scripts"))
    calls = folder / f"calls-{fails}"
    told = {**os.environ, "CALLS": str(calls), "FAILS": str(fails)}
    done = subprocess.run([script], env=told, check=False)
    return done.returncode, [line.split("\t") for line in calls.read_text("utf-8").splitlines()]


def chosen(expression: str, marks: Collection[str]) -> bool:
    """Whether `-m` chooses a test with these marks: such an expression is read alike by pytest and by Python."""
    return bool(eval(expression, {each: each in marks for each in ("hypothesis", *ELSEWHERE)}))


def test_fast_tests_run_once_in_parallel_and_the_gate_counts_what_is_no_property_test(tmp_path: Path) -> None:
    _, calls = called(tmp_path)
    runs = [call for call in calls if call[:3] == ["python", "-m", "pytest"]]
    assert all("--numprocesses" in run for run in runs)
    (fast,) = re.findall(r'^CHOSEN = "(.*)"$', (ROOT / "noxfile.py").read_text("utf-8"), re.MULTILINE)
    for elsewhere in ((), *combinations(ELSEWHERE, 1), *combinations(ELSEWHERE, 2)):
        for kind in ((), ("hypothesis",)):
            marks = {*elsewhere, *kind}
            measured = ["--cov" in run for run in runs if chosen(run[-1], marks)]
            assert measured == ([] if elsewhere else [not kind]), marks
            assert chosen(fast, marks) is not bool(elsewhere), marks


def test_the_first_tool_that_finds_something_ends_the_tests_with_its_failure(tmp_path: Path) -> None:
    code, calls = called(tmp_path)
    assert code == 0
    assert {"check", "--check"} <= {word for call in calls if call[0] == "ruff" for word in call}
    assert "mypy" in {call[0] for call in calls}
    for number in range(1, len(calls) + 1):
        code, until = called(tmp_path, number)
        assert (code, until) == (1, calls[:number])


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
