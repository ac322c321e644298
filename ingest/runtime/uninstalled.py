"""Importing a library without the companions that it takes along when they are installed, and that we never have it use."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def uninstalled(*names: str) -> Iterator[None]:
    """As if packages of these names were not installed, for imports in the block; one that is loaded already is there.

    Only for what a library probes for and can do without. Not while another thread may import one of them.
    """
    hidden = [name for name in names if name not in sys.modules]
    # None is how Python is told that a module is not to be found; its types know only modules.
    known: dict[str, Any] = sys.modules
    known.update(dict.fromkeys(hidden))
    try:
        yield
    finally:
        for name in hidden:
            known.pop(name, None)
