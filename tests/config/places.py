"""Configuration files and tokens for tests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from ingest.config import secrets
from ingest.config.load import load
from ingest.errors import Problems
from tests.support.marked import secret

TOKEN = secret("configured")


def toml(directory: Path, text: str, name: str = "config.toml") -> Path:
    """A file that only its owner reads."""
    path = directory / name
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return path


def problems(
    path: Path | None = None,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, object] | None = None,
    *,
    for_running: bool = False,
) -> tuple[str, ...]:
    """What `load` complains of."""
    with pytest.raises(Problems) as caught:
        load(path, environ or {}, overrides or {}, for_running=for_running)
    return caught.value.problems


def open_to_all(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every user into the folder, as if into those above it, which are pytest's own."""
    real = secrets._lets_all_through
    monkeypatch.setattr(secrets, "_lets_all_through", lambda each: each in folder.parents or real(each))
    folder.chmod(0o755)
