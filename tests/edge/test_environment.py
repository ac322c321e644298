from __future__ import annotations

import json
import os
import sys
import sysconfig
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import pytest

from ingest.edge import interpreters, own_package
from ingest.edge.environment import build, free_name, made_from, recipe
from ingest.edge.foreign import Failed, Runner, run
from ingest.edge.interpreters import Interpreter, choose, hidden
from ingest.edge.systemctl import Unit
from ingest.errors import Refused, Transient

OTHER = Interpreter(Path("/usr/bin/python3.99"), (3, 99), "cpython-399")


def python(version: tuple[int, int], tag: str, library: str = "/usr/lib/python3") -> str:
    return json.dumps([version, tag, library])


def test_what_a_program_says_and_why_it_failed() -> None:
    assert run(("sh", "-c", "echo $LC_ALL; test -z $HOME"), 10) == "C.UTF-8\n"
    with pytest.raises(Failed, match=r"exit code 3: no \(sh") as caught:
        run(("sh", "-c", "echo no >&2; exit 3"), 10)
    assert caught.value.words == "no"
    with pytest.raises(Transient, match=r"within 0\.1 s"):
        run(("sleep", "10"), 0.1)
    with pytest.raises(Refused, match="cannot be started"):
        run(("/nothing",), 10)


def test_what_lies_in_a_home_or_in_tmp_is_hidden_from_the_service(tmp_path: Path) -> None:
    assert hidden(tmp_path)
    assert hidden(Path("/root"))
    assert hidden(Path("/home/me/.pyenv"))
    assert hidden(Path("/nothing/at/all"))
    assert not hidden(Path("/usr/bin"))


def test_an_interpreter_like_ours_is_chosen_else_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    tag = sysconfig.get_config_var("SOABI") or ""
    answers = {"a": python((3, 12), "x"), "b": python(sys.version_info[:2], tag), "c": python((3, 14), "y")}

    def asked(command: Sequence[str], _: float) -> str:
        return answers[command[0][-1]]

    monkeypatch.setattr(interpreters, "hidden", lambda path: "/home" in str(path))
    monkeypatch.setattr("os.access", lambda *_: True)
    monkeypatch.setattr(interpreters, "candidates", lambda: map(Path, ("/home/b", "/usr/a", "/usr/b", "/usr/c")))
    assert choose(None, asked).path == Path("/usr/b")
    answers["b"] = python((3, 10), tag)
    assert choose(None, asked).version == (3, 14)
    assert not choose(None, asked).like_ours
    answers["c"] = python((3, 14), "y", "/home/x/lib")
    answers["a"] = "nonsense"
    with pytest.raises(Refused, match="pyenv or uv does not do"):
        choose(None, asked)
    with pytest.raises(Refused, match="/usr/a"):
        choose(Path("/usr/a"), asked)


def test_what_is_needed_is_found_through_all_its_requirements() -> None:
    found = {each.name: each for each in own_package.needed()}
    assert {"attrs", "trio", "outcome", "reactivex", "wsproto"} <= set(found)
    assert "pytest" not in found
    files = found["attrs"].files
    assert files is not None
    assert all(path.is_file() and ".." not in place.parts for path, place in files)


def test_a_program_that_is_no_checkout_asks_what_its_installer_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ingest").mkdir()
    monkeypatch.setattr("ingest.__file__", str(tmp_path / "ingest" / "__init__.py"))
    monkeypatch.setattr(metadata, "requires", lambda _: ["attrs>=24", "nosuchthing", "click; extra == 'x'"])
    assert [each.name for each in own_package.needed()] == ["attrs"]
    assert "Requires-Dist: attrs>=24\n" in own_package.own_metadata()


def test_what_nobody_listed_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata.Distribution, "files", None)
    assert not recipe(Interpreter(Path(sys.executable), sys.version_info[:2], "")).copied


def fetching(fails: str, commands: list[str]) -> Runner:
    """Plays a Python without what was compiled here."""

    def play(command: Sequence[str], _: float) -> str:
        commands.append(" ".join(command))
        if "venv" in command:
            Path(command[-1], "bin").mkdir(parents=True)
        if fails and fails in commands[-1]:
            error = Failed("no")
            error.words = "no network"
            raise error
        return ""

    return play


def test_for_another_python_pip_fetches_the_same_versions(tmp_path: Path) -> None:
    commands: list[str] = []
    build(tmp_path / "1-1", recipe(OTHER), fetching(sys.executable, commands))
    (fetched,) = (each for each in commands if " install " in each)
    assert fetched.startswith(f"/usr/bin/python3.99 -I -m pip --python {tmp_path}/1-1/bin/python install")
    assert f"attrs=={metadata.version('attrs')}" in fetched
    assert made_from(tmp_path / "1-1")
    assert free_name(tmp_path).name.endswith("-1")


@pytest.mark.parametrize(("fails", "why"), [("install", "no network"), ("--version", "no pip to fetch")])
def test_what_cannot_be_fetched_leaves_nothing(tmp_path: Path, fails: str, why: str) -> None:
    with pytest.raises(Refused, match=why):
        build(tmp_path / "1-1", recipe(OTHER), fetching(fails, []))
    assert not (tmp_path / "1-1").exists()


def test_a_disk_that_takes_no_environment_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Refused, match="cannot be made"):
        build(tmp_path / "file" / "1-1", recipe(OTHER), fetching("", []))


def test_where_nothing_may_be_run_no_environment_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Mounted:
        f_flag = os.ST_NOEXEC | os.ST_NOSUID

    monkeypatch.setattr("os.statvfs", lambda _: Mounted)
    with pytest.raises(Refused, match=rf"mounted noexec \({tmp_path}/versions\)\. Mount it without"):
        build(tmp_path / "versions" / "1-1", recipe(OTHER), run)


def test_where_nobody_can_be_asked_nothing_runs() -> None:
    def silent(_: Sequence[str], __: float) -> str:
        raise Refused("no systemctl")

    assert not Unit("x.service", silent).active
    assert Unit("x.service", silent).last_words() == ""
