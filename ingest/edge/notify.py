"""Telling systemd how the service is: the protocol of `sd_notify(3)`, a datagram of `KEY=value` lines.

Without `$NOTIFY_SOCKET` nobody is told. A socket that does not take the datagram costs nothing but the news.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import suppress
from time import monotonic_ns

from ingest.core import reports
from ingest.core.reports import Emit, Report

VARIABLE = "NOTIFY_SOCKET"


def open_notify(environ: Mapping[str, str]) -> Emit:
    """A sink for reports that tells systemd READY, RELOADING, STOPPING and what is going on."""
    address = environ.get(VARIABLE, "")
    where = "\0" + address[1:] if address.startswith("@") else address

    def tell(report: Report) -> None:
        message = _message(report)
        if message and where:
            with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.setblocking(False)
                channel.sendto(message.encode(), where)

    return tell


def _message(report: Report) -> str:
    match report:
        case reports.Started():
            return f"READY=1\nSTATUS={report.text()}"
        case reports.Reloading():
            return f"RELOADING=1\nMONOTONIC_USEC={monotonic_ns() // 1000}\nSTATUS={_line(report)}"
        case reports.Reloaded() | reports.ReloadRefused():
            return f"READY=1\nSTATUS={_line(report)}"
        case reports.Stopping():
            return f"STOPPING=1\nSTATUS={report.text()}"
        case (
            reports.Connected()
            | reports.ConnectionFailed()
            | reports.CandidateRefused()
            | reports.StoreWaiting()
            | reports.StoreRecovered()
            | reports.SpoolFailing()
            | reports.SpoolRecovered()
        ):
            return f"STATUS={_line(report)}"
        case _:
            return ""


def _line(report: Report) -> str:
    return " ".join(report.text().split())
