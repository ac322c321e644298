"""Telling systemd how the service is: the protocol of `sd_notify(3)`, a datagram of `KEY=value` lines.

    READY=1            the files are open, changes are taken, and the API listens or cannot
    RELOADING=1        with the time, as `Type=notify-reload` wants it, then READY=1
    STOPPING=1
    WATCHDOG=1         while everything moves; before READY, EXTEND_TIMEOUT_USEC=… for as long
    STATUS=…           a sentence, whenever there is another one

Without `$NOTIFY_SOCKET` nobody is told. A socket that does not take the datagram costs nothing but the news.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from time import monotonic_ns
from typing import Final

from attrs import define, field

from ingest.core import reports
from ingest.core.reports import Report
from ingest.core.secret import masked
from ingest.core.words import cut

VARIABLE: Final = "NOTIFY_SOCKET"

LOOK: Final = 30.0
"""Seconds between two looks at what moves, where no watchdog wants them more often."""

SHARE: Final = 4
"""So many looks fit into the time after which systemd would give up."""

LONGEST: Final = 400
"""Characters of a status."""

PIPELINE: Final = "pipeline"
API: Final = "api"


@define(eq=False)
class Manager:
    """What is told to the one that started us, at `where`; empty: nobody. `watchdog` is in seconds; None: it has none.

    A sink for reports. `awaited` are the parts that are not ready yet.
    """

    where: str = ""
    watchdog: float | None = None
    awaited: set[str] = field(factory=lambda: {PIPELINE})
    _status: str = ""

    @property
    def listens(self) -> bool:
        """True when somebody may hear us."""
        return bool(self.where)

    @property
    def every(self) -> float:
        """Seconds between two signs of life."""
        return LOOK if self.watchdog is None else min(LOOK, self.watchdog / SHARE)

    def __call__(self, report: Report) -> None:
        """Tell what it means to the manager, if it means anything."""
        match report:
            case reports.Started():
                self._came(PIPELINE, report)
            case reports.Listening() | reports.NotListening():
                self._came(API, report)
            case reports.Reloading():
                self._tell("RELOADING=1", f"MONOTONIC_USEC={monotonic_ns() // 1000}", *self._news(report.text()))
            case reports.Reloaded() | reports.ReloadRefused():
                self._tell(*self._ready(), *self._news(report.text()))
            case reports.Stopping():
                self._tell("STOPPING=1", *self._news(report.text()))
            case (
                reports.Connected()
                | reports.ConnectionFailed()
                | reports.CandidateRefused()
                | reports.StoreWaiting()
                | reports.StoreRecovered()
                | reports.SpoolFailing()
                | reports.SpoolRecovered()
                | reports.Stuck()
            ):
                self._tell(*self._news(report.text()))
            case _:
                pass

    def alive(self, status: str = "") -> None:
        """Everything moves. Before all is ready that asks for more time to start, as much as a watchdog would give."""
        sign = f"EXTEND_TIMEOUT_USEC={self.every * SHARE * 1e6:.0f}" if self.awaited else "WATCHDOG=1"
        self._tell(sign, *self._news(status))

    def _came(self, part: str, report: Report) -> None:
        if part in self.awaited:
            self.awaited.remove(part)
            self._tell(*self._ready(), *self._news(report.text()))

    def _ready(self) -> tuple[str, ...]:
        return () if self.awaited else ("READY=1",)

    def _news(self, status: str) -> tuple[str, ...]:
        said = cut(masked(" ".join(status.split())), LONGEST)
        if not said or said == self._status:
            return ()
        self._status = said
        return (f"STATUS={said}",)

    def _tell(self, *lines: str) -> None:
        if not lines or not self.where:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.setblocking(False)
            channel.sendto("\n".join(lines).encode(), self.where)


def manager(environ: Mapping[str, str], *, api: bool = False) -> Manager:
    """The one that the environment names. It is told that we are ready when the pipeline is and, where there is one, the API."""
    address = environ.get(VARIABLE, "")
    where = "\0" + address[1:] if address.startswith("@") else address
    return Manager(where, watchdog(environ) if where else None, {PIPELINE, API} if api else {PIPELINE})


def watchdog(environ: Mapping[str, str]) -> float | None:
    """Seconds within which a sign of life is due, as `sd_watchdog_enabled(3)` reads it; None: nobody waits for one."""
    told, process = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", str(os.getpid()))
    if not (told.isascii() and told.isdecimal()) or process != str(os.getpid()):
        return None
    return int(told) / 1e6 or None
