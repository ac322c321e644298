"""An error as a person reads it, and how many of its kind there were."""

from __future__ import annotations

from datetime import datetime

from attrs import frozen


@frozen
class Problem:
    """One error as a person reads it."""

    at: datetime
    category: str
    text: str
    remedy: str = ""


@frozen
class Category:
    """Errors of one kind: since the start, in the last five minutes a minute, and the last one."""

    total: int
    per_minute: float
    last: datetime
