"""`python -m tests.faults.dead_disk FLAG run …`: homeiq-ingest on a disk that hangs as long as the file FLAG exists.

A disk that is dead for real keeps the whole process from ending, for the kernel does not let go of it. This one hangs
where the program can be freed: in SQLite.
"""

from __future__ import annotations

import sqlite3
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

FLAG = Path(sys.argv.pop(1) if __name__ == "__main__" else "")


def wait() -> None:
    while FLAG.is_file():
        time.sleep(0.02)


class Connection(sqlite3.Connection):
    def execute(self, *given: Any) -> sqlite3.Cursor:
        wait()
        return super().execute(*given)

    def executemany(self, *given: Any) -> sqlite3.Cursor:
        wait()
        return super().executemany(*given)

    def rollback(self) -> None:
        wait()
        super().rollback()

    def close(self) -> None:
        wait()
        super().close()


if __name__ == "__main__":
    sqlite3.connect = partial(sqlite3.connect, factory=Connection)  # type: ignore[assignment]

    from ingest.cli.main import main

    main()
