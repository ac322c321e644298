"""The file that a command writes to: it gets its name when it is whole."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ingest.errors import Refused


@contextmanager
def written(output: Path | None) -> Iterator[BinaryIO]:
    """The place to write to; None is standard output. Raises Refused when it cannot be written."""
    if output is None:
        yield sys.stdout.buffer
        return
    partial = output.with_name(output.name + ".partial")
    try:
        with partial.open("wb") as file:
            yield file
        partial.replace(output)
    except OSError as error:
        raise Refused(
            f"the output cannot be written: {error.strerror}", where=str(output), remedy="Choose another file"
        ) from error
    finally:
        partial.unlink(missing_ok=True)
