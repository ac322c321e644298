r"""Whose states the lines of a payload tell: line protocol read back as far as its tags, its time and its origin.

A space or comma of a name counts unless a backslash stands before it, and in a text every quotation mark has one. So
`,origin="heartbeat"` stands in a line only where it is that field. Lines of one entity begin alike: each beginning is
taken apart once.

Any schema's lines are read, whichever is chosen now: what waits in a spool may be older than the configuration.

    homeiq          entity_id=sensor.attic,…,registry_id=1f0c…
    homeassistant   domain=sensor,entity_id=attic                the id for life is not in it: the entity's name stands for it
    beside them     no entity_id (a gap, a device), or one with a dot and no registry_id (an entry of a registry)
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Callable, Container, Sequence

from ingest.core.evicted import Named, Owners
from ingest.core.state import Source

# In the value of another tag the equals sign would have a backslash.
_owner_tags = re.compile(rb",(domain|entity_id|registry_id)=((?:[^,\\]++|\\,?+)*)")
_escaped = re.compile(rb"\\([,= ])")
_origin = re.compile(rb',origin="(\w+)"')
_begun = b',origin="'
_heartbeat = Source.HEARTBEAT.value.encode()
_BACKSLASH = ord("\\")

_Owner = tuple[str, str] | None
_NOBODY: _Owner = None

Stored = Callable[[Sequence[bytes]], Container[bytes]]
"""Which of some lines are stored, as far as that is known."""


def _none(_: Sequence[bytes]) -> Container[bytes]:
    return ()


def whose(payload: bytes, stored: Stored = _none) -> Sequence[Named] | None:
    """Who has states in a compressed payload, 2 µs a line. None: it is not whole, or holds a line that is none of ours.

    Heartbeats, and what tells of no entity's state, are nobody's. What is `stored` already is not missing.
    """
    try:
        lines = gzip.decompress(payload).removesuffix(b"\n").split(b"\n")
        return _owners(lines, stored(lines))
    except (OSError, EOFError, zlib.error, ValueError):
        return None


def _owners(lines: Sequence[bytes], stored: Container[bytes]) -> Sequence[Named]:
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
            owner = owners[head] = _owner(head)
        if owner is None:
            continue
        origin = _origin.search(line) if _begun in line else None  # a search alone takes four times as long
        if origin is not None and (origin[1] == _heartbeat or line in stored):
            continue
        if line in stored:
            found.pass_over(*owner, int(line[line.rindex(b" ") :]))
        else:
            found.add(*owner, int(line[line.rindex(b" ") :]), live=origin is None)
    return found.all


def _owner(head: bytes) -> _Owner:
    """The registry id and the entity id that a line's beginning tells."""
    told = {key: _text(value) for key, value in _owner_tags.findall(head)}
    name = told.get(b"entity_id")
    if name is None or (b"registry_id" not in told and "." in name):
        return _NOBODY
    if b"registry_id" in told:
        return told[b"registry_id"], name
    if b"domain" not in told:
        raise ValueError("an entity without its domain")
    entity_id = f"{told[b'domain']}.{name}"
    return entity_id, entity_id


def _text(value: bytes) -> str:
    return (_escaped.sub(rb"\1", value) if b"\\" in value else value).decode()
