"""Every block in the documents has a language, and is what that language's readers take."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.documents.blocks import PAGES, ROOT, Block, all_blocks, blocks, indented
from tests.documents.kinds import CHECKS
from tests.documents.statements import KINDS, excused, not_run, run_otherwise, session, shells, statements

every_block = pytest.mark.parametrize("block", [pytest.param(each, id=str(each)) for each in all_blocks()])


@every_block
def test_a_block_is_what_its_language_says(block: Block, tmp_path: Path) -> None:
    known = ", ".join(CHECKS)
    assert block.language in CHECKS, f"{block}: write one of {known} behind the fence (tests/documents/kinds.py)"
    try:
        CHECKS[block.language](block, tmp_path)
    except Exception as error:
        error.add_note(f"in {block}, a block of {block.language}:\n{block.text}")
        raise


def test_no_code_is_shown_by_indentation_alone() -> None:
    found = [each for page in PAGES for each in indented(str(page.relative_to(ROOT)), page.read_text("utf-8"))]
    assert found == [], "put it between ``` and ```, with its language"


def test_every_entry_of_the_list_names_a_statement_that_is_there() -> None:
    shown = list(shells())
    entries = (*not_run(), *run_otherwise("answer"), *run_otherwise("refused"))
    idle = [entry.starts for entry in entries if not any(entry.names(*each) for each in shown)]
    assert idle == [], "take it out of tests/documents/not_run.toml: no document shows it any more"


def test_only_what_cannot_be_run_is_on_the_list() -> None:
    wrong = [
        f"{block}: {entry.starts!r} is no case of {entry.why!r}"
        for block, statement in shells()
        if (entry := excused(block, statement)) and not KINDS[entry.why].match(entry.starts)
    ]
    assert wrong == []


def test_what_others_run_is_run_by_a_test_that_exists() -> None:
    elsewhere = [entry for entry in not_run() if entry.why == "elsewhere"]
    named = {entry.reason.partition(":")[0] for entry in elsewhere}
    assert [name for name in sorted(named) if not (ROOT / name).is_file()] == []


def test_blocks_are_found_with_their_lines_and_without_their_indent() -> None:
    page = "# A\n\n```sh\nx\n```\n\n1. b\n\n   ~~~ toml\n   [a]\n     b = 1\n   ~~~\n2. In a file `f.sh`:\n\n   ```sh\n   y\n   ```\n"
    found = [("sh", 3, "x\n"), ("toml", 9, "[a]\n  b = 1\n"), ("sh", 15, "y\n")]
    assert [(each.language, each.line, each.text) for each in blocks("p", page)] == found
    assert [each.file for each in blocks("p", page)] == ["", "", "f.sh"]
    with pytest.raises(ValueError, match="p:2: this fence is never closed"):
        list(blocks("p", "a\n```sh\nx\n"))


def test_indented_code_is_found_and_lists_are_not() -> None:
    page = "a\n\n    x\n    y\n\n* b\n\n    c\n\n```text\n    d\n\n    e\n```\n\n    z\n"
    assert list(indented("p", page)) == ["p:3: x", "p:16: z"]


def test_a_statement_has_all_of_its_lines() -> None:
    text = "# why\na \\\n  b\nfor x in 1; do\n  y\ndone\ncat > f <<'E'\nz\nE\n\nend 'a\nb'\n"
    assert list(statements(text)) == [
        "a \\\n  b\n", "for x in 1; do\n  y\ndone\n", "cat > f <<'E'\nz\nE\n", "end 'a\nb'\n",
    ]  # fmt: skip
    with pytest.raises(ValueError, match="unexpected end of file"):
        list(statements("if a; then\n"))


def test_a_session_is_what_was_typed_and_what_came() -> None:
    found = list(session("$ a 'b\n> c'\nd\n$ e\n"))
    assert [(each.statement, each.shown) for each in found] == [("a 'b\nc'\n", "d\n"), ("e\n", "")]


def test_a_wrong_block_of_each_language_is_found(tmp_path: Path) -> None:
    wrong = {
        "toml": '[filter]\nmode = "both"\n', "yaml": "services:\n  a:\n    imago: b\n", "json": "{a: 1}\n", "ini": "a=1\n",
        "sh": "if a\n", "console": "a\n", "python": "a b\n", "influxql": "SELECT (a\n", "flux": 'a("b)\n', "text": "$ a\n",
    }  # fmt: skip
    for language, text in wrong.items():
        with pytest.raises(Exception):  # noqa: B017, PT011  each has its own
            CHECKS[language](Block("p", 1, language, text), tmp_path)
