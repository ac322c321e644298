"""`pytest tests/golden --update-golden` writes the golden files anew; look at what changed before you keep it."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the golden files anew")


@pytest.fixture
def updating(request: pytest.FixtureRequest) -> bool:
    # Absent when the whole suite runs: options of a folder's conftest are known only when it is named.
    return bool(request.config.getoption("--update-golden", default=False))
