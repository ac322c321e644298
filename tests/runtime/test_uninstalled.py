from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from ingest.runtime.uninstalled import uninstalled


@pytest.fixture
def companion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package that is installed and not loaded."""
    name = "a_companion_of_nobody"
    (tmp_path / f"{name}.py").write_text("", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, name, raising=False)
    return name


def test_it_is_not_there_in_the_block_and_there_after_it(companion: str) -> None:
    with uninstalled(companion), pytest.raises(ImportError):
        importlib.import_module(companion)
    with pytest.raises(RuntimeError), uninstalled(companion):
        raise RuntimeError
    assert importlib.import_module(companion).__name__ == companion


def test_what_is_loaded_already_stays(companion: str) -> None:
    loaded = importlib.import_module(companion)
    with uninstalled(companion):
        assert importlib.import_module(companion) is loaded
    assert sys.modules[companion] is loaded
