"""Whether what the spool may take will do."""

from __future__ import annotations

from typing import Final

SMALL: Final = 64 * 1024 * 1024
"""Bytes below which a spool does not last long."""


def warning(size: int, wanted: int) -> str:
    """What to say of a bound that is far below what was wanted, both in bytes; empty when it will do."""
    if size >= min(wanted, SMALL):
        return ""
    return (
        f"the spool may take {size / 2**20:,.0f} MiB only, a tenth of what the disk has free: "
        "it will not outlast a long outage. Free some space, or put spool.path on a larger disk"
    )
