"""What the documents have a reader type is typed here, page by page; what they show of an answer is compared with it."""

from __future__ import annotations

import re
import sqlite3
import time
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from ingest.edge.embedded_upkeep import steps
from ingest.edge.sqlite import open_writer
from tests.documents.blocks import Block, all_blocks
from tests.documents.stand import Stand, stand
from tests.documents.statements import bare, excused, not_run, run_otherwise, session, shell_blocks, statements

pytestmark = pytest.mark.slow

SHELLS = ("sh", "bash", "console")
CAT = re.compile(r"cat ([\w./-]+)\n?")


def to_run(page: str) -> list[Block]:
    """The blocks of a page in which something can be run."""
    return [each for each in shell_blocks(*SHELLS) if each.page == page and script(each)]


def script(block: Block) -> str:
    """What of a block is run. What is shown once more with its answer is typed once, there."""
    if block.language == "console":
        return "".join(each.statement for each in session(block.text) if not excused(block, each.statement))
    answered = {
        bare(each.statement)
        for other in shell_blocks("console")
        if other.page == block.page
        for each in session(other.text)
    }
    found = (each for each in statements(block.text) if bare(each) not in answered)
    return "".join(f"{negated(block, each)}{each}" for each in found if not excused(block, each))


def negated(block: Block, statement: str) -> str:
    return "! " if any(entry.names(block, statement) for entry in run_otherwise("refused")) else ""


PAGES = sorted({block.page for block in shell_blocks(*SHELLS) if script(block)})


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_has_its_reader_type_works(page: str, tmp_path: Path) -> None:
    with stand(tmp_path) as machine:
        for block in all_blocks():
            if block.page == page and block.file:
                (machine.work / block.file).write_text(machine.local(block.text), "utf-8")
        for block in to_run(page):
            with machine.prepared(script(block)):
                (follow if block.language == "console" else execute)(block, machine)


def execute(block: Block, machine: Stand) -> None:
    told = machine.run(script(block))
    assert told.code == 0, f"{block}: code {told.code}\n{script(block)}\n{told.said}"


def follow(block: Block, machine: Stand) -> None:
    """Type what stands behind each `$`. A file that is only shown, by `cat`, is made: its reader has it already."""
    for each in session(block.text):
        if excused(block, each.statement):
            continue
        shown = CAT.fullmatch(each.statement)
        if shown and not (path := machine.work / machine.local(shown[1])).exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(machine.local(each.shown).replace("8086", str(machine.ports["database"])), "utf-8")
        told = machine.run(each.statement)
        assert told.code == 0 or each.shown, f"{block}: code {told.code}\n{each.statement}\n{told.said}"
        if not shown and not any(entry.names(block, each.statement) for entry in run_otherwise("answer")):
            missing = unlike(told.said, machine.local(each.shown))
            assert missing == [], f"{block}: this is not said\n{each.statement}\nbut this:\n{told.said}"


def unlike(found: str, shown: str) -> list[str]:
    """The lines shown that are not among those found, in their order. A number is any number, `…` is anything."""
    rest = iter(found.splitlines())
    wanted = [line for line in shown.splitlines() if line.strip() not in {"", "…"}]
    return [line for line in wanted if not any(map(partial(re.fullmatch, shape(line)), rest))]


def shape(line: str) -> str:
    pieces = (re.escape(re.sub(r"\s+", " ", piece)) for piece in re.split(r"[\d.,:+-]*\d[\d.,:+-]*", line.strip()))
    pattern = r"[\d.,:+-]*".join(piece.replace("\\ ", r"\s+") for piece in pieces)
    return rf"\s*{pattern.replace('…', '.*')}\s*"


def test_a_shape_is_words_and_not_numbers() -> None:
    assert unlike("a  1,204 MB\nb\nc x y\n", "a 7.5 MB\n…\nc …\n") == []
    assert unlike("b\na\n", "a\nb\n") == ["b"]
    assert unlike("a 1 MB\n", "a 1 GB\n") == ["a 1 GB"]


def test_what_needs_a_terminal_says_so_where_there_is_none(tmp_path: Path) -> None:
    with stand(tmp_path) as machine:
        asking = [each.starts for each in not_run() if each.why == "terminal"]
        assert [each for each in asking if machine.run(each).code == 0] == [], "it can be run: take it from the list"


def test_the_embedded_store_is_asked_in_sql_as_the_documents_do(tmp_path: Path) -> None:
    with stand(tmp_path) as machine:
        machine.start()
        machine.stop()
        path = machine.data / "home.db"
        with closing(open_writer(path)) as connection:
            list(steps(connection, time.time_ns(), retention=None))  # the hours, which the service makes after a minute
        for block in all_blocks("sql"):
            with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
                rows = asked(connection, block.text)
            assert rows or "context_user_id" in block.text, f"{block}: it finds nothing"


def asked(connection: sqlite3.Connection, text: str) -> list[object]:
    """The rows of a question; what changes something is done to a copy, and has none: it counts as one."""
    if text.startswith(("SELECT", "WITH")):
        return connection.execute(text).fetchall()
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as copy:
        connection.backup(copy)
        copy.executescript(text)
    return [None]
