"""The rules of the house, read from the source: who may import whom, how long things are.

The rules are those of `docs/explanation/architecture.md`; where a rule changes, it changes here and there.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from itertools import chain
from pathlib import Path
from statistics import median, quantiles

import pytest

import ingest

ROOT = Path(ingest.__file__).parent
MODULES = {
    ".".join(("ingest", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in sorted(ROOT.rglob("*.py"))
}

ROOMS = {
    "errors": set[str](),
    "core": {"errors"},
    "runtime": {"core", "errors"},
    "config": {"core", "errors"},
    "edge": {"runtime", "core", "errors"},
    "actors": {"runtime", "core", "edge", "errors"},
    "simulator": {"core", "runtime", "errors"},
    "plan": {"actors", "edge", "runtime", "core", "errors"},
    "pipeline": {"plan", "actors", "edge", "runtime", "core", "errors", "config"},
    "web": {"plan", "pipeline", "actors", "edge", "runtime", "core", "errors", "config"},
    "cli": {"web", "simulator", "plan", "pipeline", "actors", "edge", "runtime", "core", "errors", "config"},
    "__main__": {"cli"},
}
"""What each room may import beside itself and the package's own version."""

ONE_MODULE_EACH = {
    "trio_websocket": "ingest.edge.websocket",
    "influxdb_client": "ingest.edge.influx_client",
    "sqlite3": "ingest.edge.sqlite",
    "structlog": "ingest.edge.journal",
    "yaml": "ingest.edge.home_yaml",
    "httpx": None,
    "hypercorn": None,
}
"""Where a library that does I/O is imported; None: in one module of `edge` or `web` at most."""

IMPURE = {
    "asyncio", "concurrent", "http", "httpx", "io", "logging", "multiprocessing", "os", "pathlib", "random", "select",
    "shutil", "signal", "socket", "sqlite3", "ssl", "subprocess", "tempfile", "threading", "time", "trio",
}  # fmt: skip
"""What nothing in `core` may import: effects, clocks, chance."""

HEAVY = {"influxdb_client", "rich", "hypercorn", "httpx", "yaml"}
"""Imported where and when they are used: each costs a second command a noticeable part of its start."""

LONGEST_MODULE = 250
LISTS = {"ingest.core.reports": "everything the service can say is one file: a list of facts, not a program"}
"""Modules that may be longer, and why."""

ORDINARY_FUNCTION = 30
TYPICAL_FUNCTION = 9


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


def imported(node: ast.AST) -> Iterator[str]:
    """Every module that the code under a node imports, in full."""
    for each in ast.walk(node):
        if isinstance(each, ast.Import):
            yield from (alias.name for alias in each.names)
        elif isinstance(each, ast.ImportFrom):
            assert each.level == 0, "relative imports hide who imports whom"
            base = each.module or ""
            submodules = [f"{base}.{alias.name}" for alias in each.names if f"{base}.{alias.name}" in MODULES]
            yield from submodules or [base]


def at_import(module: str) -> Iterator[str]:
    """What is imported when the module is: not in functions, not for types only."""
    todo: list[ast.stmt] = list(tree(module).body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from imported(node)
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            todo += node.orelse
        elif isinstance(node, ast.If | ast.Try | ast.With | ast.ClassDef):
            todo += [each for each in ast.iter_child_nodes(node) if isinstance(each, ast.stmt)]


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else "__init__"


def top(name: str) -> str:
    return name.partition(".")[0]


def functions() -> Iterator[tuple[str, int]]:
    """Every function's name and length in lines."""
    for module in MODULES:
        for node in ast.walk(tree(module)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                yield f"{module}.{node.name}", node.end_lineno - node.lineno + 1


@pytest.mark.parametrize("module", MODULES)
def test_nothing_imports_upward(module: str) -> None:
    here = room(module)
    allowed = ROOMS.get(here, set()) | {here, "__init__"}
    wrong = {name for name in imported(tree(module)) if top(name) == "ingest" and room(name) not in allowed}
    assert not wrong, f"{here} may import {sorted(allowed)} of ingest"


TYPE = re.compile(r"[A-Z][a-z]\w*")
"""What classes and aliases of types are called, and nothing else."""


@pytest.mark.parametrize("module", [module for module in MODULES if room(module) == "actors"])
def test_actors_know_only_the_types_of_the_edge(module: str) -> None:
    """What opens, writes or asks is handed to them, so that a test or another store can hand over something else."""
    nodes = [node for node in ast.walk(tree(module)) if isinstance(node, ast.Import | ast.ImportFrom)]
    of_edge = [node for node in nodes if any(room(name) == "edge" for name in imported(node) if top(name) == "ingest")]
    names = {alias.name for node in of_edge for alias in node.names}
    assert not {name for name in names if not TYPE.fullmatch(name)}


def test_every_room_has_a_rule() -> None:
    assert {room(module) for module in MODULES} - {"__init__"} <= set(ROOMS)


def test_a_library_that_does_io_is_known_in_one_place_only() -> None:
    users = defaultdict(set)
    for module in MODULES:
        for name in imported(tree(module)):
            users[top(name)].add(module)
    for library, place in ONE_MODULE_EACH.items():
        found = users[library] - {module for module in MODULES if room(module) == "simulator"}
        assert found == {place} if place else len(found) <= 1, library
        assert all(room(module) in {"edge", "web"} for module in found), library


@pytest.mark.parametrize("module", [module for module in MODULES if room(module) in {"core", "errors"}])
def test_the_core_is_pure(module: str) -> None:
    assert not {name for name in imported(tree(module)) if top(name) in IMPURE}


def test_only_the_cli_starts_the_simulator() -> None:
    users = {
        room(module) for module in MODULES for name in imported(tree(module)) if name.startswith("ingest.simulator")
    }
    assert users <= {"simulator", "cli"}


@pytest.mark.parametrize("module", MODULES)
def test_heavy_libraries_are_imported_when_they_are_used(module: str) -> None:
    assert not {name for name in at_import(module) if top(name) in HEAVY}


@pytest.mark.parametrize("module", [module for module in MODULES if module not in LISTS])
def test_a_module_is_short_enough_to_be_read_at_once(module: str) -> None:
    assert len(MODULES[module].read_text(encoding="utf-8").splitlines()) <= LONGEST_MODULE


def test_nine_functions_in_ten_fit_on_a_screen() -> None:
    lengths = [length for _, length in functions()]
    long = sorted(((length, name) for name, length in functions() if length > ORDINARY_FUNCTION), reverse=True)
    assert quantiles(lengths, n=10)[-1] <= ORDINARY_FUNCTION, long
    assert median(lengths) <= TYPICAL_FUNCTION


@pytest.mark.parametrize("module", MODULES)
def test_no_time_is_naive(module: str) -> None:
    calls = [node for node in ast.walk(tree(module)) if isinstance(node, ast.Call)]
    names = [(ast.unparse(call.func), call) for call in calls]
    for name, call in names:
        assert not name.endswith(("utcnow", "utcfromtimestamp"))
        assert not (name.endswith("datetime.now") and not (call.args or call.keywords))
        assert not (name.endswith("datetime.fromtimestamp") and len(call.args) + len(call.keywords) < 2)


GROUP_FOR_GOOD = re.compile(r"(?<!\\)\)(?:[*+?]|\{\d*,?\d*\})\+|\(\?>")
"""A group of a regular expression that gives nothing back."""


def test_no_regular_expression_has_a_group_that_gives_nothing_back() -> None:
    """Python 3.11.2, which is Debian 12's, matches them otherwise than it should: a line of ours was none. Single characters it does well."""
    sources = [
        path for folder in (ROOT, ROOT.parent / "tests") for path in folder.rglob("*.py") if path != Path(__file__)
    ]
    found = [
        f"{path.name}: {node.value!r}"
        for path in sources
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) == "re"
        for node in ast.walk(node)
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)
        if GROUP_FOR_GOOD.search(node.value if isinstance(node.value, str) else node.value.decode("latin-1"))
    ]
    assert not found


def test_groups_of_errors_are_taken_apart_in_the_supervisor_only() -> None:
    places = {
        module
        for module in MODULES
        for node in ast.walk(tree(module))
        if (isinstance(node, ast.ExceptHandler) and node.type and "ExceptionGroup" in ast.unparse(node.type))
        or (isinstance(node, ast.TryStar) and room(module) != "simulator")
    }
    assert places <= {"ingest.runtime.supervise"}


def test_no_function_takes_a_timeout() -> None:
    takers = []
    for module in MODULES:
        for node in ast.walk(tree(module)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                given = node.args
                names = [each.arg for each in chain(given.posonlyargs, given.args, given.kwonlyargs)]
                takers += [f"{module}.{node.name}" for name in names if name == "timeout"]
    assert not takers


def test_the_tests_never_mock() -> None:
    here = Path(__file__).parent
    for path in here.rglob("*.py"):
        names = set(imported(ast.parse(path.read_text(encoding="utf-8"))))
        assert not {name for name in names if name.startswith(("unittest.mock", "mock"))}, path
