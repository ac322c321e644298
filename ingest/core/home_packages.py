"""How Home Assistant joins what its packages say of one integration with what `configuration.yaml` says of it.

Mappings are joined key by key and lists are appended, the packages in their order. A single value is taken only where
there is none yet: at one that is there already Home Assistant logs "has duplicate key", and passes over the rest of
that mapping.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def merged(values: Mapping[str, object], package: Mapping[str, object]) -> tuple[dict[str, object], tuple[str, ...]]:
    """Both joined, and the keys of the package that are refused, dotted. Raises `KeyError` with a key that cannot be joined.

    That is one which holds a mapping in the package and something else before it: Home Assistant does not start with it.
    """
    found, refused = dict(values), list[str]()
    for key, new in package.items():
        if isinstance(new, Mapping):
            if not new:
                continue
            before = found.get(key, {})
            if not isinstance(before, Mapping):
                raise KeyError(key)
            found[key], inside = merged(before, new)
            refused += [f"{key}.{each}" for each in inside]
        elif isinstance(new, list):
            found[key] = [each for each in (*_listed(found.get(key)), *new) if each]
        elif found.get(key) is not None:
            return found, (*refused, key)
        else:
            found[key] = new
    return found, tuple(refused)


def _listed(value: object) -> Sequence[object]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
