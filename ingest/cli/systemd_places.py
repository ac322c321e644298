"""Where everything of an installed service is: unit, configuration, state, programs.

All below one root, so that tests have their own.
"""

from __future__ import annotations

from pathlib import Path

from attrs import frozen

from ingest.config.files import SYSTEM_FILE, SYSTEM_STATE

NAME = "homeiq-ingest"


@frozen
class Places:
    """Below `root`, which is / but for tests."""

    root: Path = Path("/")

    @property
    def program(self) -> Path:
        """The folder of all versions."""
        return self.root / "opt" / NAME

    @property
    def versions(self) -> Path:
        """A folder for each version."""
        return self.program / "versions"

    @property
    def current(self) -> Path:
        """A link to the version that runs."""
        return self.program / "current"

    @property
    def previous(self) -> Path:
        """A link to the version that ran before."""
        return self.program / "previous"

    @property
    def command(self) -> Path:
        """The program, whichever version it is."""
        return self.current / "bin" / NAME

    @property
    def unit(self) -> Path:
        """The unit file, below `/etc/systemd/system`."""
        return self.root / "etc/systemd/system" / f"{NAME}.service"

    @property
    def drop_ins(self) -> Path:
        """What `systemctl edit` makes."""
        return self.unit.with_name(f"{self.unit.name}.d")

    @property
    def config(self) -> Path:
        """The configuration that the service reads: that of the system."""
        return self.root / SYSTEM_FILE.relative_to("/")

    @property
    def credentials(self) -> Path:
        """Root's folder of secrets, each in a file with the name of its setting."""
        return self.config.parent / "credentials"

    @property
    def state(self) -> Path:
        """Where commands find the state: with DynamicUser= a link into `private_state`."""
        return self.root / SYSTEM_STATE.relative_to("/")

    @property
    def private_state(self) -> Path:
        """Where systemd really keeps the state folder of a user that exists only while the service runs."""
        return self.state.parent / "private" / self.state.name

    @property
    def shortcut(self) -> Path:
        """Where a shell finds the command."""
        return self.root / "usr/local/bin" / NAME

    @property
    def changing(self) -> Path:
        """Beside it is the lock of who installs, upgrades or removes."""
        return self.root / "run" / f"{NAME}-systemd"
