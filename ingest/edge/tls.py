"""The TLS context of our clients: the authorities of the system, and those of a file beside them."""

from __future__ import annotations

import ssl
from pathlib import Path

from ingest.errors import Refused


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
