"""What builds and checks the package is only in its own session: elsewhere these tests are not even read."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

collect_ignore_glob = [] if find_spec("hatchling") else ["test_*.py"]

if find_spec("hatchling"):
    from scripts.releasing import artifacts
    from scripts.releasing.tools import ROOT, python
    from tests.package.apart import Apart, wall

    def pytest_report_header() -> str:
        return f"what is installed runs {wall().says}"

    @pytest.fixture
    def sources() -> Iterator[Path]:
        """A folder for copies of our own sources. Not pytest's: at its end that one is searched for secrets, and the sources know the mark."""
        with TemporaryDirectory(prefix="homeiq-package-") as name:
            yield Path(name)

    @pytest.fixture(scope="session")
    def distributions() -> Iterator[dict[str, Path]]:
        """The sdist and the wheel of this checkout, by their endings."""
        with TemporaryDirectory(prefix="homeiq-package-") as name:
            yield {path.suffix: path for path in artifacts.distributions(ROOT, Path(name))}

    @pytest.fixture(scope="session")
    def wheel(distributions: dict[str, Path]) -> Path:
        return distributions[".whl"]

    @pytest.fixture(scope="session")
    def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
        """A folder with all that the wheel needs, fetched while there is a network: the pinned packages, by their hashes."""
        folder = tmp_path_factory.mktemp("wheels")
        chosen = ("--only-binary", ":all:", "--no-deps", "--require-hashes", "--requirement", ROOT / artifacts.PINNED)
        python("pip", "download", "--quiet", "--disable-pip-version-check", *chosen, "--dest", folder)
        return folder

    @pytest.fixture(scope="session")
    def installed(wheel: Path, wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Apart:
        """The wheel in an environment of its own, in a home of its own, far from the repository."""
        apart = Apart(tmp_path_factory.mktemp("apart"), wheels)
        apart.run("uv", "venv", "--quiet", apart.environment)
        into = ("--quiet", "--python", apart.environment / "bin/python")
        apart.run("uv", "pip", "install", *into, "--no-index", "--find-links", wheels, wheel)
        return apart
