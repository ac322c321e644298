r"""Whose states the lines of a payload tell: line protocol read back as far as its tags, its time and its origin.

A space or comma of a name counts unless a backslash stands before it, and in a text every quotation mark has one. So
`,origin="heartbeat"` stands in a line only where it is that field. Lines of one entity begin alike: each beginning is
taken apart once.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Sequence

from ingest.core.evicted import Named, Owners
from ingest.core.state import Source

# In the value of another tag the equals sign would have a backslash.
_owner_tags = re.compile(rb",(?:entity|registry)_id=([^,]*+(?:(?<=\\),[^,]*+)*+)")
_escaped = re.compile(rb"\\([,= ])")
_origin = re.compile(rb',origin="(\w+)"')
_begun = b',origin="'
_heartbeat = Source.HEARTBEAT.value.encode()
_BACKSLASH = ord("\\")

_Owner = tuple[str, str] | None
_NOBODY: _Owner = None


def owners_in(payload: bytes, measurement: bytes) -> Sequence[Named] | None:
    """Who has states in a compressed payload, 2 µs a line. None: it cannot be read.

    Heartbeats, and what is of another measurement, are nobody's states.
    """
    try:
        return _owners(gzip.decompress(payload).removesuffix(b"\n").split(b"\n"), measurement)
    except (OSError, EOFError, zlib.error, ValueError):
        return None


def _owners(lines: Sequence[bytes], measurement: bytes) -> Sequence[Named]:
    """Raises `ValueError` for a line that is none of ours."""
    found, owners = Owners(), dict[bytes, _Owner]()
    for line in lines:
        end = line.index(b" ")
        while line[end - 1] == _BACKSLASH:
            end = line.index(b" ", end + 1)
        head = line[:end]
        try:
            owner = owners[head]
        except KeyError:
            owner = owners[head] = _owner(head, measurement)
        if owner is None:
            continue
        origin = _origin.search(line) if _begun in line else None  # a search alone takes four times as long
        if origin is None or origin[1] != _heartbeat:
            found.add(*owner, int(line[line.rindex(b" ") :]), live=origin is None)
    return found.all


def _owner(head: bytes, measurement: bytes) -> _Owner:
    """The registry id and the entity id in a line's beginning; nobody for a measurement that tells no states."""
    if head.partition(b",")[0] != measurement:
        return _NOBODY
    entity_id, registry_id = _owner_tags.findall(head)  # tags are sorted
    return _text(registry_id), _text(entity_id)


def _text(value: bytes) -> str:
    return (_escaped.sub(rb"\1", value) if b"\\" in value else value).decode()
