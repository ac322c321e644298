"""The unit file: how systemd starts the service, watches it, bounds it and shuts it in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ingest.cli.exits import REFUSED

MEMORY: Final = 512
"""MiB that the service may take where nobody says otherwise: 41,000 entities need 300."""

THROTTLED: Final = 7 / 8
"""From this part of its memory on the kernel takes pages back and slows it down, before it kills it."""

_UNIT: Final = """\
# homeiq-ingest as a service. `homeiq-ingest systemd install` and `upgrade` rewrite this file:
# change it in a drop-in, with `systemctl edit homeiq-ingest`.
[Unit]
Description=Stores every state change of Home Assistant
Documentation=man:systemd.service(5)
Wants=network-online.target
# Where there is a database on this machine, it is stopped after us: the last batch still reaches it.
After=network-online.target nss-lookup.target influxdb.service docker.service
# Tried for ever: what waits for a database or a home is not given up after five attempts.
StartLimitIntervalSec=0

[Service]
# Ready when it runs; RELOADING, STATUS and the watchdog come the same way. Not notify-reload: systemd before 253
# ignores that, and its signal could not say that a configuration was refused. The command waits, and fails then.
Type=notify
NotifyAccess=main
ExecStart={program} run --config {config}
ExecReload={program} reload --config {config}
Restart=on-failure
RestartSec=5
# What only a person can fix (exit code {refused}) is not tried again and again.
RestartPreventExitStatus={refused}
# The service says that it gets on as long as it does. One that has not for so long is aborted and started again; what
# it had taken is in the state file.
WatchdogSec=60
# An aborted process would leave its memory in a file, and its tokens are in there.
LimitCORE=0
# It is out within 5 s of SIGTERM, whatever the database does.
TimeoutStopSec=15

# A user that exists while the service runs. Its folders are /var/lib/homeiq-ingest, where the state file is, and
# /run/homeiq-ingest, where `homeiq-ingest reload` and its like reach it.
DynamicUser=yes
User=homeiq-ingest
StateDirectory=homeiq-ingest
StateDirectoryMode=0700
RuntimeDirectory=homeiq-ingest
RuntimeDirectoryMode=0700
UMask=0077
# Tokens are root's; the service gets a copy that nobody else can read, when it starts.
{credentials}
# 41,000 entities need 300 MB. What is above is a fault, and better ended than swapped.
MemoryHigh={high}M
MemoryMax={memory}M
OOMPolicy=stop
# Its threads are for files that may hang, at most 40 at a time, and the command of a reload has some of its own.
TasksMax=128
# Of these, 320 are clients of its API at most.
LimitNOFILE=2048

# What it may do is read its program and its configuration, write its state, and speak TCP.
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
DevicePolicy=closed
PrivateUsers=yes
PrivateMounts=yes
ProtectClock=yes
ProtectHostname=yes
ProtectControlGroups=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
# Other processes are not seen. Not ProcSubset=pid: when it was started, which its metrics say, is reckoned from /proc/stat.
ProtectProc=invisible
# Sockets of this machine for systemd, the journal and names (systemd-resolved, Avahi). Which addresses its home and its
# database have is the configuration's to say: IPAddressDeny=any with an IPAddressAllow= in a drop-in says it twice.
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RemoveIPC=yes
KeyringMode=private
LockPersonality=yes
# Nothing in it makes code while it runs.
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
# Refused, not killed: a library may ask for more and do without.
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
"""


def unit_text(program: Path, config: Path, credentials: Mapping[str, Path], memory: int = MEMORY) -> str:
    """The unit. `credentials` are files by the secret setting that each holds; `memory` is in MiB."""
    lines = [f"LoadCredential={name}:{escaped(path)}" for name, path in credentials.items()]
    return _UNIT.format(
        program=quoted(program),
        config=quoted(config),
        credentials="\n".join(lines),
        refused=REFUSED,
        memory=memory,
        high=int(memory * THROTTLED),
    )


def memory_of(unit: str) -> int:
    """The memory of a unit that was written before, in MiB."""
    found = re.search(r"^MemoryMax=(\d+)M$", unit, re.MULTILINE)
    return int(found[1]) if found else MEMORY


def escaped(path: Path) -> str:
    """A path where systemd knows `%` as the begin of a specifier."""
    return str(path).replace("%", "%%")


def quoted(path: Path) -> str:
    """A path as one word of a command line of systemd's."""
    text = escaped(path).replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return f'"{text}"' if re.search(r"[\s'\"\\;]", text) else text
