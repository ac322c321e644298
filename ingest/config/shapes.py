"""Kinds that are more than a number or a word: addresses, secrets, lists. Filter patterns are in `config/filter_kinds.py`."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Mapping
from contextlib import suppress
from ipaddress import IPv4Network, IPv6Network, ip_network
from types import MappingProxyType
from typing import cast
from urllib.parse import SplitResult, urlsplit

from ingest.config.kinds import Kind, Wrong, items, read_all, said
from ingest.core.secret import MASK, Secret


def secret() -> Kind:
    """A text that is never shown."""

    def parse(raw: object) -> Secret | None:
        if isinstance(raw, Secret):
            return raw
        if not isinstance(raw, str):
            raise Wrong("the value is not a text (it is not shown)")
        return Secret(raw) if raw else None

    return Kind("a text in quotes", parse, lambda value: "" if value is None else MASK, secret=True, optional=True)


def url(*schemes: str, normal: Callable[[str], str] = lambda text: text.rstrip("/")) -> Kind:
    """An absolute address without credentials, made uniform by `normal`; "" is none."""

    def parse(raw: object) -> str | None:
        if not isinstance(raw, str):
            raise Wrong(f"{said(raw)} is not an address")
        if not raw.strip():
            return None
        _check(_split(raw.strip()), raw, schemes)
        return normal(raw.strip())

    return Kind(f"an address such as {schemes[0]}://host:port", parse, lambda value: value or "", optional=True)


def words() -> Kind:
    """Names; in the environment separated by commas."""

    def parse(raw: object) -> tuple[str, ...]:
        return tuple(read_all(_word, items(unjson(raw), "a list of names")))

    return Kind('a list of names, such as ["token"]', parse, list)


def by_domain() -> Kind:
    """Names by domain, read-only."""

    def parse(raw: object) -> Mapping[str, tuple[str, ...]]:
        table = unjson(raw)
        if not isinstance(table, Mapping):
            raise Wrong(f"{said(raw)} is not a table of lists")
        return MappingProxyType(dict(read_all(lambda item: (_word(item[0]), words().parse(item[1])), table.items())))

    return Kind(
        'a table of lists, such as {camera = ["brand"]}',
        parse,
        lambda value: {domain: list(names) for domain, names in value.items()},
    )


def texts() -> Kind:
    """A text for each name, read-only."""

    def parse(raw: object) -> Mapping[str, str]:
        table = unjson(raw)
        if not isinstance(table, Mapping):
            raise Wrong(f"{said(raw)} is not a table of texts")
        return MappingProxyType(dict(read_all(lambda item: (_word(item[0]), _word(item[1])), table.items())))

    return Kind('a table of texts, such as {source = "HA"}', parse, dict)


def measurement() -> Kind:
    """A measurement's name, or "" for none; a line that begins with # would be a comment."""

    def parse(raw: object) -> str:
        name = raw.strip() if isinstance(raw, str) else "#"
        if name.startswith("#") or re.search(r"[\x00-\x1f]", name):
            raise Wrong(f"{said(raw)} is not a measurement's name")
        return name

    return Kind('a name of printable characters that does not begin with #, or "" for none', parse, optional=True)


def networks() -> Kind:
    """IP networks; a single address is a network of one."""

    def parse(raw: object) -> tuple[IPv4Network | IPv6Network, ...]:
        return tuple(read_all(_network, items(unjson(raw), "a list of networks")))

    return Kind('a list of networks, such as ["192.168.1.0/24"]', parse, lambda value: [str(each) for each in value])


def origins() -> Kind:
    """Origins of web pages, or `*`."""

    def parse(raw: object) -> tuple[str, ...]:
        return tuple(read_all(_origin, items(unjson(raw), "a list of origins")))

    return Kind('a list of origins, such as ["https://dash.example"]', parse, list)


def unjson(raw: object) -> object:
    """The value of a text that is JSON, or TOML as a file of the configuration would hold it. Raises `Wrong`."""
    if not isinstance(raw, str) or not raw.lstrip().startswith(("[", "{")):
        return raw
    try:
        return cast("object", json.loads(raw))
    except (ValueError, RecursionError) as error:
        with suppress(ValueError, RecursionError):
            return cast("object", tomllib.loads(f"value = {raw.strip()}")["value"])
        place = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        raise Wrong(f"the value is not JSON{place}, nor TOML") from None


def _split(raw: str) -> SplitResult:
    try:
        parts = urlsplit(raw)
        _ = parts.port  # read here because a bad port raises only when asked for
    except ValueError:
        raise Wrong(f"{said(raw)} is not an address") from None
    return parts


def _check(parts: SplitResult, raw: str, schemes: tuple[str, ...]) -> None:
    if parts.username is not None:
        raise Wrong("the address holds a user or password (it is not shown), which would reach logs")
    if parts.scheme not in schemes:
        # Without a scheme it may as well be a token in the wrong place.
        shown = said(raw) if "://" in raw else "the value (not shown)"
        raise Wrong(f"{shown} does not start with {' or '.join(f'{each}://' for each in schemes)}")
    if not parts.hostname or re.search(r"[\s\x00-\x1f\x7f]", raw.strip()):
        raise Wrong(f"{said(raw)} names no host, or holds a space")
    if parts.query or parts.fragment:
        raise Wrong("the address ends in a query or fragment (it is not shown)")


def _word(raw: object) -> str:
    if not isinstance(raw, str) or not raw.strip() or re.search(r"[\x00-\x1f]", raw.strip()):
        raise Wrong(f"{said(raw)} in the list is not a name")
    return raw.strip()


def _network(raw: object) -> IPv4Network | IPv6Network:
    try:
        return ip_network(raw.strip() if isinstance(raw, str) else "")
    except ValueError:
        raise Wrong(f"{said(raw)} is not a network (the bits after its prefix must be 0)") from None


def _origin(raw: object) -> str:
    text = _word(raw).rstrip("/")
    if text != "*" and not (re.fullmatch(r"https?://[A-Za-z0-9.\-\[\]:]+", text) and _names_a_host(text)):
        raise Wrong(f"{said(raw)} is not an origin: scheme, host and port, no path")
    return text


def _names_a_host(address: str) -> bool:
    try:
        return bool(_split(address).hostname)
    except Wrong:
        return False
