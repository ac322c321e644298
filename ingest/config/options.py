"""A setting is an attrs field that knows its kind, its meaning and the environment variables that give it.

Everything else (loading, errors, `show`, the reference page) is derived from the classes by walking them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import attrs
from attrs import field, frozen

from ingest.config.kinds import Kind

PREFIX: Final = "HOMEIQ_INGEST_"
_OPTION: Final = "homeiq-ingest option"


@frozen
class Option:
    """`doc` is a sentence. `aliases` are HomeIQ's variables, the first wins; `changed` says how their meaning differs."""

    kind: Kind
    doc: str
    aliases: tuple[str, ...] = ()
    changed: str = ""


@frozen
class Key:
    """One setting of the tree. `name` is dotted, `default` its value when nobody gives one."""

    name: str
    option: Option
    default: object

    @property
    def kind(self) -> Kind:
        """What the value may be, and how it is read and shown."""
        return self.option.kind

    @property
    def variable(self) -> str:
        """Our own environment variable for it."""
        return PREFIX + self.name.replace(".", "_").upper()

    @property
    def variables(self) -> tuple[str, ...]:
        """Every environment variable that gives it, the strongest first."""
        return (self.variable, *self.option.aliases)


def option(default: Any, kind: Kind, doc: str, aliases: tuple[str, ...] = (), changed: str = "") -> Any:
    """An attrs field that is a setting."""
    return field(default=default, metadata={_OPTION: Option(kind, doc, aliases, changed)})


def section(kind: type[Any]) -> Any:
    """An attrs field that is a table of settings."""
    return field(factory=kind)


def keys(tree: type[Any]) -> Mapping[str, Key]:
    """Every setting of the tree by its dotted name, in the order of the classes."""
    return {key.name: key for key in _walk(tree, "")}


def sections(tree: type[Any]) -> Mapping[str, type[Any]]:
    """The tree's tables by name."""
    return {each.name: inner for each in attrs.fields(tree) if (inner := _factory(each))}


def _walk(tree: type[Any], prefix: str) -> Iterator[Key]:
    for each in attrs.fields(tree):
        inner = _factory(each)
        if inner is None:
            yield Key(prefix + each.name, each.metadata[_OPTION], each.default)
        else:
            yield from _walk(inner, f"{each.name}.")


def _factory(each: attrs.Attribute[Any]) -> type[Any] | None:
    return getattr(each.default, "factory", None)
