"""From a file, the environment and the command line to one tree of settings, or to every problem at once."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from attrs import field, frozen

from ingest.config import addon, layers, rules
from ingest.config.complaint import complaint
from ingest.config.files import find, read_toml
from ingest.config.given import Given, Layer
from ingest.config.kinds import Wrong
from ingest.config.secrets import TWINS, is_forbidden, read_secret
from ingest.config.settings import KEYS, SECTIONS, Settings
from ingest.config.warnings import exposed, guarded, warnings
from ingest.errors import Problems, Refused

Secrets: TypeAlias = Literal["needed", "readable", "unread"]
"""`needed`: each that is named must be read. `readable`: one that this user may not read is left out. `unread`: all are."""

_ADDRESS: Final = "home_assistant.url"


@frozen
class Loaded:
    """The settings, where each came from (by dotted name), what to warn of, and the file that was read."""

    settings: Settings
    origins: Mapping[str, str]
    warnings: tuple[str, ...] = ()
    file: Path | None = None


@frozen
class _Reading:
    """What is collected while reading. `bad` are the settings of which nothing can be said any more.

    `sections` are those that are used; None: all. `home` is what `~` means in the file; None: the home of who runs this.
    """

    sections: Collection[str] | None = None
    home: Path | None = None
    secrets: Secrets = "needed"
    problems: list[str] = field(factory=list)
    warnings: list[str] = field(factory=list)
    origins: dict[str, str] = field(factory=dict)
    bad: set[str] = field(factory=set)

    def uses(self, name: str) -> bool:
        """True when somebody will look at this setting."""
        return self.sections is None or name.partition(".")[0] in self.sections


def load(
    path: Path | None,
    environ: Mapping[str, str],
    overrides: Mapping[str, object],
    *,
    for_running: bool = False,
    sections: Collection[str] | None = None,
    home: Path | None = None,
    secrets: Secrets = "needed",
) -> Loaded:
    """Read everything and check it. `overrides` are by dotted name; None in them is "not given".

    `for_running` also asks for what only `run` needs: an address of Home Assistant and its token. With `sections`, what
    is wrong with the values of other sections does not matter, and no secret of theirs is read. `home` is what `~` means
    in the file, where that is another's than of who runs this. `secrets` says what becomes of those in files.
    Raises `Problems` with one sentence for each problem.
    """
    reading = _Reading(sections, home, secrets)
    file = _found(path, environ, reading)
    given = _layers(file, environ, overrides, reading)
    settings = _settings(given, reading)
    _check(settings, rules.FOR_RUNNING if for_running else rules.ALWAYS, reading)
    if reading.problems:
        raise Problems(_told(reading.problems, environ, reading))
    settings = _adjusted(settings, reading)
    return Loaded(settings, reading.origins, _told(reading.warnings, environ, reading), file)


def _found(path: Path | None, environ: Mapping[str, str], reading: _Reading) -> Path | None:
    try:
        return find(path, environ)
    except Refused as error:
        reading.problems.append(f"{error}.")
        reading.bad.update(KEYS)
        return None


def _layers(file: Path | None, environ: Mapping[str, str], overrides: Mapping[str, object], reading: _Reading) -> Layer:
    report, warn = reading.problems.append, reading.warnings.append
    command = layers.override_layer(overrides, report)
    written = _file_layer(file, reading)
    data_api = any("data_api.url" in layer for layer in (command, written)) or any(
        environ.get(name) for name in KEYS["data_api.url"].variables
    )
    environ = layers.without_bare_key(environ, data_api=data_api)
    variables = layers.environment_layer(environ, report, warn)
    options, supervisor = layers.addon_layers(environ, report)
    chosen = (command, variables, layers.credential_layer(environ), options, written)
    address = next((layer[_ADDRESS] for layer in chosen if _ADDRESS in layer), None)
    stack = (*chosen, addon.for_its_home(supervisor, address), layers.default_layer(environ, file))
    return ChainMap(*(dict(layer) for layer in stack))


def _told(sentences: Iterable[str], environ: Mapping[str, str], reading: _Reading) -> tuple[str, ...]:
    """As who runs this knows the settings: in an app of Home Assistant's they are options."""
    if addon.folder(environ) is None:
        return tuple(sentences)
    return tuple(addon.in_its_words(each, reading.origins) for each in sentences)


def _file_layer(file: Path | None, reading: _Reading) -> Layer:
    if file is None:
        return {}
    try:
        layer = layers.toml_layer(read_toml(file), file, reading.problems.append, reading.home)
    except Refused as error:
        reading.problems.append(f"{error}.")
        reading.bad.update(KEYS)
        return {}
    with suppress(OSError):  # gone, or moved, since it was read
        reading.warnings.extend(exposed(file, layer))
    return layer


def _settings(given: Layer, reading: _Reading) -> Settings:
    values = {name: _value(name, given.get(name), reading) for name in KEYS}
    for name, twin in TWINS.items():
        path = values[twin]
        if isinstance(path, Path) and reading.uses(name) and reading.secrets != "unread":
            values[name] = _from_file(name, path, reading)
    return _tree(values)


def _value(name: str, given: Given | None, reading: _Reading) -> object:
    key = KEYS[name]
    reading.origins[name] = given.origin if given else "default"
    if given is None:
        return key.default
    try:
        return key.kind.parse(given.raw)
    except Wrong as error:
        if reading.uses(name):
            remedy = f"Give {key.kind.wanted}"
            reading.problems.extend(complaint(name, given.origin, what, remedy) for what in error.args)
        reading.bad.add(name)
        return key.default


def _from_file(name: str, path: Path, reading: _Reading) -> object:
    origin = reading.origins[TWINS[name]]
    reading.origins[name] = f"file {path}, from {origin}"
    try:
        return read_secret(path)
    except Refused as error:
        if reading.secrets == "readable" and is_forbidden(error.__cause__):
            reading.origins[name] += ", which this user may not read"
        else:
            reading.problems.append(complaint(TWINS[name], origin, error.what, error.remedy))
        reading.bad.update((name, TWINS[name]))
        return None


def _tree(values: Mapping[str, Any]) -> Settings:
    sections = {name: kind(**_below(name, values)) for name, kind in SECTIONS.items()}
    return Settings(**{name: value for name, value in values.items() if "." not in name}, **sections)


def _below(section: str, values: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name.rpartition(".")[2]: value for name, value in values.items() if name.startswith(f"{section}.")}


def _check(settings: Settings, held: Iterable[rules.Rule], reading: _Reading) -> None:
    for rule in held:
        for finding in rule(settings):
            name = finding.keys[0]
            if reading.uses(name) and reading.bad.isdisjoint(finding.keys):
                reading.problems.append(complaint(name, reading.origins[name], finding.what, finding.remedy))


def _adjusted(settings: Settings, reading: _Reading) -> Settings:
    settings, scaled = rules.scaled(settings)
    settings, why = guarded(settings)
    reading.origins.update(dict.fromkeys(scaled, "scaled to memory.max_mb"))
    if why is not None:
        reading.origins["api.host"] += ", changed: see the warning"
        reading.warnings.append(why)
    reading.warnings.extend(warnings(settings))
    return settings
