"""`homeiq-ingest export`: stored changes as line protocol, CSV or JSON lines; as many as there are, in little memory."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from itertools import chain
from pathlib import Path
from typing import ClassVar

import click
from attrs import define, field

from ingest.cli.exits import explained
from ingest.cli.moments import window
from ingest.cli.output import written
from ingest.cli.own_file import own_store
from ingest.cli.stored import reading, store_read
from ingest.core.point import Point
from ingest.core.records import COLUMNS, json_line, record
from ingest.core.words import counted
from ingest.edge.embedded_export import Points

Format = Callable[[Iterable[Point]], bytes]


@define
class _Lines:
    """Rows that end with a line feed. Python 3.11 only quotes a carriage return where it is a part of what ends a row."""

    end: ClassVar = "\r\n"
    made: list[str] = field(factory=list)

    def write(self, row: str) -> None:
        self.made.append(row.removesuffix(self.end) + "\n")


def _csv() -> tuple[bytes, Format]:
    def text(rows: Iterable[Iterable[object]]) -> bytes:
        lines = _Lines()
        csv.writer(lines, lineterminator=_Lines.end).writerows(rows)
        return "".join(lines.made).encode()

    return text([COLUMNS]), lambda points: text(record(point).values() for point in points)


def _jsonl() -> tuple[bytes, Format]:
    return b"", lambda points: b"".join(json_line(point) + b"\n" for point in points)


def _line_protocol() -> tuple[bytes, Format]:
    from ingest.core.homeiq import Encoder  # noqa: PLC0415  only where it is used

    encode = Encoder().encode
    return b"", lambda points: b"".join(chain.from_iterable(map(encode, points)))


FORMATS: dict[str, Callable[[], tuple[bytes, Format]]] = {"lp": _line_protocol, "csv": _csv, "jsonl": _jsonl}
"""What comes first, and what makes bytes of a page of points."""


@click.command()
@click.option("--format", "kind", type=click.Choice(list(FORMATS)), default="lp", show_default=True, help="The form.")
@click.option("--entity", metavar="GLOB", help="Only entities whose name, now or once, matches.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A file, which is replaced when all is written; else standard output.",
)
@reading
def export(
    *,
    kind: str,
    entity: str | None,
    output: Path | None,
    db: Path | None,
    since: str | None,
    until: str | None,
    config_path: Path | None,
    assignments: tuple[str, ...],
) -> None:
    """Write stored changes as line protocol (lp), CSV or JSON lines (jsonl), in order of time. The file may be in use."""
    start_ns, end_ns = window(since, until)
    with explained():
        own, count = own_store(db, config_path, assignments), 0
        with store_read(own) as reader, written(output, own.used) as out:
            head, form = FORMATS[kind]()
            out.write(head)
            for _, points in Points(reader.connection).pages((start_ns - 1, 1 << 62), end_ns, entity):
                out.write(form(points))
                count += len(points)
            out.flush()
    click.echo(counted(count, "change") + (f" in {output}" if output else ""), err=True)
