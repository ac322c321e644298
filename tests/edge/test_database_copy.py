from __future__ import annotations

import os
from pathlib import Path

import pytest

from ingest.edge.database_copy import copy_database, to_owner
from ingest.errors import Transient
from tests.cli.stores import a_day


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


def test_a_copy_that_cannot_be_given_its_name_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = a_day(tmp_path / "home.db"), tmp_path / "there" / "home.db"
    target.parent.mkdir()

    def rename(*_: object) -> Path:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(Transient, match="it cannot be copied: Input/output error"):
        copy_database(source, target)
    assert list(target.parent.iterdir()) == []
