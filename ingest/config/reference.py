"""The reference page, made from the settings tree: `python -m ingest.config.reference > docs/reference/configuration.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from ingest.config.filter_table import INLINE_VARIABLES
from ingest.config.options import Key
from ingest.config.settings import KEYS, SECTIONS, Settings
from ingest.config.toml import toml_value

_HEAD: Final = """\
# Configuration

<!-- Made from the code: python -m ingest.config.reference > docs/reference/configuration.md -->

Every setting has a place in one TOML file, a variable in the environment and a name on the command line. Each source
overrides the one before: defaults, the file, systemd credentials, the environment, the command line.

* **File.** `--config PATH`, else `$HOMEIQ_INGEST_CONFIG`, else the first that exists of
  `$XDG_CONFIG_HOME/homeiq-ingest/config.toml` (`~/.config/…`) and `/etc/homeiq-ingest/config.toml`. Relative paths in it
  start at its directory.
* **Environment.** `HOMEIQ_INGEST_<SECTION>_<KEY>`, and HomeIQ's names as listed below; ours come first. An empty
  variable counts as not set. Lists are separated by commas, or are JSON or TOML as in the file; so are tables.
* **Command line.** `--set section.key=value`; not for secrets, which every user of the machine could read there.
* **Options.** In [the app](../how-to/addon.md) of Home Assistant its user's options are a source, too, between the file and systemd's
  credentials: `$HOMEIQ_INGEST_OPTIONS` names them. An option is called as the setting with `_` for the dot: `influxdb_url`. All that
  is no path can be one.
* **Secrets.** Each `token` has a twin `token_file` (and `api_key` an `api_key_file`), whose file holds the secret alone;
  give one of the two. Those of Home Assistant, of the database and of data-api are read again at every attempt, that of the API at the start. A systemd credential is found by the setting's name:
  `LoadCredential=home_assistant.token:/etc/homeiq-ingest/token`.
* **Durations** are seconds or texts such as `"30s"`, `"5m"`, `"24h"`, `"400d"`; **sizes** bytes or `"16MiB"`; `""` is
  "none" where that is allowed.

An unknown key, an unknown `HOMEIQ_INGEST_…` variable or a bad value is an error; the variables that Kubernetes makes of a
Service named `homeiq-ingest` (`HOMEIQ_INGEST_SERVICE_HOST`, `HOMEIQ_INGEST_PORT_8001_TCP` …) are passed over. `homeiq-ingest config check` names all
of them at once (exit code 2); `homeiq-ingest config show` prints what is in effect and where it came from.
"""
_ALIASES: Final = """\
## HomeIQ's variables

These are read as they stand in an existing HomeIQ installation; variables of its other services are ignored.

| variable | setting |
|---|---|
"""
_CHANGED: Final = """\
## HomeIQ's variables whose meaning changed

| variable | setting | what is different |
|---|---|---|
"""

EXPLAINED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "": "[store your own home](../how-to/own-home.md), [devices and entities](schema.md#devices-and-entities)",
        "home_assistant": "[store your own home](../how-to/own-home.md), [retries](../explanation/retries.md)",
        "discovery": "[what is known of an entity](../explanation/discovery.md)",
        "filter": "[choose what is stored](../how-to/choose-what-is-stored.md)",
        "attributes": "[what is stored, and what is not](schema.md#what-is-stored-and-what-is-not)",
        "intake": "[links and overflow](../explanation/architecture.md#links-and-overflow)",
        "store_link": "[links and overflow](../explanation/architecture.md#links-and-overflow)",
        "batch": "[the batch algorithm](../explanation/batching.md)",
        "spool": "[the state file](state-file.md)",
        "memory": "[links and overflow](../explanation/architecture.md#links-and-overflow)",
        "store": "[store your own home](../how-to/own-home.md)",
        "influxdb": "[store your own home](../how-to/own-home.md), [the schema](schema.md), [retries](../explanation/retries.md#the-store)",
        "homeassistant_schema": "[the schema `homeassistant`](schema-homeassistant.md)",
        "original": "[move from the `influxdb` integration](../how-to/from-the-influxdb-integration.md)",
        "embedded": "[the embedded store](embedded-store.md)",
        "data_api": "[data-api](data-api.md)",
        "api": "[the API](api.md), [look at it](../how-to/status-page.md)",
        "log": "[the log](log.md)",
    }
)
"""Where the settings of a section are explained, as Markdown. A test follows every link."""


def reference() -> str:
    """The whole reference page as Markdown, made of the settings tree."""
    tables = [_section("", Settings), *(_section(name, kind) for name, kind in SECTIONS.items())]
    aliases = _ALIASES + "\n".join(_alias_rows()) + "\n"
    changed = _CHANGED + "\n".join(_changed_rows()) + "\n"
    return "\n".join([_HEAD, *tables, aliases, changed])


def _section(name: str, kind: type[Any]) -> str:
    title = f"`[{name}]`" if name else "Top level"
    about = (kind.__doc__ or "").strip() if name else "These stand above the first section."
    rows = [_row(key) for key in KEYS.values() if key.name.rpartition(".")[0] == name]
    head = "| key | default | may be | meaning | variables |\n|---|---|---|---|---|"
    more = f"Explained in: {EXPLAINED[name]}.\n"
    return "\n".join([f"## {title}\n", f"{about}\n", head, *rows, "", more])


def _row(key: Key) -> str:
    shown = key.kind.show(key.default)
    default = "" if shown == "" else f"`{toml_value(shown)}`"
    names = ", ".join(f"`{name}`" for name in key.variables)
    cells = (
        f"`{key.name.rpartition('.')[2]}`",
        default,
        key.kind.wanted,
        key.option.doc,
        names,
    )
    return f"| {' | '.join(cells)} |"


def _alias_rows() -> Iterator[str]:
    homes: dict[str, list[str]] = {}
    for key in KEYS.values():
        for alias in key.option.aliases:
            homes.setdefault(alias, []).append(f"`{key.name}`")
    homes[INLINE_VARIABLES[-1]] = ["`filter.mode`", "`filter.patterns`", "`filter.exceptions`"]
    return (f"| `{alias}` | {', '.join(names)} |" for alias, names in sorted(homes.items()))


def _changed_rows() -> Iterator[str]:
    for key in KEYS.values():
        if key.option.changed:
            names = ", ".join(f"`{name}`" for name in key.option.aliases)
            yield f"| {names} | `{key.name}` | {key.option.changed} |"


if __name__ == "__main__":
    sys.stdout.write(reference())
