"""A pytest plugin that hears everything the product says while it is tested, and fails where a secret is in it.

Heard at once, so that the test that made it say so fails: what is captured of a test (standard output, standard error,
logging), every report, every error that a person may meet, every answer of the API to a test in this process (head, body
and WebSocket frames), what a command printed, and what programs are called with, which any user sees in the list of
processes. At the end of the session: every file that was left in pytest's folder, which are the logs, state files,
databases and dumps of every process that a test started, but for the configurations and tokens that it was given.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from functools import wraps
from pathlib import Path
from typing import Any

import click.testing
import pytest

from ingest.core.reports import Report
from ingest.errors import IngestError
from tests.support.marked import is_input, leaks, leaks_of

TITLE = "secrets that came out"

_heard: list[str] = []
_wired = False


def hear(where: str, said: bytes | str) -> None:
    """Go through what was said."""
    _heard.extend(f"{where}: …{leak}…" for leak in leaks(said))


def left_behind(folder: Path) -> list[str]:
    """The files below that hold a secret, and what stands around it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return [f"{path}: …{leak}…" for path in files if not is_input(path) for leak in leaks_of(path)]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail the test in which a secret came out."""
    report = yield
    for title, text in report.sections:
        hear(title, text)
    if _heard:
        said = "\n".join(dict.fromkeys(_heard))
        _heard.clear()
        report.sections.append((TITLE, said))
        if not report.failed:
            report.outcome, report.longrepr = "failed", f"{TITLE}:\n{said}"
    return report


@pytest.fixture(scope="session", autouse=True)
def overheard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """All of a session, in each of its processes."""
    with pytest.MonkeyPatch.context() as patch:
        _tap(patch)
        yield
    found = left_behind(tmp_path_factory.getbasetemp())
    if found:
        pytest.fail(f"{TITLE}, in files:\n" + "\n".join(found), pytrace=False)


def _tap(patch: pytest.MonkeyPatch) -> None:
    from ingest.web.guard import Guard  # noqa: PLC0415  imports the web

    _wire()
    patch.setattr(subprocess.Popen, "communicate", _then(subprocess.Popen.communicate, _printed))
    patch.setattr(click.testing.CliRunner, "invoke", _then(click.testing.CliRunner.invoke, _commanded))
    patch.setattr(IngestError, "__init__", _made(IngestError.__init__))
    for kind in Report.__subclasses__():
        patch.setattr(kind, "__init__", _made(kind.__init__))
    patch.setattr(Guard, "__call__", _answering(Guard.__call__))


def _wire() -> None:
    """An audit hook stays for good, so there is one."""
    global _wired  # noqa: PLW0603  as it says
    if not _wired:
        sys.addaudithook(_called)
        _wired = True


def _called(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "subprocess.Popen":
        hear("the list of processes", repr(arguments[1]))


def _then(call: Callable[..., Any], listen: Callable[[Any], None]) -> Callable[..., Any]:
    @wraps(call)
    def calling(*args: Any, **kwargs: Any) -> Any:
        answer = call(*args, **kwargs)
        listen(answer)
        return answer

    return calling


def _printed(answer: tuple[bytes | str | None, bytes | str | None]) -> None:
    for said in answer:
        hear("what a program printed", said or "")


def _commanded(result: click.testing.Result) -> None:
    hear("what a command printed", result.output + result.stderr)
    hear("what a command raised", repr(result.exception))


def _made(construct: Callable[..., None]) -> Callable[..., None]:
    @wraps(construct)
    def making(self: Report | IngestError, *args: Any, **kwargs: Any) -> None:
        construct(self, *args, **kwargs)
        text = self.text() if isinstance(self, Report) else ""  # an error's is made of what it was given
        hear(type(self).__name__, f"{text} {args} {kwargs}")

    return making


def _answering(call: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(call)
    async def answering(self: object, scope: Any, receive: Any, send: Any) -> None:
        async def heard(message: Any) -> None:
            said = (message.get(key) for key in ("headers", "body", "bytes", "text", "reason"))
            hear(f"the answer of {scope.get('path')}", b" ".join(_bytes(each) for each in said))
            await send(message)

        await call(self, scope, receive, heard)

    return answering


def _bytes(said: object) -> bytes:
    return said if isinstance(said, bytes) else repr(said or "").encode()
