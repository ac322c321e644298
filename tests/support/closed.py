"""A folder that may not be entered, also for root, who runs the tests in some places."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path
from typing import Any

import pytest


def close(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the system refuse to look at, or open, anything below `folder`."""
    for name in ("stat", "lstat", "open"):
        monkeypatch.setattr(os, name, _refusing(getattr(os, name), folder))
    monkeypatch.setattr(io, "open", _refusing(io.open, folder))


def _refusing(real: Any, folder: Path) -> Any:
    def call(path: Any, *arguments: Any, **options: Any) -> Any:
        if isinstance(path, str | os.PathLike) and folder in Path(path).parents:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return real(path, *arguments, **options)

    return call
