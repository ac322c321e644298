"""A person's configuration as the service's.

What the service may not read where it is comes to /etc. `config.toml` is read by the service and by everybody's commands,
so it holds no secret; each secret is a file of root's in `credentials/`, named as its setting, which is how systemd hands
it on; an authority's certificate or a filter is copied beside it where the service could not see it.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from attrs import field, frozen

from ingest.cli.systemd_places import Places
from ingest.cli.systemd_text import edited, settings_in
from ingest.config.files import SYSTEM_FILE, searched
from ingest.config.load import Loaded, load
from ingest.config.secrets import TWINS
from ingest.config.settings import KEYS
from ingest.core.secret import Secret
from ingest.edge.database_file import is_there
from ingest.edge.interpreters import hidden
from ingest.errors import Refused

STATE: Final = ("spool.path", "embedded.path")
"""Files that the service writes: they are in the folder that systemd gives it."""

_FILES: Final = tuple(
    name for name, key in KEYS.items() if key.kind.path and name not in STATE and name not in TWINS.values()
)


@frozen
class Planned:
    """The text of the configuration, secrets by setting, copies of files by their new path, and what to say of it."""

    text: str
    secrets: Mapping[str, Secret]
    files: Mapping[Path, bytes] = field(factory=dict)
    remarks: tuple[str, ...] = ()


def source(given: Path | None, places: Places) -> Path:
    """The configuration to install: the given one, that of /etc, else that of the person who called sudo, or root's.

    Raises `Refused` where there is none.
    """
    if given is not None:
        return given.absolute()
    if os.path.lexists(places.config):
        return places.config
    if own := owned(places):
        return own[0]
    remedy = "Make one with `homeiq-ingest init`, then run this again; or name it with --config."
    raise Refused("there is no configuration", where=str(places.config), remedy=remedy)


def owned(places: Places) -> list[Path]:
    """The configurations that commands find before that of /etc: of the person who called sudo, and of who runs this."""
    found = dict.fromkeys(path for each in (_person(), os.environ) for path in searched(each))
    return [path for path in found if path not in {places.config, SYSTEM_FILE} and os.path.lexists(path)]


def earlier(config: Path, places: Places) -> Mapping[str, Path]:
    """What a person's configuration was used with, where it is there: the state file, and the store if that is used.

    By the name that each has in the service's folder. Raises `Problems`, or `Refused` where it may not be looked at.
    """
    settings = load(config, _surroundings(config), {}, sections=(), home=_home_of(config)).settings
    files = {"state.db": settings.spool.path}
    if settings.store_kind == "embedded":
        files["home.db"] = settings.embedded.path
    return {name: path for name, path in files.items() if not _in(path, places) and is_there(path)}


def _surroundings(config: Path) -> Mapping[str, str]:
    """Where the files were of who used it: of that person only the home is known, of who runs this what is set."""
    home = _home_of(config)
    of_owner = os.environ if home is None else {"HOME": str(home)}
    found = next((each for each in (_person(), os.environ) if config in searched(each)), of_owner)
    return {name: found[name] for name in ("HOME", "XDG_DATA_HOME") if name in found}


def _person() -> Mapping[str, str]:
    """The surroundings of who sits there: sudo gives its own, with root's home."""
    name = os.environ.get("SUDO_USER")
    if not name:
        return os.environ
    try:
        return {"HOME": pwd.getpwnam(name).pw_dir}
    except KeyError:
        return os.environ


def _home_of(config: Path) -> Path | None:
    """The home of whose configuration it is, who wrote `~` in it; None where that is who runs this, or nobody knows."""
    try:
        owner = config.stat().st_uid
        return None if owner == os.geteuid() else Path(pwd.getpwuid(owner).pw_dir)
    except (OSError, KeyError):
        return None


def planned(path: Path, places: Places) -> Planned:
    """What the service is given of the configuration at `path`. Raises `Problems` where it is not good, or `Refused`."""
    found = load(path, {}, {}, for_running=True, home=_home_of(path))
    text = path.read_text(encoding="utf-8-sig")
    table = settings_in(text)
    values = {name: _value(found, name) for name in KEYS}
    kept = {twin: places.credentials / name for name, twin in TWINS.items() if isinstance(values[name], Secret)}
    files, edits = dict[Path, bytes](), dict[str, tuple[str, object] | None]()
    for name, twin in TWINS.items():
        edits |= {each: (twin, str(kept[twin])) for each in (name, twin) if each in table and twin in kept}
    copied = list[str]()
    for name in _FILES:
        if name in table and isinstance(value := values[name], Path) and _must_move(value, table[name], path, places):
            new = _free(places.config.parent / value.name, name, value, files, places)
            files[new] = _public(value, name)
            edits[name] = (name, str(new))
            copied.append(f"{name} is a copy of {value} from now on: change {new}")
        elif name in table and str(table[name]).startswith("~"):
            edits[name] = (name, str(values[name]))
    moved = [name for name in STATE if name in table and not _in(values[name], places)]
    edits |= dict.fromkeys(moved)
    secrets = {name: value for name in TWINS if isinstance(value := values[name], Secret)}
    public = edited(text, edits, secrets.values())
    return Planned(public.text, secrets, files, (*_remarks(found, moved, places), *copied, *public.remarks))


def credentials(config: Path) -> Mapping[str, Path]:
    """The files of secrets that a configuration names, by setting. None is read. Raises `Problems`."""
    found = load(config, {}, {}, sections=(), home=_home_of(config))
    paths = {name: _value(found, twin) for name, twin in TWINS.items()}
    return {name: path for name, path in paths.items() if isinstance(path, Path)}


def _value(found: Loaded, name: str) -> object:
    value: object = found.settings
    for part in name.split("."):
        value = getattr(value, part)
    return value


def _must_move(file: Path, written: object, config: Path, places: Places) -> bool:
    """The service could not see it, or it is named from the folder of a configuration that goes elsewhere."""
    named_from_there = not str(written).startswith(("~", "/"))
    return hidden(file) or (named_from_there and config.parent != places.config.parent)


def _free(path: Path, setting: str, file: Path, files: Mapping[Path, bytes], places: Places) -> Path:
    """Where the copy goes: two authorities may both be called ca.pem, and a filter as the configuration is."""
    taken = path in {places.config, places.credentials} or (path in files and files[path] != file.read_bytes())
    return path.with_name(f"{setting}.{path.name}") if taken else path


def _public(file: Path, setting: str) -> bytes:
    """What everybody may read of the copy. Raises `Refused` where a private key is in it, as in a bundle of a server's."""
    data = file.read_bytes()
    if b"PRIVATE KEY-----" in data:
        remedy = f"Let {setting} name a file with certificates alone: everybody can read the copy of it."
        raise Refused("a private key is in it", where=str(file), remedy=remedy)
    return data


def _in(value: object, places: Places) -> bool:
    return isinstance(value, Path) and value.parent in {places.state, places.private_state}


def _remarks(found: Loaded, moved: Sequence[str], places: Places) -> Iterator[str]:
    for name in moved:
        more = f" (take the old one along with --state {_value(found, name)})" if name == "spool.path" else ""
        yield f"{name} is left out: the service writes in {places.state} alone{more}"
