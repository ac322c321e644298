"""A damaged state file that still opens gives way to a new one, which has everything that is readable in it.

    new file, filled ──▶ the damaged one is set aside ──▶ the new one takes its name

A start that is cut off between two of these steps is finished by the next. Where there is no room for a second file,
or no right to make one, the damaged one goes on serving: what is readable in it is.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from attrs import evolve

from ingest.edge.aside import PARTS, SetAside, set_aside
from ingest.edge.bring import Room, bring
from ingest.edge.catalog_file import carry_catalogs_over
from ingest.edge.free_space import USUAL, floor_at
from ingest.edge.ledger_carry import NOT_BROUGHT, carry_ledger_over
from ingest.edge.letter_file import Bound, Letters
from ingest.edge.salvage import open_salvage
from ingest.edge.sqlite import Connection, Damaged
from ingest.edge.totals_file import carry_over
from ingest.errors import IngestError

ALL = Bound(sys.maxsize, sys.maxsize)
"""Every dead letter comes over, whatever their bound is by now."""


def renew(
    path: Path, reason: str, now_ns: int, opened: Callable[[Path], Connection], min_free: int = USUAL
) -> SetAside | None:
    """Put a new file in the damaged one's place; None when that is not possible. `opened` makes it. Blocking.

    Beside both of them `min_free` bytes of the disk stay free.
    """
    new = _new(path)
    _remove(new)
    try:
        floor_at(path, min_free).check(path, path.stat().st_size)
        with closing(open_salvage(path)) as salvage, closing(opened(new)) as connection:
            brought = bring(salvage, Letters(connection, new, ALL), Room(new, sys.maxsize))
            carry_over(path, connection, new)
            carry_ledger_over(path, connection, new, missing=NOT_BROUGHT if salvage.unreadable else "")
            carry_catalogs_over(path, connection, new)
        _whole_without_log(new)
        aside = set_aside(path, Damaged(reason, where=str(path)), now_ns)
        new.rename(path)
    except (IngestError, OSError):
        _remove(new)
        return None
    return evolve(aside, brought=brought.points, unreadable=salvage.unreadable)


def finish_renewal(path: Path) -> None:
    """Where the last start ended when only the name was missing, give it."""
    if not path.exists() and _new(path).exists():
        with suppress(OSError):
            _new(path).rename(path)


def _whole_without_log(path: Path) -> None:
    """Only then may it be renamed by itself. Raises `OSError`."""
    if path.with_name(f"{path.name}-wal").exists():
        raise FileExistsError(path)


def _new(path: Path) -> Path:
    return path.with_name(f"{path.name}.new")


def _remove(path: Path) -> None:
    for suffix in PARTS:
        with suppress(OSError):
            path.with_name(path.name + suffix).unlink()
