"""What follows the tutorial reads a page as a person does, and finds every word that is not as it is shown."""

from __future__ import annotations

import re
import shlex
import string
import subprocess
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from scripts.following.__main__ import COMMAND, PAGES, environment
from scripts.following.follow import Failed, Follower
from scripts.following.page import Answered, Block, Opened, Pressed, Shown, Skipped, Typed, Unclear, read
from scripts.following.screen import Screen
from scripts.following.shown import Reader, compared, filled
from scripts.following.terminal import Terminal
from tests.test_docs import unknown

ROOT = Path(__file__).parents[1]
NOBODY = Reader("/srv/at-home")


def lines(text: str) -> list[Shown | Skipped]:
    return [Skipped(n) if line == "…" else Shown(n, line) for n, line in enumerate(text.splitlines(), 1)]


def agrees(shown: str, got: str, reader: Reader = NOBODY, *, whole: bool = True) -> bool:
    return compared(lines(shown), got.splitlines(), reader, whole=whole).agrees


# ---- the reader ----------------------------------------------------------------------------------------------------

PAGE = """\
Text, and <http://127.0.0.1:1/x>.

```console
$ first
seen
# again, when it is not
$ second
```
```sh
not followed
```
**In terminal 2:** the rest.
```console
What? : ‹token›⏎
^C
…
```
"""


def test_a_page_is_read_as_what_is_done() -> None:
    assert read(PAGE) == [
        Opened(1, "http://127.0.0.1:1/x"),
        Block(1, (Typed(4, "first"), Shown(5, "seen"), Typed(7, "second", again=True))),
        Block(2, (Answered(14, "What? :", "‹token›"), Pressed(15, "^C"), Skipped(16))),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "```console\n$ x\n",
        "```console\n```\n",
        "```console\nWhat⏎\n```\n",
        "```console\n# again\nseen\n```\n",
        "```console\n$ x\n# again\n```\n",
    ],
)
def test_what_nobody_can_follow_is_said(text: str) -> None:
    with pytest.raises(Unclear):
        read(text)


@pytest.mark.parametrize("name", PAGES)
def test_every_command_of_the_tutorial_exists(name: str) -> None:
    parts = read((ROOT / name).read_text("utf-8"))
    typed = [step.text for part in parts if isinstance(part, Block) for step in part.steps if isinstance(step, Typed)]
    ours = [shlex.split(text.removeprefix(COMMAND)) for text in typed if text.startswith(COMMAND)]
    assert len(ours) > 4
    assert [(words, found) for words in ours if (found := unknown(words))] == []


def test_ci_follows_the_tutorial() -> None:
    assert "nox --session tutorial" in (ROOT / ".ci/run").read_text("utf-8")


# ---- the comparer --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shown", "got"),
    [
        ("stored 1,380 · 3.7 s", "stored 2 · 12 s"),
        ("2026-11-26 09:00+00:00", "2027-01-02 10:12-05:00"),
        ("at http://127.0.0.1:35293/health", "at http://localhost:8/health"),
        ("  id   from", "id from"),
        ("21.9 ┤      ⣀⢄⠖⣴⠉ ⠊⠱", "-3 ┤  ⢀⡰"),
        ("     │ ⠈⠈", "     │"),
        ("Wrote /home/me/.config/x.toml (yours)", "Wrote /srv/at-home/.config/x.toml (yours)"),
        ("one\n…\nlast", "one\nlast"),
        ("one\n…\nlast", "one\nand\nlast\nand\nlast"),
        ("…", ""),
        ("‹a› is ‹a›", "this is this"),
    ],
)
def test_what_is_another_each_time_agrees(shown: str, got: str) -> None:
    assert agrees(shown, got)


@pytest.mark.parametrize(
    ("shown", "got"),
    [
        ("stored 1,380 · 3.7 s", "stored 1,380 · 3.7 ms"),
        ("12 states came", "12 states come"),
        ("no number", "no 1"),
        ("1d", "1h"),
        ("at http://127.0.0.1:35293/health", "at http://127.0.0.1:35293/metrics"),
        ("at http://127.0.0.1:35293", "at http://127.0.0.1:35293/metrics"),
        ("Wrote /home/me/x.toml", "Wrote /srv/x.toml"),
        ("one\nlast", "one\nand\nlast"),
        ("one\n…\nlast", "one\nlast\nmore"),
        ("one", "one\nmore"),
        ("one\ntwo", "one"),
        ("‹a› is ‹a›", "this is that"),
        ("", "something"),
    ],
)
def test_what_is_not_as_it_is_shown_is_found(shown: str, got: str) -> None:
    assert not agrees(shown, got)


words = st.text(string.ascii_letters, min_size=1, max_size=8)
tokens = st.one_of(words, st.integers(0, 10**6).map("{:,}".format), st.floats(0, 99).map("{:.1f} s".format))
shown_lines = st.lists(tokens, min_size=1, max_size=6).map(" ".join)
shown_texts = st.lists(st.one_of(shown_lines, st.just("…")), min_size=1, max_size=8)


@st.composite
def runs(draw: st.DrawFn) -> tuple[list[str], list[str]]:
    """What a page shows, and what a terminal may then show: other numbers, other lines in place of `…`."""
    shown = draw(shown_texts)
    got: list[str] = []
    for line in shown:
        if line == "…":
            got += draw(st.lists(shown_lines, max_size=3))
        else:
            got.append(re.sub(r"\d[\d,.]*", lambda _: f"{draw(st.integers(0, 999))}", line))
    return shown, got


@given(runs())
def test_other_numbers_and_lines_left_out_agree(run: tuple[list[str], list[str]]) -> None:
    shown, got = run
    assert agrees("\n".join(shown), "\n".join(got))


@given(runs(), words, st.data())
def test_a_changed_word_of_what_is_shown_is_found(
    run: tuple[list[str], list[str]], other: str, data: st.DataObject
) -> None:
    """Wherever it stands: the changed line is none that came, so nothing can agree with it."""
    shown, got = run
    places = [(n, each) for n, line in enumerate(shown) for each in re.finditer(r"[A-Za-z]+", line)]
    assume(places)
    row, word = data.draw(st.sampled_from(places))
    assume(word[0] != other)
    changed = f"{shown[row][: word.start()]}{other}{shown[row][word.end() :]}"
    assume(not any(agrees(changed, line) for line in got))
    assert not agrees("\n".join([*shown[:row], changed, *shown[row + 1 :]]), "\n".join(got))


@given(runs())
def test_what_is_seen_so_far_is_no_more_than_the_beginning(run: tuple[list[str], list[str]]) -> None:
    shown, got = run
    assert agrees("\n".join(shown), "\n".join([*got, "and more"]), whole=False)


def test_the_readers_things_are_learnt_and_typed() -> None:
    seen = compared(lines("token  ‹token›\n…"), ["token   abc"], NOBODY, whole=False)
    assert filled("use ‹token›", NOBODY.knowing(seen.learnt).known) == "use abc"
    assert "abc" not in str(compared(lines("‹token› it is"), ["x"], NOBODY.knowing(seen.learnt), whole=True))


# ---- the terminal --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "rows"),
    [
        (["one\r\ntwo"], ["one", "two"]),
        (["12%\r30%\r\n"], ["30%", ""]),
        (["news\r\na\r\nb", "\r\x1b[2K\x1b[1", "A\x1b[2Kmore\r\na\r\nb"], ["news", "more", "a", "b"]),
        (["\x1b[1;32mgreen\x1b[0m\x1b[?25l"], ["green"]),
    ],
)
def test_a_screen_shows_what_is_left_on_it(written: list[str], rows: list[str]) -> None:
    screen = Screen()
    for part in written:
        screen.feed(part)
    assert screen.rows == rows


@pytest.fixture
def opened(tmp_path: Path) -> Callable[[], Terminal]:
    return partial(Terminal, tmp_path, environment({"PATH": "/usr/bin:/bin"}, tmp_path))


def follow(opened: Callable[[], Terminal], text: str, patience: float = 10.0) -> list[str]:
    said: list[str] = []
    Follower("page.md", opened, Reader("/home/me"), said.append, patience).follow(text)
    return said


def test_a_page_that_is_as_it_says_is_followed(opened: Callable[[], Terminal]) -> None:
    said = follow(
        opened,
        """\
```console
$ echo it has 3 words; read -p "Name: " name; echo "$name here"
it has 4 words
Name: somebody⏎
somebody here
$ bash -c 'trap "exit 0" INT; echo begun; sleep 100'
begun
…
```
**In terminal 2:**
```console
$ echo other
other
```
**In terminal 1:**
```console
^C
$ sleep 100
^Z
[1]+  Stopped                 sleep 100
$ kill -9 %1
…
```
""",
    )
    assert len(said) == 5
    assert said[2] == "page.md:12: terminal 2 $ echo other"


def test_what_comes_only_later_is_looked_at_again(opened: Callable[[], Terminal]) -> None:
    a_line_more = "echo >>{0}; wc -l <{0} | tr 12345 abcde"
    counted = "$ wc -l <{0} | tr 12345 abcde"
    follow(
        opened,
        f"""\
```console
# again, until it is the third
$ {a_line_more.format("x")}
c
{counted.format("x")}
c
```
""",
    )
    never = f"$ {a_line_more.format('y')}\nz\n```\n"
    with pytest.raises(Failed, match=r"page\.md:4: this is not seen"):
        follow(opened, f"```console\n# again, though it never comes\n{never}")
    with pytest.raises(Failed, match=r"page\.md:3: this is not seen"):
        follow(opened, f"```console\n{never.replace('y', 'once')}")
    follow(opened, f"```console\n{counted.format('y')}\ne\n{counted.format('once')}\na\n```\n")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("$ echo a word\na wort", ["page.md:3: this is not seen", "shown:\n    a wort", "got:\n    a word"]),
        ("$ echo a; echo b\na", ["page.md:3: there is more than is shown", "got:\n    b"]),
        ("$ false", ["page.md:2: it ended with 1"]),
        ("$ echo ‹thing›", ["page.md:2: nobody has said what ‹thing› is"]),
        ("$ true\nName: me⏎\nhello", ["page.md:3: it is not asked"]),
        ("$ sleep 100", ["page.md:2: it does not end"]),
        ("$ echo a; sleep 100\nb\n…", ["page.md:3: this is not seen"]),
        ("$ cat\n^C", ["it ended with 130"]),
    ],
)
def test_what_does_not_come_is_told_with_its_place(opened: Callable[[], Terminal], text: str, words: list[str]) -> None:
    with pytest.raises(Failed) as failed:
        follow(opened, f"```console\n{text}\n```\n", 0.5 if "sleep" in text else 10.0)
    for each in words:
        assert each in str(failed.value)


def test_a_page_is_opened_on_this_machine_only(opened: Callable[[], Terminal]) -> None:
    with pytest.raises(Failed, match="is not on this machine"):
        follow(opened, "<http://example.org>\n")
    with pytest.raises(Failed, match=r"127\.0\.0\.1:9: .*refused"):
        follow(opened, "<http://127.0.0.1:9>\n", 0.2)


def test_what_was_started_is_ended(tmp_path: Path) -> None:
    with closing(Terminal(tmp_path, {"PATH": "/usr/bin:/bin"}, grace=0.5)) as terminal:
        while terminal.status() is None:
            terminal.look(0.1)
        terminal.send("trap '' HUP TERM; sleep 61.25 & sleep 61.25\r")
        while not sleeping():
            terminal.look(0.05)
    assert not sleeping()


def sleeping() -> bool:
    return subprocess.run(["pgrep", "-fx", "sleep 61.25"], check=False, capture_output=True, timeout=10).returncode == 0


def test_a_readers_shell_has_nothing_that_configures_the_service(tmp_path: Path) -> None:
    given = {
        "PATH": "/bin",
        "HOMEIQ_INGEST_CONFIG": "x",
        "XDG_CACHE_HOME": "y",
        "PIP_CERT": "z",
        "HOME": "/srv/at-home",
    }
    found = environment(given, tmp_path)
    assert found["HOME"] == str(tmp_path)
    assert (found["PATH"], found["PIP_CERT"]) == ("/bin", "z")
    assert {"HOMEIQ_INGEST_CONFIG", "XDG_CACHE_HOME"}.isdisjoint(found)


def test_a_readers_shell_does_not_find_the_command_of_the_tests(tmp_path: Path) -> None:
    own = tmp_path / "bin"
    own.mkdir()
    (own / "homeiq-ingest").touch()
    assert environment({"PATH": f"{own}:/bin"}, tmp_path)["PATH"] == "/bin"
