"""Values of an integration's YAML, read as Home Assistant's own `helpers/config_validation.py` reads them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias, TypeVar

from attrs import define, field

from ingest.config.complaint import complaint
from ingest.config.kinds import Wrong, read_all, said

T = TypeVar("T")
Part: TypeAlias = Callable[[object], T]

_TRUE: Final = {"1", "true", "yes", "on", "enable"}
_FALSE: Final = {"0", "false", "no", "off", "disable"}
_ENTITY_ID: Final = re.compile(r"(?!.+__)(?!_)[\da-z_]+(?<!_)\.(?!_)[\da-z_]+(?<!_)")
_REMEDY: Final = "Fix it: Home Assistant refuses it, too"


@define
class MappingReader:
    """A mapping whose keys are taken one by one. What is wrong is kept in `problems`, a sentence each.

    `others` are keys of mappings inside of it that nobody knows, with their path.
    """

    given: Mapping[str, object]
    path: str = ""
    problems: list[str] = field(factory=list)
    others: list[str] = field(factory=list)
    _taken: set[str] = field(factory=set)

    def take(self, key: str, part: Part[T]) -> T | None:
        """The value; None when it is not given, and when it is wrong."""
        self._taken.add(key)
        return self._read(key, self.given[key], part) if key in self.given else None

    def name(self, key: str, part: Part[T]) -> T | None:
        """The key itself, read as a value; None when it is wrong."""
        return self._read(key, key, part)

    def refuse(self, key: str, why: str) -> None:
        """Keep a problem with this key."""
        self.problems.append(complaint(self.path + key, "", why, _REMEDY))

    def _read(self, key: str, raw: object, part: Part[T]) -> T | None:
        try:
            return part(raw)
        except Wrong as error:
            for why in error.args:
                self.refuse(key, why)
            return None

    def inside(self, key: str) -> MappingReader:
        """The mapping that is the value; its problems are kept with these."""
        return MappingReader(self.take(key, table) or {}, f"{self.path}{key}.", self.problems)

    def left(self) -> tuple[str, ...]:
        """The keys that nobody took, with their path."""
        return (*(self.path + key for key in self.given if key not in self._taken), *self.others)


def text(raw: object) -> str:
    """A text; numbers and booleans are taken for one. Raises `Wrong` for anything else."""
    if raw is None or isinstance(raw, list | Mapping):
        raise Wrong("it is empty" if raw is None else f"{said(raw)} is not a text")
    return str(raw)


def texts(raw: object) -> tuple[str, ...]:
    """A list of texts; a single one is a list of one, nothing an empty one. Raises `Wrong` for what is no text."""
    return tuple(read_all(text, _listed(raw)))


def entity_ids(raw: object) -> tuple[str, ...]:
    """A list of entity ids, or a text of them separated by commas; in small letters. Raises `Wrong` for anything else."""
    listed = text(raw).split(",") if raw is None or isinstance(raw, str) else _listed(raw)
    return tuple(read_all(entity_id, listed))


def entity_id(raw: object) -> str:
    """One entity id, in small letters. Raises `Wrong` for what is none."""
    found = text(raw).strip().lower()
    if not _ENTITY_ID.fullmatch(found):
        raise Wrong(f"{said(found)} is not an entity id (globs belong under entity_globs)")
    return found


def boolean(raw: object) -> bool:
    """True or false, in any of the ways of saying so. Raises `Wrong` for anything else."""
    if isinstance(raw, bool | int | float):
        return raw != 0
    word = raw.lower().strip() if isinstance(raw, str) else ""
    if word not in _TRUE | _FALSE:
        raise Wrong(f"{said(raw)} is neither true nor false")
    return word in _TRUE


def whole(low: int, high: int) -> Part[int]:
    """A whole number from `low` to `high`; a text of digits is one."""

    def part(raw: object) -> int:
        try:
            number = int(raw) if isinstance(raw, str | int | float) else low - 1
        except (ValueError, OverflowError):
            number = low - 1
        if not low <= number <= high:
            raise Wrong(f"{said(raw)} is not a whole number from {low} to {high}")
        return number

    return part


def one_of(*words: str) -> Part[str]:
    """A part that is one of these texts. It raises `Wrong` for any other."""

    def part(raw: object) -> str:
        found = text(raw)
        if found not in words:
            raise Wrong(f"{said(found)} is not one of {', '.join(words)}")
        return found

    return part


def table(raw: object) -> Mapping[str, object]:
    """Values by name. Raises `Wrong` for anything else, nothing at all among it."""
    if not isinstance(raw, Mapping):
        raise Wrong("there is nothing behind it" if raw is None else f"{said(raw)} is not a mapping")
    return {text(key): value for key, value in raw.items()}


def texts_by_name(raw: object) -> Mapping[str, str]:
    """A table of texts by name. Raises `Wrong` for anything else."""
    return dict(read_all(lambda item: (item[0], text(item[1])), table(raw).items()))


def unseen(raw: object) -> str:
    """A text that no error shows. Raises `Wrong` for what is none, without naming it."""
    if raw is None or isinstance(raw, list | Mapping) or not str(raw):
        raise Wrong("it holds no text")
    return str(raw)


def _listed(raw: object) -> list[object]:
    if raw is None:
        return []
    return list(raw) if isinstance(raw, list) else [raw]
