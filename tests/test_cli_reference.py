"""docs/reference/cli.md is made from the commands: `python -m tests.test_cli_reference > docs/reference/cli.md`."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from ingest.cli.main import COMMANDS, main

PAGE = Path(__file__).parents[1] / "docs/reference/cli.md"
HEAD = """\
# Commands

<!-- Made from the code: python -m tests.test_cli_reference > docs/reference/cli.md -->

Every command has `--help` (`-h`). What the exit codes mean is in [exit codes](exit-codes.md), what `--config` and `--set`
read in [configuration](configuration.md).
"""

HOW_TO, EXPLANATION = "../how-to", "../explanation"
EXPLAINED = {
    "demo": ("../tutorial/first-graph.md",),
    "init": (f"{HOW_TO}/own-home.md",),
    "estimate": (f"{HOW_TO}/choose-what-is-stored.md",),
    "run": (f"{HOW_TO}/own-home.md",),
    "reload": (f"{HOW_TO}/choose-what-is-stored.md", f"{HOW_TO}/systemd.md"),
    "backfill": (f"{HOW_TO}/import-history.md", f"{EXPLANATION}/history.md"),
    "statistics": (f"{HOW_TO}/import-history.md",),
    "status": ("health.md",),
    "tail": (f"{HOW_TO}/follow-live.md",),
    "doctor": (f"{HOW_TO}/doctor.md",),
    "explain": (f"{HOW_TO}/choose-what-is-stored.md",),
    "query": ("embedded-store.md",),
    "export": ("embedded-store.md", "schema.md"),
    "copy": ("embedded-store.md",),
    "backup": (f"{HOW_TO}/back-up-and-restore.md",),
    "restore": (f"{HOW_TO}/back-up-and-restore.md", f"{HOW_TO}/move-to-a-new-machine.md"),
    "spool": ("state-file.md",),
    "dead-letters": (f"{HOW_TO}/dead-letters.md", "state-file.md"),
    "gaps": (f"{EXPLANATION}/history.md", f"{HOW_TO}/import-history.md"),
    "config": (f"{HOW_TO}/own-home.md", "configuration.md"),
    "convert": (f"{HOW_TO}/from-the-influxdb-integration.md",),
    "compare": (f"{HOW_TO}/from-the-influxdb-integration.md",),
    "grafana": (f"{HOW_TO}/grafana.md",),
    "prometheus": (f"{HOW_TO}/prometheus.md",),
    "home-assistant": (f"{HOW_TO}/watch-from-home-assistant.md",),
    "systemd": (f"{HOW_TO}/systemd.md",),
    "simulate": ("simulator.md",),
}
"""Where the use of each command is explained, and of those below it: pages, seen from the reference."""


def page() -> str:
    """The whole page."""
    context = click.Context(main, info_name="homeiq-ingest")
    return "\n".join([HEAD, *_of(main, context)])


def _of(command: click.Command, context: click.Context) -> Iterator[str]:
    yield f"## `{context.command_path}`\n"
    yield f"{_help(command)}\n"
    if isinstance(command, click.Group):
        yield from (f"* {_entry(command, name, context)}" for name in command.list_commands(context))
        yield ""
    yield from _parameters(command)
    if explained := EXPLAINED.get(next(iter(_path(context)), ""), ()):
        yield f"Explained in: {' · '.join(f'[{_title(each)}]({each})' for each in explained)}.\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from _of(inner, click.Context(inner, context, info_name=name))


def _path(context: click.Context) -> list[str]:
    return context.command_path.split(" ")[1:]


def _title(link: str) -> str:
    if link.endswith("README.md"):
        return "README"
    return (PAGE.parent / link).read_text("utf-8").partition("\n")[0].removeprefix("# ")


def _entry(group: click.Group, name: str, context: click.Context) -> str:
    inner = group.get_command(context, name)
    assert inner is not None
    summary = COMMANDS[name][1] if group is main else _help(inner).split("\n")[0]
    anchor = f"{context.command_path} {name}".replace(" ", "-")
    return f"[`{name}`](#{anchor}): {summary}"


def _help(command: click.Command) -> str:
    return inspect.cleandoc(command.help or "").replace("\b\n", "")


def _parameters(command: click.Command) -> Iterator[str]:
    rows = [_row(each) for each in command.params if not isinstance(each, click.Option) or not each.hidden]
    if rows:
        yield from ("| | may be | default | meaning |", "|---|---|---|---|", *rows, "")


def _row(parameter: click.Parameter) -> str:
    if not isinstance(parameter, click.Option):
        name = (parameter.name or "").upper()
        return f"| `{name}` | {_kind(parameter)} | | {'' if parameter.required else 'may be left out'} |"
    names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
    said = parameter.show_default
    default = said if isinstance(said, str) else f"`{parameter.default}`" if said else ""
    required = "must be given" if parameter.required else default
    return f"| {names} | {_kind(parameter)} | {required} | {parameter.help or ''} |"


def _kind(parameter: click.Parameter) -> str:
    if isinstance(parameter, click.Option) and parameter.is_flag:
        return ""
    metavar = parameter.metavar and parameter.metavar.replace("|", r"\|")  # else it would end the cell
    return f"`{metavar}`" if metavar else _said(parameter.type)


def _said(kind: click.ParamType[Any]) -> str:
    match kind:
        case click.IntRange() | click.FloatRange():
            return f"{kind.min:g} or more" if kind.max is None else f"{kind.min or 0:g} to {kind.max:,g}"
        case click.Choice():
            return ", ".join(f"`{each}`" for each in kind.choices)
        case click.Path():
            return "a path"
        case click.types.IntParamType():
            return "a whole number"
        case _:
            return "a text"


def test_a_subcommand_has_its_own_words_not_those_of_a_command_of_its_name() -> None:
    listed = page().partition("## `homeiq-ingest dead-letters`\n")[2].partition("| |")[0]
    assert "[`export`](#homeiq-ingest-dead-letters-export): Write all dead letters to FILE" in listed


def test_the_page_says_what_the_commands_say() -> None:
    assert PAGE.read_text("utf-8") == page()


def every_command(command: click.Command = main, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The names of each, from the top."""
    if path:
        yield path
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from every_command(inner, (*path, name))


def test_every_command_has_a_page_and_every_page_a_command() -> None:
    advice = "say in EXPLAINED, in tests/test_cli_reference.py, which page explains these commands"
    assert sorted({path[0] for path in every_command()} ^ EXPLAINED.keys()) == [], advice


@pytest.mark.parametrize("path", list(every_command()), ids=" ".join)
def test_the_pages_of_a_command_tell_of_it(path: tuple[str, ...]) -> None:
    pages = [PAGE.parent / each for each in EXPLAINED.get(path[0], ())]
    assert [str(each) for each in pages if not each.exists()] == []
    told = re.compile(rf"(?:homeiq-ingest |scripts/|`|, `){' '.join(path)}\b")
    short = re.compile(rf"`{path[-1]}\b")  # in a list: `dead-letters list`, `show ID`
    texts = [each.read_text("utf-8") for each in pages]
    advice = f"none of {EXPLAINED[path[0]]} says what `homeiq-ingest {' '.join(path)}` is for"
    assert any(told.search(text) or (len(path) > 1 and short.search(text)) for text in texts), advice


if __name__ == "__main__":
    sys.stdout.write(page())
