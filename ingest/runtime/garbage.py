"""How often Python looks for garbage that refers to itself.

A frame's values die as soon as their last reference does; none of them is part of a cycle. Python counts what is made and
not yet gone, and at 700 looks through all of it: several times a frame, for nothing, a tenth of the processor time of an
event. Cycles are rare here (errors with their tracebacks, sessions that ended), so it looks less often: after 50,000.
What the imports made stays until the end and is looked at no more.
"""

from __future__ import annotations

import gc
from typing import Final

YOUNG: Final = 50_000
"""Objects made and not gone: some megabytes, at most."""


def look_seldom() -> None:
    """From now on; to be called when everything is imported."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 10, 10)
