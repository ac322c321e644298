"""`homeiq-ingest`: the commands. Each is imported when it is used, so that none pays for another."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType, TracebackType
from typing import Any

import click

from ingest import __version__
from ingest.cli.standard_output import told_of

COMMANDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "demo": ("ingest.cli.demo:demo", "Watch a simulated home being stored."),
        "init": ("ingest.cli.init:init", "Write a configuration for your own home."),
        "estimate": (
            "ingest.cli.forecast:estimate",
            "Forecast how much is stored per day, and which entities account for most of it.",
        ),
        "run": ("ingest.cli.run:run", "Store every state change of a home."),
        "reload": ("ingest.cli.reload:reload", "Have the running service read its configuration again."),
        "backfill": ("ingest.cli.backfill:backfill", "Store what Home Assistant remembers of the time before."),
        "statistics": (
            "ingest.cli.statistics:statistics",
            "Store Home Assistant's hours of years: its long-term statistics.",
        ),
        "status": ("ingest.cli.status:status", "Show how the running service is doing."),
        "tail": ("ingest.cli.tail:tail", "Show what happens in the home as it happens, and what becomes of it."),
        "doctor": ("ingest.cli.doctor:doctor", "Check everything from the outside, and say what to fix."),
        "explain": (
            "ingest.cli.explain:explain",
            "Explain why an entity is stored or not, and what is written for it.",
        ),
        "query": ("ingest.cli.query:query", "Show an entity's stored values as a plot and a table."),
        "export": ("ingest.cli.export:export", "Write stored changes as line protocol, CSV or JSON lines."),
        "copy": ("ingest.cli.copy:copy", "Copy the embedded store into a database."),
        "backup": ("ingest.cli.backup:backup", "Copy what the service remembers, while it runs."),
        "restore": ("ingest.cli.backup:restore", "Restore such a back-up."),
        "spool": ("ingest.cli.spool:spool", "See, send or remove what waits for the database."),
        "dead-letters": ("ingest.cli.dead_letters:dead_letters", "See what a store refused, and try it again."),
        "gaps": ("ingest.cli.gaps:gaps", "See when changes may have been missed, and how far that has been filled in."),
        "config": ("ingest.cli.config:config", "Check the configuration, or show what is in effect."),
        "convert": ("ingest.cli.convert:convert", "Turn Home Assistant's own influxdb YAML into a configuration."),
        "compare": ("ingest.cli.compare:compare", "Compare with what Home Assistant's own integration stored."),
        "grafana": ("ingest.cli.grafana:grafana", "Make dashboards for Grafana."),
        "prometheus": ("ingest.cli.prometheus:prometheus", "Print what Prometheus needs to watch the service."),
        "home-assistant": (
            "ingest.cli.home_assistant:home_assistant",
            "Print what Home Assistant needs to watch the service.",
        ),
        "systemd": ("ingest.cli.systemd:systemd", "Run the service under systemd."),
        "simulate": ("ingest.cli.simulate:simulate", "Run a simulated Home Assistant."),
    }
)
"""Name, where it is, and its line in the help: asking for help imports nothing."""


BUG = "homeiq-ingest: this is a bug. Report it with the lines above; what is stored, and what is in the spool, is safe."
"""The last line of it."""


class LazyGroup(click.Group):
    """Knows its commands by name and imports one when it is called."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command that is named, and end the process."""
        with told_of():
            return super().main(*args, **kwargs)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which a newcomer needs them."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command itself, or None when there is none of that name."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does it. Raises `UsageError` with the command that was perhaps meant."""
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            import difflib  # noqa: PLC0415  only then

            if close := difflib.get_close_matches(args[0], COMMANDS, 1):
                ctx.fail(f"No such command {args[0]!r}. Did you mean {close[0]!r}?")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in the help, without importing anything."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="homeiq-ingest")
def main() -> None:
    """Store every state change of a Home Assistant home, exactly.

    Start with `homeiq-ingest demo`; then `homeiq-ingest init` for your own home, and `homeiq-ingest run`.
    """
    sys.excepthook = bug


def bug(_kind: type[BaseException], error: BaseException, _trace: TracebackType | None) -> None:
    """What Python does with an error that nobody expected, without our secrets: its words may have one in them.

    The last line says what to do.
    """
    import traceback  # noqa: PLC0415  only then

    from ingest.core.secret import masked  # noqa: PLC0415
    from ingest.edge.journald import marked  # noqa: PLC0415

    text = f"{''.join(traceback.format_exception(error))}{BUG}"
    sys.stderr.write(f"{marked(masked(text), 'error')}\n")
