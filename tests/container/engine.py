"""Podman with everything of its own in one folder: images, containers, what it keeps in /run. Root's, without systemd or cgroups.

It runs in a mount namespace of its own: what it mounts is nobody else's, and is gone with it. There /sys/fs/cgroup is of version 2
alone, because crun refuses the mixture that some machines have.

No registry is asked: the base is a Debian that debootstrap makes of the machine's own archive, kept in the lab of the live tests.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from configparser import ConfigParser
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import field, frozen

import ingest
from tests.container import recipe
from tests.live.lab import made_once

IMAGE = "localhost/homeiq-ingest"
BASE = "localhost/debian-with-python"
STATE = recipe.variables()["STATE_DIRECTORY"]
SUITE = "bookworm"
INCLUDED = "python3,python3-pip,ca-certificates"
# The tests' own environment has no pip: docs/decisions/0013-environments-without-ensurepip.md.
PIP = (f"{sys.base_prefix}/bin/python3", "-m", "pip")
PROGRAMS = ("podman", "crun", "conmon", "catatonit", "debootstrap", "nsenter", "unshare", "setpriv")

CONF = """\
[containers]
cgroups = "disabled"
# Podman asks for a million, which it may not give everywhere.
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
runtime = "crun"
tmp_dir = "{folder}/tmp"
volume_path = "{folder}/volumes"
"""


def unable() -> str:
    """Why there can be no containers here; empty when there can."""
    if os.geteuid() != 0:
        return "only root can make a base with debootstrap"
    missing = [each for each in PROGRAMS if shutil.which(each) is None]
    return f"not installed: {' '.join(missing)}" if missing else ""


def base() -> Path:
    """An archive of a small Debian with Python and pip, made once."""
    with made_once(f"container-base-{SUITE}") as (folder, complete):
        archive = folder / "base.tar"
        if not complete:
            _command("debootstrap", "--variant=minbase", f"--include={INCLUDED}", SUITE, str(folder / "root"), mirror())
            _command(
                "tar",
                "--create",
                f"--file={archive}",
                f"--directory={folder / 'root'}",
                "--exclude=./var/cache/apt/*",
                ".",
            )
            shutil.rmtree(folder / "root")
    return archive


def mirror() -> str:
    """The archive that this machine installs from."""
    told = _command("apt-get", "indextargets", "--format", "$(SITE)", f"Codename: {SUITE}").split()
    return told[0]


def index(folder: Path) -> Iterator[str]:
    """What lets pip find in a build what it finds here: its configuration, and the folders and certificates that this names."""
    config = ConfigParser()
    config["global"] = {}
    needed = set()
    for line in _command(*PIP, "config", "list").splitlines():
        name, _, value = line.partition("=")
        values = value.strip("'").replace("\\n", " ").split()
        config["global"][name.rpartition(".")[2]] = "\n".join(values)
        needed |= {Path(each) for each in values if each.startswith("/")}
        # The pages of an index lead to files beside it.
        needed |= {Path(each.removeprefix("file://")).parent for each in values if each.startswith("file:///")}
    with (folder / "pip.conf").open("w", encoding="utf-8") as file:
        config.write(file)
    yield from (f"--volume={path}:{path}:ro" for path in sorted(needed) if path.exists())
    yield f"--volume={folder / 'pip.conf'}:/etc/pip.conf:ro"


@frozen
class Container:
    """One that was started."""

    engine: Engine
    name: str

    def inspect(self) -> dict[str, Any]:
        """What Podman knows of it."""
        found: list[dict[str, Any]] = json.loads(self.engine.podman("inspect", self.name))
        return found[0]

    def logs(self) -> str:
        """Everything that it said."""
        return self.engine.podman("logs", self.name, merged=True)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """A command in it."""
        return self.engine.tried("exec", self.name, *command)

    def health_check(self) -> int:
        """The exit code of what the image is looked at with."""
        return self.engine.tried("healthcheck", "run", self.name).returncode

    def wait(self) -> int:
        """Its exit code, once it has ended."""
        return int(self.engine.podman("wait", self.name).strip())

    def stop(self) -> int:
        """As `docker stop`: SIGTERM, SIGKILL after ten seconds; its exit code."""
        self.engine.podman("stop", "--time=10", self.name)
        return self.wait()

    def start(self) -> None:
        """Once more, with the same volume."""
        self.engine.podman("start", self.name)


@frozen
class Engine:
    """A Podman that keeps everything in a folder; `space` is a process in its mount namespace."""

    folder: Path
    space: int
    names: list[str] = field(factory=list)

    def podman(self, *arguments: str, merged: bool = False) -> str:
        """What it answers. Raises AssertionError with its words when it fails."""
        done = self.tried(*arguments)
        assert done.returncode == 0, (
            f"podman {' '.join(arguments)}: {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        )
        return done.stdout + done.stderr if merged else done.stdout

    def tried(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The same, where it may fail."""
        where = [f"--root={self.folder}/images", f"--runroot={self.folder}/run", "--storage-driver=overlay"]
        return subprocess.run(
            ["nsenter", f"--mount=/proc/{self.space}/ns/mnt", "podman", *where, *arguments],
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
            env={**os.environ, "CONTAINERS_CONF": str(self.folder / "containers.conf")},
        )

    def build(self) -> None:
        """The image, from the recipe, with a Debian made here for its base."""
        self.podman("import", str(base()), BASE)
        options = (
            "--format=docker",
            "--isolation=chroot",
            "--network=host",
            "--pull-never",
            "--layers=false",
            f"--tag={IMAGE}",
        )
        given = (
            f"--build-arg=BASE={BASE}",
            f"--build-arg=VERSION={ingest.__version__}",
            f"--file={recipe.CONTAINERFILE}",
        )
        self.podman("build", *options, *given, *index(self.folder), str(recipe.ROOT))

    def once(self, *arguments: str, entrypoint: str = "", user: int | None = None) -> str:
        """What a command of the image says, or another program in it, without a network."""
        other = [f"--entrypoint={entrypoint}"] if entrypoint else []
        other += [] if user is None else [f"--user={user}"]
        return self.podman("run", "--rm", "--network=none", "--no-healthcheck", *other, IMAGE, *arguments)

    def start(
        self,
        name: str,
        state: Path | str,
        environ: Mapping[str, str],
        files: Mapping[str, Path] = {},
        options: Sequence[str] = ("--network=host",),
        command: Sequence[str] = (),
    ) -> Container:
        """A container, shut in as the compose files do it; `state` is a folder or a volume, `files` are by their place in it."""
        self.names.append(name)
        self.podman(
            *(
                "run",
                "--detach",
                f"--name={name}",
                "--read-only",
                "--read-only-tmpfs=false",
                "--tmpfs=/tmp",
                "--cap-drop=all",
            ),
            *("--security-opt=no-new-privileges", "--http-proxy=false", "--health-interval=disable", *options),
            *(f"--env={variable}={value}" for variable, value in environ.items()),
            f"--volume={state}:{STATE}",
            *(f"--volume={path}:{place}:ro" for place, path in files.items()),
            *(IMAGE, *command),
        )
        return Container(self, name)

    def remove(self) -> None:
        """Every container."""
        for name in self.names:
            self.tried("rm", "--force", "--time=0", name)
        self.names.clear()


SPACE = "mount -t cgroup2 cgroup2 /sys/fs/cgroup && echo made && exec sleep infinity"


@contextmanager
def engine(folder: Path) -> Iterator[Engine]:
    """One, with all that it made gone at the end."""
    (folder / "tmp").mkdir(parents=True)
    (folder / "containers.conf").write_text(CONF.format(folder=folder), "utf-8")
    command = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--propagation=private", "sh", "-c", SPACE]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as space:
        assert space.stdout is not None
        assert space.stdout.readline() == "made\n"
        made = Engine(folder, space.pid)
        try:
            yield made
        finally:
            made.remove()
            made.tried("umount", "--all", "--force")
            space.kill()
    shutil.rmtree(folder, ignore_errors=True)


def _command(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout
