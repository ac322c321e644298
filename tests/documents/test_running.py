"""What the documents have a reader type is typed here, page by page; what they show of an answer is compared with it."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from tests.documents.blocks import Block, all_blocks
from tests.documents.stand import Stand, stand
from tests.documents.statements import excused, not_run, session, shells, statements

pytestmark = pytest.mark.slow

SHELLS = ("sh", "bash", "console")
RUN = re.compile(r"^(sudo )?\S*homeiq-ingest run\b", re.MULTILINE)
CAT = re.compile(r"cat ([\w.-]+)\n?")


def to_run(page: str) -> list[Block]:
    """The blocks of a page in which something can be run."""
    return [each for each in all_blocks(*SHELLS) if each.page == page and script(each)]


def script(block: Block) -> str:
    """What of a block is run."""
    text = session(block.text) if block.language == "console" else statements(block.text)
    found = (each if isinstance(each, str) else each.statement for each in text)
    return "".join(each for each in found if not excused(block, each))


PAGES = sorted({block.page for block in all_blocks(*SHELLS) if script(block)})


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Stand]:
    with stand(tmp_path) as made:
        yield made


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_has_its_reader_type_works(page: str, machine: Stand) -> None:
    for block in to_run(page):
        # One service a state file: a block that starts its own has no other beside it.
        (machine.stop if RUN.search(script(block)) else machine.start)()
        (follow if block.language == "console" else execute)(block, machine)


def execute(block: Block, machine: Stand) -> None:
    told = machine.run(script(block))
    assert told.returncode == 0, f"{block}: code {told.returncode}\n{script(block)}\n{told.stdout}"


def follow(block: Block, machine: Stand) -> None:
    """Type what stands behind each `$`. A file that is only shown, by `cat`, is made: its reader has it already."""
    for each in session(block.text):
        if excused(block, each.statement):
            continue
        shown = CAT.fullmatch(each.statement)
        if shown and not (machine.work / shown[1]).exists():
            (machine.work / shown[1]).write_text(machine.local(each.shown).replace("8086", str(machine.ports["database"])), "utf-8")
        told = machine.run(each.statement)
        found, wanted = told.stdout, machine.local(each.shown)
        assert shown or unlike(found, wanted) == [], f"{block}: this is not said\n{each.statement}\nbut this:\n{found}"


def unlike(found: str, shown: str) -> list[str]:
    """The lines shown that are not among those found, in their order. A number is any number, `…` is anything."""
    rest = iter(found.splitlines())
    wanted = [line for line in shown.splitlines() if line.strip() not in {"", "…"}]
    return [line for line in wanted if not any(map(partial(re.fullmatch, shape(line)), rest))]


def shape(line: str) -> str:
    pieces = (re.escape(" ".join(piece.split())) for piece in re.split(r"[\d.,:+-]*\d[\d.,:+-]*", f"{line.strip()} "))
    pattern = r"[\d.,:+-]*".join(piece.replace("\\ ", r"\s+") for piece in pieces)
    return rf"\s*{pattern.replace('…', '.*')}\s*"


def test_a_shape_is_words_and_not_numbers() -> None:
    assert unlike("a  1,204 MB\nb\nc x y\n", "a 7.5 MB\n…\nc …\n") == []
    assert unlike("b\na\n", "a\nb\n") == ["b"]
    assert unlike("a 1 MB\n", "a 1 GB\n") == ["a 1 GB"]


def test_what_needs_a_terminal_says_so_where_there_is_none(machine: Stand) -> None:
    asking = [each for each in not_run() if each.why == "terminal"]
    for entry in asking:
        (statement,) = {statement for block, statement in shells() if entry.names(block, statement)}
        assert machine.run(statement).returncode != 0, f"{entry.starts} can be run: take it from the list"


def test_the_embedded_store_is_asked_in_sql_as_the_documents_do(machine: Stand) -> None:
    machine.start()
    uri = f"{(machine.data / 'home.db').as_uri()}?mode=ro"
    for block in all_blocks("sql"):
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            rows = connection.execute(block.text).fetchall()
        assert rows or "context_user_id" in block.text, f"{block}: it finds nothing"
