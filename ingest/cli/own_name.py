"""How to call this program again: what it prints to be pasted must work where the person is."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path


def own_command() -> str:
    """`homeiq-ingest` where that is found, else the path of the one beside this Python, the shorter of its two forms."""
    if shutil.which("homeiq-ingest"):
        return "homeiq-ingest"
    script = Path(sys.executable).with_name("homeiq-ingest")
    if not script.exists():
        return f"{shlex.quote(sys.executable)} -m ingest"
    return shlex.quote(min(os.path.relpath(script), str(script), key=len))
