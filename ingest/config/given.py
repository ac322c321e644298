"""A raw value on its way to the settings, and where it came from, so that an error can say so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from attrs import field, frozen


@frozen
class Given:
    """What somebody said, and where. It may be a secret, so it is never printed."""

    raw: object = field(repr=False)
    origin: str


Layer: TypeAlias = Mapping[str, Given]
