"""What to do about a certificate that is not trusted: it depends on why."""

from __future__ import annotations

from typing import Final

_WHY: Final = (
    ("expired", "Renew the certificate; if it is still good, look at the clock of this machine."),
    ("not yet valid", "Look at the clock of this machine, and at that of who made the certificate."),
    ("mismatch", "Write the address with the name that the certificate is for"),
)


def trust(said: str, section: str) -> str:
    """What to do, after the words of the TLS library; `section` is the one whose `ca_file` and `ssl_verify` are meant."""
    for words, remedy in _WHY:
        if words in said:
            return remedy if remedy.endswith(".") else f"{remedy}, or set {section}.ssl_verify = false {_IF}."
    return f"Set {section}.ca_file to the authority that signed it, or {section}.ssl_verify = false {_IF}."


_IF: Final = "if you trust this network"
