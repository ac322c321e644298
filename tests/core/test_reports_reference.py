"""docs/reference/reports.md is made from the reports: `python -m tests.core.test_reports_reference > docs/reference/reports.md`."""

from __future__ import annotations

import ast
import inspect
import re
import sys
import textwrap
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, cast, get_args, get_type_hints

import attrs
import pytest

import ingest
from ingest.core import reports
from ingest.core.reports import Report
from tests.core.test_reports import value_of

ROOT = Path(ingest.__file__).parent
PAGE = ROOT.parent / "docs/reference/reports.md"
HEAD = """\
# Reports

<!-- Made from the code: python -m tests.core.test_reports_reference > docs/reference/reports.md -->

Everything that the service can say about itself: each kind of fact is a class of `ingest/core/reports.py`, and each time it happens is
one report. [The log](log.md), [health](health.md) and [the metrics](metrics.md) are made of them. In the log as JSON `report` is the name
of the kind, `message` its sentence, `level` how loud it is, and the fields below stand beside them. A field *that is not logged* is for
the service's own books. Where a kind has two levels, the quieter one is for what is good news or was said before.

A list in a line of the log has at most 20 members. Times are nanoseconds since 1970, UTC, where the name ends with `_ns`; otherwise
spans of time are seconds.
"""
SECTION = re.compile(r"^# -+ (.+?) -+$", re.MULTILINE)


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *(line for title, kinds in sections() for line in _section(title, kinds))])


def sections() -> list[tuple[str, list[type[Report]]]]:
    """The kinds in the order of the file, below what stands above them there."""
    source = inspect.getsource(reports)
    marks = [(source[: each.start()].count("\n") + 1, each[1]) for each in SECTION.finditer(source)]
    found: list[tuple[str, list[type[Report]]]] = [(title, []) for _, title in marks]
    for node in ast.parse(source).body:
        kind = getattr(reports, node.name) if isinstance(node, ast.ClassDef) else None
        if kind is not None and kind is not Report:
            at = max(index for index, (line, _) in enumerate(marks) if line < node.lineno)
            found[at][1].append(kind)
    return found


def _section(title: str, kinds: list[type[Report]]) -> Iterator[str]:
    yield f"## {title[0].upper()}{title[1:]}\n"
    for kind in kinds:
        yield f"### `{kind.__name__}`\n"
        yield f"{_told(kind)}\n"
        yield f"* level: {_levels(kind)}\n* sentence: {_sentence(kind)}\n* made in: {', '.join(makers().get(kind.__name__, ()))}\n"
        if fields := attrs.fields(kind):
            hints = get_type_hints(kind)
            yield "| field | |\n|---|---|"
            yield from (_row(each, hints[each.name]) for each in fields)
            yield ""


@cache
def makers() -> Mapping[str, Sequence[str]]:
    """The modules in which each kind of report is made."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(ROOT.rglob("*.py")):
        for name in _made_in(path):
            found[name].append(f"`{path.relative_to(ROOT.parent)}`")
    return found


def _made_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    imports = [each for each in ast.walk(tree) if isinstance(each, ast.ImportFrom) and each.module == reports.__name__]
    known = {alias.name for each in imports for alias in each.names}
    if path == Path(inspect.getfile(reports)):
        known = {kind.__name__ for _, each in sections() for kind in each}
    found = set()
    for each in ast.walk(tree):
        match each:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="reports"), attr=name)):
                found.add(name)
            case ast.Call(func=ast.Name(id=name)) if name in known:
                found.add(name)
    return found


def _told(kind: type[Report]) -> str:
    return inspect.cleandoc(kind.__doc__ or "")


def _levels(kind: type[Report]) -> str:
    """Those that `level` names, or the one that all of the kind have."""
    named: list[str] = (
        [kind.LEVEL] if kind.level is Report.level else _texts(cast("property", kind.level).fget, reports.Level)
    )
    return " or ".join(f"`{each}`" for each in named)


def _texts(function: Any, of: Any) -> list[str]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return [each for each in texts if each in get_args(of)]


def _sentence(kind: type[Report]) -> str:
    """What it says when every text in it is the name of its field, and every number 7."""
    if kind.text is Report.text:
        return "its name, for it is counted and seldom read"
    hints = get_type_hints(kind)
    make: Callable[..., Report] = kind
    values = {
        each.name: f"‹{each.name}›" if hints[each.name] is str else value_of(hints[each.name])
        for each in attrs.fields(kind)
    }
    return f"“{make(**values).text()}”"


def _row(each: attrs.Attribute[Any], hint: Any) -> str:
    unlogged = "" if each.repr else ", that is not logged"
    return f"| `{each.name}` | {_kind(hint)}{unlogged} |"


def _kind(hint: Any) -> str:
    plain = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}
    if hint in plain:
        return plain[hint]
    if isinstance(hint, type) and issubclass(hint, Enum):
        return "one of " + ", ".join(f"`{each.value}`" for each in hint)
    options = get_args(hint)
    if type(None) in options:
        (inner,) = (each for each in options if each is not type(None))
        return f"{_kind(inner)}, or nothing when it is not known"
    if options and all(isinstance(each, str) for each in options):
        return "one of " + ", ".join(f"`{each}`" for each in options)
    return "a table by name" if "Mapping" in str(hint) else "a list"


def test_the_page_says_what_the_reports_say() -> None:
    advice = "run: python -m tests.core.test_reports_reference > docs/reference/reports.md"
    assert PAGE.read_text("utf-8") == page(), advice


def test_every_report_is_on_it_once() -> None:
    kinds = [kind for kind in vars(reports).values() if isinstance(kind, type) and issubclass(kind, Report)]
    listed = [kind for _, each in sections() for kind in each]
    assert sorted(map(str, listed)) == sorted(str(kind) for kind in kinds if kind is not Report)


def test_every_report_is_made_somewhere() -> None:
    assert [kind.__name__ for _, each in sections() for kind in each if not makers().get(kind.__name__)] == []


@pytest.mark.parametrize("kind", [kind for _, each in sections() for kind in each], ids=lambda kind: kind.__name__)
def test_every_level_that_a_report_can_have_is_told(kind: type[Report]) -> None:
    assert set(re.findall(r"\w+", _levels(kind))) - {"or"} <= set(get_args(reports.Level))
    assert _levels(kind)


if __name__ == "__main__":
    sys.stdout.write(page())
