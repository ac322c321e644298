"""The pinned files agree with pyproject.toml: a newcomer installs what the developers declared."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
DECLARED = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


FILES = sorted(path.name for path in (ROOT / ".ci").glob("requirements*.txt"))


def pins(file: str) -> dict[str, str]:
    text = (ROOT / ".ci" / file).read_text("utf-8")
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text, re.MULTILINE))


def group(name: str) -> list[str]:
    parts = DECLARED["dependency-groups"][name]
    return [one for part in parts for one in ([part] if isinstance(part, str) else group(part["include-group"]))]


@pytest.mark.parametrize(
    ("file", "declared"),
    [
        ("requirements.txt", DECLARED["project"]["dependencies"]),
        ("requirements-test.txt", DECLARED["project"]["dependencies"] + group("dev")),
        ("requirements-outside.txt", DECLARED["project"]["dependencies"] + group("outside")),
        ("requirements-build.txt", DECLARED["build-system"]["requires"]),
        ("requirements-package.txt", DECLARED["project"]["dependencies"] + group("package")),
        ("requirements-docs.txt", DECLARED["project"]["dependencies"] + group("docs")),
    ],
)
def test_every_declared_dependency_is_pinned_within_its_bounds(file: str, declared: list[str]) -> None:
    pinned = pins(file)
    wanted = [Requirement(line) for line in declared]
    wrong = [str(one) for one in wanted if not one.specifier.contains(pinned.get(one.name, "0"), prereleases=True)]
    assert not wrong, "run scripts/lock and commit what it changes"


def test_tests_run_with_what_users_get() -> None:
    for file in (
        "requirements-test.txt",
        "requirements-outside.txt",
        "requirements-package.txt",
        "requirements-docs.txt",
    ):
        assert pins("requirements.txt").items() <= pins(file).items()


@pytest.mark.parametrize("file", FILES)
def test_nothing_is_pinned_to_an_index(file: str) -> None:
    assert not re.search(r"https?://|file:|^-", (ROOT / ".ci" / file).read_text("utf-8"), re.MULTILINE)
