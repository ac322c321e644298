"""The forge's workflows: they keep the form that the forge asks for, call what exists, and give nobody more than is needed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.releasing.__main__ import release
from scripts.releasing.tools import ROOT, python, run

pytestmark = pytest.mark.package

FOLDER = ROOT / ".github/workflows"
UPDATES = ROOT / ".github/dependabot.yml"
WORKFLOWS = sorted(FOLDER.glob("*.yml"))
workflows = pytest.mark.parametrize("path", WORKFLOWS, ids=[path.stem for path in WORKFLOWS])


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    return found


def steps(path: Path) -> Iterator[dict[str, Any]]:
    for job in read(path)["jobs"].values():
        yield from job.get("steps", ())


def test_they_keep_the_forges_schema() -> None:
    # The schema comes with the program: nothing is asked for it.
    python("check_jsonschema", "--builtin-schema", "vendor.github-workflows", *WORKFLOWS)
    python("check_jsonschema", "--builtin-schema", "vendor.dependabot", UPDATES)


def test_nothing_in_them_is_known_to_be_dangerous() -> None:
    run("zizmor", "--offline", "--no-progress", "--quiet", *WORKFLOWS, UPDATES)


@workflows
def test_what_others_wrote_is_pinned_to_a_commit_and_its_version_said(path: Path) -> None:
    used = re.findall(r"uses: (.*)", path.read_text("utf-8"))
    foreign = [each for each in used if not each.startswith("$/")]
    assert foreign
    assert [each for each in foreign if not re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+", each)] == []
    assert [each for each in used if each.startswith("$/") and not (ROOT / each[2:]).is_file()] == []


@workflows
def test_what_they_call_exists(path: Path) -> None:
    called = "\n".join(each["run"] for each in steps(path) if "run" in each)
    for script in re.findall(r"(?:bash |\./)((?:scripts|\.ci)/[\w-]+)", called):
        assert (ROOT / script).is_file()
    commands = set(re.findall(r"\./scripts/release ([a-z]+)", called))
    assert commands <= release.commands.keys()
    for _, options in re.findall(r"\./scripts/release ([a-z]+)(.*)", called):
        assert set(re.findall(r"--[a-z]+", options)) <= {"--into"}


def test_a_change_passes_what_a_person_runs_on_both_processors() -> None:
    jobs = read(FOLDER / "check.yml")["jobs"]
    assert "bash .ci/run" in [each.get("run") for each in jobs["run"]["steps"]]
    assert jobs["run"]["strategy"]["matrix"]["runner"] == ["ubuntu-24.04", "ubuntu-24.04-arm"]
    assert "./scripts/release audit" in [each.get("run") for each in jobs["audit"]["steps"]]


def test_nothing_is_published_before_everything_was_checked_and_without_a_token() -> None:
    text = (FOLDER / "release.yml").read_text("utf-8")
    jobs = read(FOLDER / "release.yml")["jobs"]
    assert jobs["build"]["needs"] == jobs["image"]["needs"] == "check"
    assert set(jobs["publish"]["needs"]) == {"build", "image"}
    assert jobs["announce"]["needs"] == "publish"
    assert "secrets." not in text
    assert {name for name, job in jobs.items() if job.get("permissions", {}).get("contents") == "write"} == {"announce"}
    trusted = {name for name, job in jobs.items() if job.get("permissions", {}).get("id-token") == "write"}
    assert trusted == {"build", "image", "publish"}
    assert read(FOLDER / "release.yml")["permissions"] == {}


def test_the_tag_is_compared_before_anything_is_built() -> None:
    runs = [each["run"] for each in read(FOLDER / "release.yml")["jobs"]["build"]["steps"] if "run" in each]
    assert [each.split()[1] for each in runs] == ["check", "build"]


def test_every_job_ends_by_itself() -> None:
    for path in WORKFLOWS:
        for name, job in read(path)["jobs"].items():
            assert "uses" in job or job["timeout-minutes"] <= 90, f"{path.name}: {name}"


def test_no_host_of_a_registry_is_named() -> None:
    for path in (*WORKFLOWS, UPDATES):
        assert re.findall(r"https?://|\b[\w-]+\.(?:io|org|com|dev)\b", path.read_text("utf-8")) == []
