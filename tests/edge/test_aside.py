from __future__ import annotations

from pathlib import Path

import pytest

from ingest.edge.aside import kept_aside, set_aside, thin_out
from ingest.errors import Refused

WHEN = 1_700_000_000_000_000_000
WHY = Refused("it is not what it was")


def make(path: Path, *suffixes: str) -> None:
    for suffix in suffixes:
        path.with_name(path.name + suffix).write_text(suffix or "main")


def test_a_file_goes_aside_with_its_log_and_a_name_that_says_when(tmp_path: Path) -> None:
    make(tmp_path / "state.db", "", "-wal", "-shm")
    aside = set_aside(tmp_path / "state.db", WHY, WHEN)
    assert aside.kept_as.name == "state.db.damaged-20231114T221320Z"
    assert aside.reason == WHY.what
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        aside.kept_as.name,
        f"{aside.kept_as.name}-shm",
        f"{aside.kept_as.name}-wal",
    ]


def test_two_of_one_second_are_both_kept(tmp_path: Path) -> None:
    for _ in range(3):
        make(tmp_path / "state.db", "")
        set_aside(tmp_path / "state.db", WHY, WHEN)
    names = [each.name.removeprefix("state.db.damaged-20231114T221320Z") for each in kept_aside(tmp_path / "state.db")]
    assert names == ["", "-1", "-2"]


def test_the_oldest_go_and_their_logs_with_them(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    for number in range(5):
        make(path, "", "-wal")
        set_aside(path, WHY, WHEN + number * 10**9)
    thin_out(path, 3)
    assert [each.name[-3:-1] for each in kept_aside(path)] == ["22", "23", "24"]
    assert len(list(tmp_path.iterdir())) == 6


@pytest.mark.parametrize("behind_s", [1, 30 * 86400, WHEN // 10**9])
def test_the_one_set_aside_last_is_kept_wherever_our_clock_is(tmp_path: Path, behind_s: int) -> None:
    """A computer without a clock of its own begins in 1970, after a power cut that may have damaged the file."""
    path = tmp_path / "state.db"
    for second in (0, 1, 2):
        make(path, "")
        set_aside(path, WHY, WHEN + second * 10**9)
    before = kept_aside(path)
    for number in range(1, 12):
        make(path, "")
        aside = set_aside(path, WHY, WHEN - behind_s * 10**9)
        assert aside.kept_as.name == f"{before[-1].name}-{number}"
        thin_out(path, 3)
        assert len(kept_aside(path)) == 3
        assert kept_aside(path)[-1] == aside.kept_as
    make(path, "")
    assert set_aside(path, WHY, WHEN + 60 * 10**9).kept_as.name == "state.db.damaged-20231114T221420Z"


def test_what_somebody_keeps_under_a_name_of_his_own_is_none_of_them(tmp_path: Path) -> None:
    path = tmp_path / "state[1].db"
    mine = path.with_name(f"{path.name}.damaged-mine")
    for second in range(2):
        mine.touch()
        make(path, "")
        aside = set_aside(path, WHY, WHEN + second * 10**9)
        thin_out(path, 1)
        assert (kept_aside(path), mine.exists()) == ([aside.kept_as], True)


def test_one_that_cannot_be_deleted_is_no_reason_not_to_start(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    for number in range(2):
        (tmp_path / f"state.db.damaged-2023111{number}T000000Z").mkdir()
    thin_out(path, 1)
    assert len(kept_aside(path)) == 2


def test_what_cannot_be_renamed_raises_the_very_error(tmp_path: Path) -> None:
    long = tmp_path / ("n" * 240)
    long.touch()
    with pytest.raises(Refused) as error:
        set_aside(long, WHY, WHEN)
    assert error.value is WHY
