"""Runs programs where there is neither this repository nor a network, as on the machine of somebody who only has the wheel.

A network namespace of its own has a loopback and nothing else: root gets one, and anybody where the kernel lets users have
namespaces. Where neither is to be had, what would go out is sent to a proxy that does not exist, which stops every
client that heeds the environment; the head of the run says which it was.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Final

from attrs import define, frozen

LOOPBACK_UP: Final = """
import fcntl, os, socket, struct, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
    fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh", b"lo", 1))  # SIOCSIFFLAGS, IFF_UP
os.execvp(sys.argv[1], sys.argv[1:])
"""

NOBODY: Final = "http://127.0.0.1:9"


@frozen
class Wall:
    """What stands between a program and the network: what its command begins with, what its environment says, and in words."""

    before: tuple[str, ...]
    environment: dict[str, str]
    says: str

    @property
    def whole(self) -> bool:
        """Whether nothing gets through."""
        return bool(self.before)


@cache
def wall() -> Wall:
    """The best that there is here."""
    for options in ("-n", "-rn"):
        before = ("unshare", options, sys.executable, "-c", LOOPBACK_UP)
        if (
            shutil.which("unshare")
            and not subprocess.run([*before, "true"], capture_output=True, check=False).returncode
        ):
            return Wall(before, {}, f"without a network (unshare {options}: a namespace with nothing but a loopback)")
    proxies = {name: NOBODY for each in ("http_proxy", "https_proxy", "all_proxy") for name in (each, each.upper())}
    return Wall((), proxies, "with proxies that do not exist (no namespace is to be had here)")


@define(eq=False)
class Apart:
    """A person who has a folder of wheels and nothing else of ours. `place` is all that is theirs."""

    place: Path
    wheels: Path

    def __attrs_post_init__(self) -> None:
        self.home.mkdir()

    @property
    def home(self) -> Path:
        return self.place / "home"

    @property
    def environment(self) -> Path:
        return self.place / "environment"

    @property
    def tools(self) -> str:
        """Where uv and pipx are, and the Python that they build with."""
        return str(Path(sys.executable).parent)

    def environ(self) -> dict[str, str]:
        """What a program of theirs is told: nothing of this session, of its user, of its indexes and caches."""
        path = f"{self.environment / 'bin'}:{self.tools}:/usr/local/bin:/usr/bin:/bin"
        told = {"HOME": str(self.home), "PATH": path, "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1"}
        return {
            **told,
            "UV_PYTHON": sys.executable,
            "PIP_NO_INDEX": "1",
            "PIP_CONFIG_FILE": os.devnull,
            **wall().environment,
        }

    def command(self, *command: str | Path) -> list[str]:
        return [*wall().before, *map(str, command)]

    def run(self, *command: str | Path, seconds: float = 240.0, code: int = 0) -> str:
        """What a command says on both of its outputs; it has no standard input. Raises AssertionError for another exit code."""
        done = subprocess.run(
            ["sh", "-c", 'exec "$@" <&-', "sh", *self.command(*command)],
            cwd=self.home,
            env=self.environ(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert done.returncode == code, f"{' '.join(map(str, command))}: {done.returncode}\n{done.stdout}"
        return done.stdout
