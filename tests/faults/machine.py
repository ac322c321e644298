"""A machine in little: a real systemd in namespaces of its own, over this machine's files, of which it changes none.

Everything it could write to is an overlay in memory: /, with /run, /tmp, /dev and /var fresh. The network is this machine's,
so what a test serves on loopback is there. It needs root, and a kernel that has namespaces, overlayfs and cgroup v2.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from attrs import define

BOOT: Final = r"""
set -eu
root=$1 checkout=$2
mount --make-rprivate /
mount -t tmpfs -o size=1g,mode=755 machine "$root"
mkdir "$root/upper" "$root/work" "$root/all"
mount -t overlay -o "lowerdir=/,upperdir=$root/upper,workdir=$root/work" machine "$root/all"
cd "$root/all"
mount -t tmpfs -o mode=755 run run
mount -t tmpfs -o mode=1777 tmp tmp
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 dev dev
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
mount -t tmpfs -o mode=1777 shm dev/shm
# What runs it may lie where the machine has something fresh, or on another disk. Nothing in it may be swept away as old.
if [ ! -e ".$checkout/pyproject.toml" ]; then
    mkdir -p ".$checkout"
    mount --bind "$checkout" ".$checkout"
    mount -o remount,bind,ro ".$checkout"
fi
for each in null zero full random urandom tty; do touch dev/$each; mount --bind /dev/$each dev/$each; done
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
tr -d - <proc/sys/kernel/random/uuid >etc/machine-id
# Settings of the kernel are this machine's, and what else a machine starts would only disturb.
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
rm -rf etc/systemd/system/*.wants var/log/journal
for each in sysctl modules-load remount-fs udevd logind networkd resolved timesyncd update-utmp; do
    ln -sf /dev/null etc/systemd/system/systemd-$each.service
done
mkdir old
pivot_root . old
umount -l /old
# Elsewhere who makes a container does it; without, no service sees its credentials.
mount --make-rshared /
exec env -i container=test PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --system --unit=basic.target --log-target=journal
"""

CHECKOUT: Final = Path(__file__).resolve().parents[2]

SPACES: Final = ("--pid", "--fork", "--mount", "--uts", "--ipc", "--cgroup", "--kill-child")


def unable() -> str:
    """Why this machine cannot have one; empty when it can."""
    if os.geteuid() != 0:
        return "only root can boot a systemd"
    missing = [each for each in ("unshare", "nsenter", "systemctl", "curl") if shutil.which(each) is None]
    if missing or not Path("/lib/systemd/systemd").exists():
        return f"not installed: {' '.join(missing) or 'systemd'}"
    if "overlay" not in Path("/proc/filesystems").read_text("ascii"):
        return "the kernel has no overlayfs"
    tried = subprocess.run(["unshare", *SPACES, "true"], capture_output=True, text=True, timeout=20, check=False)
    return f"no namespaces here: {tried.stderr.strip()}" if tried.returncode else ""


@define(eq=False)
class Machine:
    """One that runs. `init` is the process id of its systemd, as this machine counts."""

    init: int

    def run(self, *command: str, check: bool = True, seconds: float = 60.0, stdin: str = "") -> str:
        """What a command says that root gives in it, on both of its outputs. Raises AssertionError for a failure."""
        inside = [
            "nsenter",
            "--target",
            str(self.init),
            "--all",
            "env",
            "-i",
            "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin",
            *command,
        ]
        done = subprocess.run(
            inside,
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert done.returncode == 0 or not check, f"{' '.join(command)}: {done.returncode}\n{done.stdout}"
        return done.stdout

    def shell(self, text: str, *, check: bool = True, seconds: float = 60.0) -> str:
        """The same for a line of shell."""
        return self.run("sh", "-c", text, check=check, seconds=seconds)

    def write(self, path: str, text: str, mode: str = "644") -> None:
        """A file in it."""
        self.run("sh", "-c", 'mkdir -p "${1%/*}"; umask 077; cat >"$1"; chmod "$2" "$1"', "sh", path, mode, stdin=text)

    def shown(self, name: str, unit: str = "homeiq-ingest") -> str:
        """A property of a unit, as systemd tells it."""
        return self.run("systemctl", "show", "--value", f"--property={name}", unit).strip()

    def journal(self, unit: str = "homeiq-ingest") -> str:
        """All that a unit logged, with all that is known of each line."""
        return self.run("journalctl", "--no-pager", "--output=json", f"--unit={unit}")


@contextmanager
def booted(folder: Path) -> Iterator[Machine]:
    """A machine, gone with the block, with everything that runs in it."""
    root, log = folder / "machine", folder / "boot.log"
    root.mkdir()
    with log.open("wb") as said:
        outer = subprocess.Popen(
            ["unshare", *SPACES, "sh", "-c", BOOT, "sh", str(root), str(CHECKOUT)],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        )
    try:
        yield _running(outer, log)
    finally:
        # Its systemd is the first of its process namespace: the kernel ends all others with it.
        outer.send_signal(signal.SIGKILL)
        outer.wait(10)


def _running(outer: subprocess.Popen[bytes], log: Path) -> Machine:
    """Wait until it has booted. Raises RuntimeError with what it said instead."""
    end = time.monotonic() + 30
    while time.monotonic() < end and outer.poll() is None:
        children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text("ascii").split()
        if children and Path(f"/proc/{children[0]}/comm").read_text("ascii").strip() == "systemd":
            machine = Machine(int(children[0]))
            if machine.run("systemctl", "is-system-running", check=False).strip() in {"running", "degraded"}:
                return machine
        time.sleep(0.1)
    raise RuntimeError(f"it did not boot: {log.read_text('utf-8', 'replace')[-2000:]}")
