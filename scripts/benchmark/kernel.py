"""What the kernel has counted of a process: what it waited for a processor, and wrote. Linux only."""

from __future__ import annotations

import re
from pathlib import Path

from attrs import frozen


@frozen
class Counts:
    """How often its loop went to sleep and woke, seconds that it waited for a processor, bytes that it gave the disk.

    Worker threads come and go, and what is counted of them goes with them: the first two are of the main thread.
    """

    wakes: int
    waited: float
    written: int


def counts(pid: int) -> Counts:
    """What the kernel has counted for the process by now."""
    about = Path(f"/proc/{pid}")
    waited = int((about / "schedstat").read_text(encoding="ascii").split()[1]) / 1e9
    return Counts(_number(about / "status", "voluntary_ctxt_switches"), waited, _number(about / "io", "write_bytes"))


def _number(file: Path, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+)", file.read_text(encoding="utf-8"), re.MULTILINE)
    assert found is not None, "the kernel always says it"
    return int(found[1])
