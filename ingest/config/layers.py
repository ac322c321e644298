"""Where values come from: each source is a layer of raw values by dotted name, and a later layer wins.

Inside a layer two ways of saying the same thing are an error (`token` and `token_file`) unless they have an order
(the variables of one key). A secret given in one way takes back the other way of the layers below.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from ingest.config.addon import OPTIONS_VARIABLE, options_layer, supervisor_layer
from ingest.config.addon import folder as addon_folder
from ingest.config.complaint import Report, complaint, unknown_key, unknown_variable
from ingest.config.files import FILE_VARIABLE, SYSTEM_FILE, SYSTEM_STATE, user_directory
from ingest.config.filter_table import INLINE_VARIABLES, with_filter
from ingest.config.given import Given, Layer
from ingest.config.kinds import Wrong
from ingest.config.kubernetes import of_kubernetes
from ingest.config.options import PREFIX, Key
from ingest.config.secrets import TWINS, credentials
from ingest.config.settings import KEYS, SECTIONS

_BARE: Final = ("API_KEY", "API_KEY_FILE")
_DATA_API_KEYS: Final = (*KEYS["data_api.api_key"].variables, *KEYS["data_api.api_key_file"].variables)


def default_layer(environ: Mapping[str, str], file: Path | None = None) -> Layer:
    """What the machine decides where nobody says anything: where the files are, for this configuration file."""
    folder, origin = _state_folder(environ, file)
    if folder is None:
        return {}
    return {
        "embedded.path": Given(folder / "home.db", origin),
        "spool.path": Given(folder / "state.db", origin),
    }


def _state_folder(environ: Mapping[str, str], file: Path | None) -> tuple[Path | None, str]:
    """A configuration of the machine has its state where systemd gives it one: so the service and commands agree."""
    if state := environ.get("STATE_DIRECTORY", "").split(":")[0]:
        return Path(state), "default in $STATE_DIRECTORY"
    if (own := addon_folder(environ)) is not None:
        return own, "default beside the options"
    if file is not None and Path(os.path.normpath(file.absolute())).parent == SYSTEM_FILE.parent:
        return SYSTEM_STATE, f"default for a file in {SYSTEM_FILE.parent}"
    data = user_directory(environ, "XDG_DATA_HOME", ".local/share")
    return data and data / "homeiq-ingest", "default"


def toml_layer(table: Mapping[str, Any], path: Path, report: Report, home: Path | None = None) -> Layer:
    """A file's values; relative paths in it start at its directory, and at `home` those that begin with `~/`."""
    origin = f"file {path}"
    layer = {}
    for name, raw in _flat(table, origin, report):
        if name in KEYS:
            layer[name] = Given(_whole_path(KEYS[name], raw, path.parent, home), origin)
        else:
            report(unknown_key(name, origin))
    return _finished(layer, None, report)


def credential_layer(environ: Mapping[str, str]) -> Layer:
    """What systemd credentials give: the files of secrets, by the settings they are named after."""
    found = {TWINS[name]: Given(path, f"credential {name}") for name, path in credentials(environ).items()}
    return _one_way(found, lambda _: None)


def addon_layers(environ: Mapping[str, str], report: Report) -> tuple[Layer, Layer]:
    """Of an app of Home Assistant's: the options of its user, and what its Supervisor gives."""
    return _finished(options_layer(environ, report), None, report), _one_way(supervisor_layer(environ), report)


def environment_layer(environ: Mapping[str, str], report: Report, warn: Report) -> Layer:
    """What variables say, our own and HomeIQ's. An empty variable says nothing."""
    said = {name: text for name, text in environ.items() if text}
    _report_unknown(said, report)
    layer = {}
    for key in KEYS.values():
        found = [name for name in key.variables if name in said]
        if found:
            layer[key.name] = Given(said[found[0]], f"environment {found[0]}")
            _warn_of_others(key, found, said, warn)
    inline = next((name for name in INLINE_VARIABLES if name in said), None)
    return _finished(layer, Given(said[inline], f"environment {inline}") if inline else None, report)


def override_layer(overrides: Mapping[str, object], report: Report) -> Layer:
    """What the command line says; None is an option that was not given.

    A secret must arrive as a `Secret`: as a text it stood in the list of processes.
    """
    layer = {}
    for name, raw in overrides.items():
        if name not in KEYS:
            report(unknown_key(name, "command line"))
        elif name in TWINS and isinstance(raw, str):
            report(
                complaint(name, "command line", "every user of this machine can read it there", f"Set {TWINS[name]}")
            )
        elif raw is not None:
            layer[name] = Given(raw, "command line")
    return _finished(layer, None, report)


def without_bare_key(environ: Mapping[str, str], *, data_api: bool) -> Mapping[str, str]:
    """`environ` without a bare API_KEY, unless it can only be data-api's: that is in use and no better name is set."""
    better = any(environ.get(name) for name in _DATA_API_KEYS if name not in _BARE)
    if data_api and not better:
        return environ
    return {name: text for name, text in environ.items() if name not in _BARE}


def _flat(table: Mapping[str, Any], origin: str, report: Report) -> Iterator[tuple[str, object]]:
    for name, value in table.items():
        if name not in SECTIONS:
            yield name, value
        elif isinstance(value, Mapping):
            yield from ((f"{name}.{key}", inner) for key, inner in value.items())
        else:
            report(
                complaint(name, origin, "this is a section, not a value", f"Write a line [{name}] and its keys below")
            )


def _whole_path(key: Key, raw: object, directory: Path, home: Path | None) -> object:
    if not key.kind.path or not isinstance(raw, str) or not raw:
        return raw
    if raw.startswith("~"):
        return str(home / raw[2:]) if home is not None and raw.startswith("~/") else raw
    return str(directory / raw)


def _finished(layer: Layer, inline: Given | None, report: Report) -> Layer:
    return _one_way(with_filter(layer, inline, report), report)


def _one_way(layer: Layer, report: Report) -> Layer:
    whole = dict(layer)
    for name, twin in TWINS.items():
        if name in layer and twin in layer:
            origin = f"{layer[name].origin} and {layer[twin].origin}"
            report(complaint(name, origin, f"{twin} is given as well", "Keep one of the two"))
        if name in layer:
            whole[twin] = Given("", layer[name].origin)
        elif twin in layer:
            whole[name] = Given("", layer[twin].origin)
    return whole


def _report_unknown(said: Mapping[str, str], report: Report) -> None:
    known = {key.variable for key in KEYS.values()} | {FILE_VARIABLE, OPTIONS_VARIABLE, *INLINE_VARIABLES}
    for name, text in said.items():
        if name.upper().startswith(PREFIX) and name not in known and not of_kubernetes(name, text):
            report(unknown_variable(name, known))


def _warn_of_others(key: Key, found: list[str], said: Mapping[str, str], warn: Report) -> None:
    for other in found[1:]:
        if _meaning(key, said[other]) != _meaning(key, said[found[0]]):
            warn(f"{other} is not used for {key.name}: {found[0]} says otherwise and comes first.")


def _meaning(key: Key, text: str) -> object:
    try:
        return key.kind.parse(text)
    except Wrong:
        return None
