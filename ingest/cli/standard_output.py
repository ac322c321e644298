"""Standard output that cannot be written, on a full disk for instance: one sentence, whichever command it was."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ingest.cli.exits import FAILED, complain
from ingest.errors import Transient

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class _Output(io.FileIO):
    """Knows its own errors from those of other files, which are bugs where nobody expected them."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "wb", closefd=False)
        self.problems = list[OSError]()

    def write(self, data: ReadableBuffer, /) -> int:
        """Raises `OSError`."""
        try:
            return super().write(data)
        except OSError as error:
            self.problems.append(error)
            raise


@contextmanager
def told_of() -> Iterator[None]:
    """While the block runs; what cannot be written ends the process. A pipe that was closed is click's to end."""
    output = _put_below()
    try:
        yield
    except OSError as error:
        if output is None or error not in output.problems:
            raise
        what = f"the output cannot be written: {error.strerror}"
        complain(str(Transient(what, where="standard output", remedy="Free some space, or write elsewhere")))
        # Python writes what is left once more when it ends, and would complain itself.
        os.dup2(os.open(os.devnull, os.O_WRONLY), output.fileno())
        sys.exit(FAILED)


def _put_below() -> _Output | None:
    """What is below `sys.stdout` from now on; None where that is closed, or a test's."""
    out = sys.stdout
    if not isinstance(out, io.TextIOWrapper) or out is not sys.__stdout__:
        return None
    out.flush()
    output = _Output(out.fileno())
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(output), out.encoding, out.errors, line_buffering=out.line_buffering
    )
    return output
