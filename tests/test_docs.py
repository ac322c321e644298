"""What the documents point at exists: files, headings, scripts, nox sessions."""

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from ingest.cli.main import main

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
FENCED = re.compile(r"^( *)```.*?^\1```", re.MULTILINE | re.DOTALL)
SHELL = re.compile(r"^ *```sh\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^()\s]+)\)")
HEADING = re.compile(r"^#+ +(.*)$", re.MULTILINE)
documents = pytest.mark.parametrize("document", [pytest.param(p, id=str(p.relative_to(ROOT))) for p in DOCUMENTS])


def anchors(text: str) -> set[str]:
    """The anchors that a reader's browser gets: lower case, punctuation dropped, a hyphen for each blank."""
    prose = FENCED.sub("", text)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in HEADING.findall(prose)}


def broken(document: Path) -> Iterator[str]:
    for link in LINK.findall(FENCED.sub("", document.read_text("utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = document.parent / name if name else document
        if not target.exists() or (anchor and anchor not in anchors(target.read_text("utf-8"))):
            yield link


@documents
def test_links_lead_somewhere(document: Path) -> None:
    assert list(broken(document)) == []


@documents
def test_scripts_that_are_named_can_be_run(document: Path) -> None:
    named = set(re.findall(r"(?<![\w/])(?:\./)?(scripts/[a-z-]+)(?![\w./-])", document.read_text("utf-8")))
    assert [script for script in sorted(named) if shutil.which(ROOT / script) is None] == []


@documents
def test_sessions_that_are_named_exist(document: Path) -> None:
    sessions = set(re.findall(r"^def ([a-z]+)\(session", (ROOT / "noxfile.py").read_text("utf-8"), re.MULTILINE))
    assert set(re.findall(r"\bnox -s ([a-z]+)", document.read_text("utf-8"))) <= sessions


def commands(text: str) -> Iterator[list[str]]:
    """The arguments of each call of ours in blocks of shell, without what follows in a pipe or a redirection."""
    for block in SHELL.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            if line.startswith("homeiq-ingest "):
                words = shlex.split(line, comments=True)
                ends = [at for at, word in enumerate(words) if word in {"|", ">", "&&", ";"}]
                yield words[1 : min(ends, default=len(words))]


def unknown(words: list[str]) -> str | None:
    """What of a call does not exist: the command, or one of its options."""
    command: click.Command = main
    context = click.Context(main)
    rest = list(words)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        inner = command.get_command(context, name := rest.pop(0))
        if inner is None:
            return name
        command = inner
    known = {name for each in command.get_params(context) for name in (*each.opts, *each.secondary_opts)}
    given = [word.partition("=")[0] for word in rest if re.match(r"-{1,2}[a-z]", word)]
    return next((each for each in given if each not in known | {"-h", "--help", "--version"}), None)


@documents
def test_commands_that_are_shown_exist(document: Path) -> None:
    assert [(words, found) for words in commands(document.read_text("utf-8")) if (found := unknown(words))] == []


def test_a_command_that_does_not_exist_is_found() -> None:
    text = "```sh\nhomeiq-ingest gaps lst | less\nhomeiq-ingest gaps list --jason > x  # why\nhomeiq-ingest run\n```\n"
    assert [unknown(words) for words in commands(text)] == ["lst", "--jason", None]
