"""What is different in the points of some entities, as the configuration says: a value that a rule decides on."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from attrs import frozen

Kept: TypeAlias = Literal["all", "none"] | tuple[str, ...]
"""Which attributes are stored: all of them as the schema does by itself, none, or these as typed fields."""


@frozen
class Treatment:
    """None: as the schema does by itself. `ignore` are attributes that are left out, `measurement` is where the point goes."""

    attributes: Kept | None = None
    measurement: str | None = None
    ignore: tuple[str, ...] = ()

    def keeps(self, name: str) -> bool:
        """True when an attribute of that name is stored."""
        wanted = () if self.attributes == "none" else self.attributes
        return name not in self.ignore and (not isinstance(wanted, tuple) or name in wanted)

    @property
    def keeps_all(self) -> bool:
        """True when no attribute is left out."""
        return not self.ignore and self.attributes in {None, "all"}


USUAL: Final = Treatment()
"""Nothing is different."""
