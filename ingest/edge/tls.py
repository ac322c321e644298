"""TLS of our clients: whom they trust (the authorities of the system, and those of a file beside them), and why it failed."""

from __future__ import annotations

import re
import ssl
from pathlib import Path

from ingest.errors import Refused, Transient

# OpenSSL names what a peer's alert says after the protocol (`TLSV1_UNRECOGNIZED_NAME`, `SSLV3_ALERT_HANDSHAKE_FAILURE`).
_alert = re.compile(r"\[SSL: (?:(?:TLS|SSL)V\d+_\w+|\w*ALERT_\w+)\] \S+ (?:alert )?([^(]+?) \(")

BROKEN_OFF = "Is the server running behind what answers there? One that wants a certificate of its clients ends it, too: none is sent."


def tls_context(*, verify: bool = True, ca_file: Path | None = None) -> ssl.SSLContext:
    """A context that trusts the system's authorities, and those in `ca_file` beside them.

    Raises `Refused` when the file cannot be used.
    """
    context = ssl.create_default_context()
    if ca_file is not None:
        try:
            context.load_verify_locations(ca_file)
        except (OSError, ssl.SSLError) as error:
            raise Refused(
                f"the CA file cannot be used: {error.strerror or error}",
                where=str(ca_file),
                remedy="Give a readable PEM file, or leave the setting out to trust the system's authorities only.",
            ) from error
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def tls_failure(name: str, said: str, where: str, remedy: str) -> Refused | Transient:
    """Why no TLS came about with `name`, of the words that Python's `ssl` has for it; not of a certificate that is not trusted.

    A connection that ends is one that a proxy or a port forward ends whose server is down: that passes.
    """
    if "EOF" in said:
        return Transient(f"{name} cannot be reached: the TLS connection was ended", where=where, remedy=BROKEN_OFF)
    if found := _alert.search(said):
        return Refused(f"{name} refuses TLS with us: {found[1]}", where=where, remedy=remedy)
    return Refused(f"{name} does not speak TLS at this address", where=where, remedy=remedy)
