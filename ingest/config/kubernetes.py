"""Variables that Kubernetes puts into every pod beside a Service of our name, and that so begin as ours do.

Of a Service `homeiq-ingest` with the port 8001: `HOMEIQ_INGEST_SERVICE_HOST`, `HOMEIQ_INGEST_SERVICE_PORT` and one for
every port that has a name, `HOMEIQ_INGEST_PORT` and `HOMEIQ_INGEST_PORT_8001_TCP`, and its parts.
"""

from __future__ import annotations

import re
from typing import Final

from ingest.config.options import PREFIX

_HOST: Final = r"[0-9A-Fa-f.:\[\]]+"
_ADDRESS: Final = rf"(tcp|udp|sctp)://{_HOST}:\d+"
_ONE_PORT: Final = r"PORT_\d+_(TCP|UDP|SCTP)"
_FORMS: Final = (
    (r"SERVICE_HOST", _HOST),
    (r"SERVICE_PORT(_[A-Z0-9_]+)?", r"\d+"),
    (rf"PORT|{_ONE_PORT}", _ADDRESS),
    (rf"{_ONE_PORT}_PROTO", r"tcp|udp|sctp"),
    (rf"{_ONE_PORT}_PORT", r"\d+"),
    (rf"{_ONE_PORT}_ADDR", _HOST),
)
"""Names without what they have in common, and what stands in them; a name with another value is a person's slip."""


def of_kubernetes(name: str, text: str) -> bool:
    """Whether a variable is one of these, by its name and what it says."""
    short = name.removeprefix(PREFIX)
    return name != short and any(re.fullmatch(form, short) and re.fullmatch(value, text) for form, value in _FORMS)
