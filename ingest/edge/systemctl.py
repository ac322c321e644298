"""systemd, as `systemctl` and `journalctl` tell of it and change it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from attrs import field, frozen

from ingest.edge.foreign import Runner, run
from ingest.errors import IngestError

BOOTED: Final = Path("/run/systemd/system")
"""Is there where systemd runs the machine, as sd_booted(3) says."""

ASKING: Final = 60.0
"""Seconds for an answer, and for what waits for nobody: a small machine reads all its units anew from a slow card."""

CHANGING: Final = 3600.0
"""Seconds to start or stop. systemd gives a service 90 to start, and more while it says that it gets on, as ours does
when it brings a state file of many gigabytes to another layout: who gave up before that would take back what goes well."""

_LOOKED_AT: Final = ("ActiveState", "SubState", "MainPID", "NRestarts", "StatusText", "Result", "ExecMainStatus")


@frozen
class Unit:
    """One service of systemd's, by name. `run` runs a program."""

    name: str
    run: Runner = field(default=run)

    def look(self) -> Mapping[str, str]:
        """What systemd knows of it. Raises `IngestError`."""
        wanted = ",".join(_LOOKED_AT)
        lines = self.run(("systemctl", "show", f"--property={wanted}", self.name), ASKING).splitlines()
        return {name: value for name, _, value in (line.partition("=") for line in lines)}

    @property
    def active(self) -> bool:
        """True while it runs, or starts or stops. False where nobody can tell: without systemd none does."""
        try:
            return self.look().get("ActiveState", "inactive") not in {"inactive", "failed"}
        except IngestError:
            return False

    def last_words(self, lines: int = 5) -> str:
        """The end of its log, on one line each; empty where there is none to be read."""
        command = ("journalctl", "--no-pager", "--quiet", "--output=cat", f"--lines={lines}", f"--unit={self.name}")
        try:
            return self.run(command, ASKING).strip()
        except IngestError:
            return ""
