"""What is public says what a caller must know: that it is there at all, more than its name, and which of our errors it raises.

ruff looks whether a docstring is there and how it is laid out; here is what ruff cannot see.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TypeAlias

import pytest
from attrs import frozen

ROOT = Path(__file__).parents[1]
FILES = [*sorted((ROOT / "ingest").rglob("*.py")), *sorted((ROOT / "scripts").rglob("*.py")), ROOT / "noxfile.py"]
FOLDERS = sorted({path.parent for path in FILES})
every_folder = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(ROOT)))

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef

SHORTEST = 3
"""Words of the docstring of a function or class; that of a property may be shorter, because its name says what it is."""

FILLING = {"the", "a", "an", "of", "its", "it", "is", "to", "for", "this", "that", "in", "and", "all", "one", "return"}

FOREIGN = {"Exception", "ValueError", "RuntimeError", "OSError"}
"""What an error of ours may be made of, beside the two families."""

HANDLED = {"suppress", "explained", "pytest"}
"""Names in a `with` within which our errors do not get out."""

SAID_ONCE = {("ingest.core.reports", "text")}
"""Methods of a module whose docstring stands in the base class alone: what overrides them means the same."""

ANYBODYS = {name for kind in (dict, list, set, str, bytes) for name in dir(kind)}
"""Names that methods of Python's own have, too: a call of one says nothing."""

NOT_RAISED = {
    "ingest.edge.data_api.open_data_api": "tls_context raises for a CA file that cannot be used, and here is none",
    "ingest.runtime.progress.Counted.moves": "its `more` is a field, not the method of that name elsewhere",
}
"""What calls something that raises in cases which cannot be here."""


@frozen
class Public:
    """Something public: its dotted name, where it is, and what it says of itself."""

    name: str
    node: Function | ast.ClassDef
    told: str
    about: str = ""
    """What the class says in which it is: that all its methods raise something may stand there, once."""

    @property
    def is_property(self) -> bool:
        """True for what is read like an attribute."""
        return any(
            "property" in ast.unparse(each) or "setter" in ast.unparse(each) for each in self.node.decorator_list
        )

    @property
    def says_what_it_raises(self) -> bool:
        """True when it does so itself, or its class does for it."""
        return "aise" in self.told + self.about

    @property
    def is_command(self) -> bool:
        """True for commands of the command line: their docstring is the help that a person reads."""
        return any(re.search(r"\b(command|group)\b", ast.unparse(each)) for each in self.node.decorator_list)


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def public(path: Path) -> Iterator[Public]:
    yield from _public(tree(path).body, module(path))


def _public(body: list[ast.stmt], prefix: str, about: str = "") -> Iterator[Public]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            told = ast.get_docstring(node) or ""
            yield Public(f"{prefix}.{node.name}", node, told, about)
            if isinstance(node, ast.ClassDef):
                inner = [each for each in node.body if not (node.bases and _said_once(each, prefix))]
                yield from _public(inner, f"{prefix}.{node.name}", told)


def _said_once(node: ast.stmt, where: str) -> bool:
    return isinstance(node, ast.FunctionDef) and (where, node.name) in SAID_ONCE


def stems(text: str) -> set[str]:
    """The words of a text or a name, without their endings and without those that say nothing."""
    words = re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])|_", " ", text).lower())
    return {re.sub(r"(?<=..)(ings?|ed|es|e|s)$", "", word) for word in words if word not in FILLING}


@cache
def ours() -> frozenset[str]:
    """The names of our public errors: the families, and what is made of them or for the same purpose."""
    classes = [each for path in FILES for each in ast.walk(tree(path)) if isinstance(each, ast.ClassDef)]
    found = {"IngestError"}
    while more := {each.name for each in classes if _bases(each) & (found | FOREIGN)} - found:
        found |= more
    return frozenset(name for name in found if not name.startswith("_"))


def _bases(node: ast.ClassDef) -> set[str]:
    return {ast.unparse(each).rpartition(".")[2] for each in node.bases}


def raised(node: Function) -> set[str]:
    """Our errors that it raises itself and does not catch."""
    return {error for each in _open(node.body) if isinstance(each, ast.Raise) for error in _names(each)} & ours()


def _names(node: ast.Raise) -> Iterator[str]:
    error = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
    if error is not None:
        yield ast.unparse(error).rpartition(".")[2]


def _open(body: list[ast.stmt]) -> Iterator[ast.AST]:
    """What runs when the body runs and whose errors leave it: nothing in a `try`, in a function within, or where they are handled."""
    todo: list[ast.AST] = list(body)
    while todo:
        node = todo.pop()
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() | ast.Lambda():
                continue
            case ast.Try():
                todo += [*node.orelse, *node.finalbody, *(each for handler in node.handlers for each in handler.body)]
                continue
            case ast.With() | ast.AsyncWith() if any(_handles(each) for each in node.items):
                continue
        yield node
        todo += ast.iter_child_nodes(node)


def _handles(item: ast.withitem) -> bool:
    return bool(HANDLED & set(re.findall(r"\w+", ast.unparse(item))))


@cache
def documented(room: str) -> Mapping[str, frozenset[str]]:
    """Which of our errors functions and methods say that they raise, for names that only one of them has.

    Those of `ingest`, and of the room itself.
    """
    found: dict[str, list[frozenset[str]]] = defaultdict(list)
    for path in FILES:
        if path.relative_to(ROOT).parts[0] not in {"ingest", room}:
            continue
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                said = re.findall(r"[Rr]aises [^.]*", ast.get_docstring(node) or "")
                found[node.name].append(frozenset(re.findall(r"`?(\w+)`?", " ".join(said))) & ours())
    return {name: errors for name, (errors, *others) in found.items() if errors and not others and name not in ANYBODYS}


def passed_on(node: Function, room: str) -> dict[str, frozenset[str]]:
    """What it calls that raises one of our errors, which it does not catch."""
    calls = (each.func for each in _open(node.body) if isinstance(each, ast.Call))
    names = {ast.unparse(each).rpartition(".")[2] for each in calls}
    return {name: documented(room)[name] for name in sorted(names) if name in documented(room)}


def everything_public(folder: Path) -> Iterator[Public]:
    """In the modules of that folder, not in those below it."""
    return (each for path in FILES if path.parent == folder for each in public(path))


def functions(folder: Path) -> Iterator[tuple[Public, Function]]:
    """Those of its functions and methods whose docstring is for a caller."""
    for each in everything_public(folder):
        if not isinstance(each.node, ast.ClassDef) and not each.is_command:
            yield each, each.node


@every_folder
def test_every_module_says_what_is_in_it(folder: Path) -> None:
    told = {path: ast.get_docstring(tree(path)) or "" for path in FILES if path.parent == folder}
    short = [path.name for path, said in told.items() if len(said.split()) < SHORTEST]
    repeating = [path.name for path, said in told.items() if not stems(said) - stems(path.stem)]
    assert sorted({*short, *repeating}) == [], "say what is in there, and why it is apart"


@every_folder
def test_everything_public_has_a_docstring(folder: Path) -> None:
    assert [each.name for each in everything_public(folder) if not each.told] == []


@every_folder
def test_a_docstring_says_more_than_the_name(folder: Path) -> None:
    found = list(everything_public(folder))
    repeating = [each.name for each in found if not stems(each.told) - stems(each.node.name)]
    short = [each.name for each in found if not each.is_property and len(each.told.split()) < SHORTEST]
    assert sorted({*repeating, *short}) == [], "say what a caller must know: shapes, units, what happens when"


@every_folder
def test_the_errors_that_a_function_raises_are_in_its_docstring(folder: Path) -> None:
    silent = []
    for each, node in functions(folder):
        missing = [error for error in raised(node) if error not in each.told]
        silent += [f"{each.name}: {', '.join(missing)}"] if missing and not each.says_what_it_raises else []
    assert silent == []


@every_folder
def test_the_errors_that_a_function_passes_on_are_in_its_docstring(folder: Path) -> None:
    silent = []
    for each, node in functions(folder):
        if each.name not in NOT_RAISED and not each.says_what_it_raises:
            told = set(re.findall(r"\w+", each.told))
            passed = passed_on(node, (*folder.relative_to(ROOT).parts, "")[0])
            silent += [f"{each.name}: {', '.join(errs)} of {name}" for name, errs in passed.items() if not errs & told]
    assert silent == []


def test_what_is_looked_for_is_found() -> None:
    code = '''
async def close_file(path):
    """Close the file."""
    with open(path):
        raise Transient("no")

def quiet():
    """Is quiet, whatever comes."""
    try:
        raise Refused("no")
    except Refused:
        return 1
'''
    first, second = _public(ast.parse(code).body, "x")
    assert not stems(first.told) - stems(first.node.name)
    assert isinstance(first.node, ast.AsyncFunctionDef)
    assert isinstance(second.node, ast.FunctionDef)
    assert (raised(first.node), raised(second.node)) == ({"Transient"}, set())
    assert {"Transient", "Refused", "GaveUp", "Held", "Malformed", "Damaged"} <= ours()
    assert "read_secret" in documented("ingest")
