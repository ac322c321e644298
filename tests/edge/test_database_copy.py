from __future__ import annotations

import os
from pathlib import Path

import pytest

from ingest.edge.database_copy import to_owner


def test_what_root_makes_is_the_folders_owners_and_never_what_a_link_leads_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[tuple[object, ...]] = []

    def chown(path: Path, user: int, group: int, *, follow_symlinks: bool = True) -> None:
        done.append((path, user, group, follow_symlinks))

    monkeypatch.setattr(os, "chown", chown)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    to_owner(tmp_path / "state.db")
    assert done == []
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    to_owner(tmp_path / "state.db")
    owner = tmp_path.stat()
    assert done == [(tmp_path / "state.db", owner.st_uid, owner.st_gid, False)]
