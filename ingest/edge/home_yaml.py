"""Home Assistant's configuration files: YAML with tags of its own. The one module that knows `yaml`.

`!secret NAME` is looked up in the `secrets.yaml` beside the file, else in the folders above, as far as the one of
`configuration.yaml`; `!include FILE` and `!include_dir_…` read other files; `!env_var NAME default` asks the environment.
What is under other keys than the wanted one is not looked at: its secrets stay where they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from attrs import define, evolve, field, frozen

from ingest.core.home_packages import merged
from ingest.errors import Refused

SECRETS: Final = "secrets.yaml"
ROOT: Final = "configuration.yaml"
LARGEST: Final = 8 * 1024 * 1024
"""Bytes of a file that are read."""

DEEPEST: Final = 4
"""Folders in which a file's secrets are looked for."""

_REMEDY: Final = "Fix it: Home Assistant cannot read it, either."

_GATHERED: Final[Mapping[str, Callable[[Sequence[tuple[str, object]]], object]]] = {
    "!include_dir_list": lambda files: [value for _, value in files],
    "!include_dir_named": dict,
    "!include_dir_merge_list": lambda files: [item for _, value in files if isinstance(value, list) for item in value],
    "!include_dir_merge_named": lambda files: {
        key: item for _, value in files if isinstance(value, dict) for key, item in value.items()
    },
}
"""What the files of a folder, by name and value, become."""


@frozen
class Block:
    """What is under a key, and which keys of it came of `secrets.yaml` or the environment: those are not for printing.

    `remarks` are sentences on what packages say of it and Home Assistant does not take.
    """

    values: Mapping[str, object]
    hidden: frozenset[str]
    remarks: tuple[str, ...] = ()


def read_block(path: Path, key: str, own: frozenset[str], environ: Mapping[str, str]) -> Block:
    """The mapping under `key` in a configuration file; or the file's whole, when it holds one of the `own` keys itself.

    What the packages of `homeassistant: packages:` have under the key is joined with it, as Home Assistant does it.
    Raises `Refused` when the file, or one that it includes, cannot be read, and when there is no such block.
    """
    reader = _Reader(environ)
    with _explained(path):
        node = reader.node(path)
        there = _members(node)
        if key not in there and own & there.keys():
            return reader.block(node, path)
        found = reader.block(there[key], path) if key in there else None
        for name, package, where in reader.packages(there.get("homeassistant"), path):
            if key in (members := _members(package)):
                found = _joined(found or Block({}, frozenset()), name, reader.block(members[key], where), where)
    if found is not None:
        return evolve(found, remarks=(*reader.lacking, *found.remarks))
    raise Refused(
        f"the file holds no `{key}:`",
        where=str(path),
        remedy=f"Give the file in which its lines are: configuration.yaml, a package, or the file that `{key}: !include` names.",
    )


def _joined(block: Block, name: str, package: Block, where: Path) -> Block:
    try:
        values, refused = merged(block.values, package.values)
    except KeyError as error:
        what = f"package {name}: {error.args[0]} is a mapping, and is something else before it"
        raise Refused(what, where=str(where), remedy=_REMEDY) from None
    why = "which is set before it, nor what stands after it there."
    more = [f"package {name}: Home Assistant does not take its {key}, {why}" for key in refused]
    return Block(values, block.hidden | package.hidden, (*block.remarks, *more))


@define
class _Reader:
    """`hidden` counts what came of secrets and of the environment so far; `lacking` are remarks on folders that are none."""

    environ: Mapping[str, str]
    hidden: int = 0
    lacking: list[str] = field(factory=list)
    _secrets: dict[Path, Mapping[str, object]] = field(factory=dict)

    def node(self, path: Path) -> Any:
        """A file's document as PyYAML's nodes, its tags as they stand."""
        import yaml  # noqa: PLC0415  for this command only

        with path.open("rb") as file:
            raw = file.read(LARGEST + 1)
        if len(raw) > LARGEST:
            raise Refused("the file is far too large for a configuration", where=str(path), remedy="Give another one.")
        return yaml.compose(raw.decode("utf-8-sig"), Loader=yaml.SafeLoader)

    def block(self, node: Any, path: Path) -> Block:
        """A mapping's values; an included file's, when the node is its name."""
        node, path = self._followed(node, path)
        values, hidden = dict[str, object](), set[str]()
        for name, member in _members(node).items():
            before = self.hidden
            values[name] = self.value(member, path)
            if self.hidden > before:
                hidden.add(name)
        return Block(values, frozenset(hidden))

    def packages(self, core: Any, path: Path) -> Iterator[tuple[str, Any, Path]]:
        """The packages that are under `homeassistant:`, each with its name and the file in which it is."""
        core, path = self._followed(core, path)
        found, path = self._followed(_members(core).get("packages"), path)
        tag = getattr(found, "tag", None)
        if tag not in {"!include_dir_named", "!include_dir_merge_named"}:
            yield from self._each(found, path)
            return
        if not (folder := path.parent / found.value).is_dir():
            self.lacking.append(f"packages: {folder} is no folder here, and what the packages in it add is lacking.")
        for each in _files(folder):
            with _explained(each):
                node = self.node(each)
            yield from [(each.stem, node, each)] if tag == "!include_dir_named" else self._each(node, each)

    def _each(self, packages: Any, path: Path) -> Iterator[tuple[str, Any, Path]]:
        return ((name, *self._followed(each, path)) for name, each in _members(packages).items())

    def _followed(self, node: Any, path: Path) -> tuple[Any, Path]:
        """The node; an included file's, when it is its name."""
        if getattr(node, "tag", None) != "!include":
            return node, path
        path = path.parent / node.value
        with _explained(path):
            return self.node(path), path

    def value(self, node: Any, path: Path) -> object:
        """A node as Python's values."""
        import yaml  # noqa: PLC0415  for this command only

        if node is None:
            return None
        if node.tag.startswith("!"):
            return self._tagged(node, path)
        if isinstance(node, yaml.MappingNode):
            return {name: self.value(member, path) for name, member in _members(node).items()}
        if isinstance(node, yaml.SequenceNode):
            return [self.value(each, path) for each in node.value]
        return yaml.constructor.SafeConstructor().construct_object(node)

    def _tagged(self, node: Any, path: Path) -> object:
        folder, name = path.parent, str(node.value)
        match node.tag:
            case "!secret":
                return self._secret(name, path)
            case "!env_var":
                return self._variable(name)
            case "!include":
                return self._file(folder / name)
            case tag if tag in _GATHERED:
                return _GATHERED[tag]([(each.stem, self._file(each)) for each in _files(folder / name)])
        remedy = f"Write the value itself (line {node.start_mark.line + 1})."
        raise Refused(f"the tag {node.tag} is not known here", where=str(path), remedy=remedy)

    def _file(self, path: Path) -> object:
        with _explained(path):
            return self.value(self.node(path), path)

    def _variable(self, text: str) -> object:
        name, _, default = text.partition(" ")
        self.hidden += 1
        found = self.environ.get(name, default)
        if not found:
            remedy = "Set it for this command as Home Assistant has it."
            raise Refused(f"the environment has no variable {name}", remedy=remedy)
        return found

    def _secret(self, name: str, path: Path) -> object:
        self.hidden += 1
        looked = list(_upward(path))
        for folder in looked:
            if name in (found := self._secrets_of(folder)):
                return found[name]
        where = " or ".join(str(folder / SECRETS) for folder in looked)
        raise Refused(
            f"there is no secret {name}", where=where, remedy=f"Copy {SECRETS} beside the file, or write the value."
        )

    def _secrets_of(self, folder: Path) -> Mapping[str, object]:
        if folder not in self._secrets:
            path = folder / SECRETS
            with _explained(path):
                found = self.value(self.node(path), path) if path.is_file() else {}
            self._secrets[folder] = found if isinstance(found, dict) else {}
        return self._secrets[folder]


def _members(node: Any) -> Mapping[str, Any]:
    """A mapping node's values by name, with what `<<` brings in; the last of two of one name counts."""
    import yaml  # noqa: PLC0415  for this command only

    if not isinstance(node, yaml.MappingNode):
        return {}
    constructor = yaml.constructor.SafeConstructor()
    constructor.flatten_mapping(node)
    return {str(name.value): member for name, member in node.value}


def _files(folder: Path) -> list[Path]:
    """The YAML files of a folder and of those in it, by name; hidden ones are none."""
    found = (each for each in folder.rglob("*.yaml") if each.name != SECRETS)
    return sorted(each for each in found if not any(part.startswith(".") for part in each.relative_to(folder).parts))


def _upward(path: Path) -> Iterator[Path]:
    """The folders in which a file's secrets may be, the nearest first."""
    for folder in list(path.absolute().parents)[:DEEPEST]:
        yield folder
        if (folder / ROOT).exists():
            return


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Errors of the file and of its YAML as `Refused`; no text of the file is in them, for it may be a secret."""
    import yaml  # noqa: PLC0415  for this command only

    try:
        yield
    except OSError as error:
        raise Refused(
            f"the file cannot be read: {error.strerror}", where=str(path), remedy="Check its name and rights."
        ) from error
    except UnicodeDecodeError as error:
        raise Refused("the file is not UTF-8", where=str(path), remedy="Save it as UTF-8.") from error
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise Refused(f"the file is not YAML{place}", where=str(path), remedy=_REMEDY) from None
    except RecursionError:
        raise Refused("the file includes itself", where=str(path), remedy=_REMEDY) from None
