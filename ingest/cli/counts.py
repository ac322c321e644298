"""Counts as people say them: what several commands print of gaps."""

from __future__ import annotations


def entities(count: int) -> str:
    """`1 entity`, `1,234 entities`."""
    return "1 entity" if count == 1 else f"{count:,} entities"


def gaps(count: int) -> str:
    """So many gaps in words: `1 gap`, `7 gaps`, `1,234 gaps`."""
    return "1 gap" if count == 1 else f"{count:,} gaps"
