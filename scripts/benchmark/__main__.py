"""`scripts/bench`: everything in one run, so that ratios are of the same machine in the same minutes."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar, TypeVarTuple

import click
import trio
from attrs import frozen

from ingest.runtime.supervise import one_error
from scripts.benchmark import report
from scripts.benchmark.account import Failed
from scripts.benchmark.floor import floor
from scripts.benchmark.footprint_table import footprint_tables
from scripts.benchmark.imports import Imported, Past, imported
from scripts.benchmark.memory import Footprint, footprint, imports
from scripts.benchmark.report import RECEIVING, Framing
from scripts.benchmark.runs import Load, Opener, embedded, influxdb, receive_alone, saturate
from scripts.benchmark.schemas import Cost, schemas
from scripts.benchmark.traffic import TOGETHER, events, points, texts

T = TypeVar("T")
Args = TypeVarTuple("Args")

ENTITIES = 500
LARGE = 41_000

STORES: dict[str, Opener] = {"InfluxDB": influxdb, "embedded": embedded}


@frozen
class Size:
    """How much is done: rounds, warming events, measured events by kind of frame, the homes that are weighed, an import."""

    rounds: int
    warm: int
    measured: dict[int, int]
    homes: tuple[int, ...]
    past: Past


USUAL = Size(3, 10_000, {TOGETHER: 60_000, 1: 20_000}, (ENTITIES, LARGE), Past(1_000, 400))
QUICK = Size(1, 5_000, {TOGETHER: 20_000, 1: 5_000}, (ENTITIES,), Past(100, 400))

CHECKED = "Every event sent is stored, once (by its time; in InfluxDB by its whole line)."

TITLES = {TOGETHER: f"Coalesced frames of {TOGETHER} events", 1: "Single frames"}


@click.command()
@click.option("--rounds", type=click.IntRange(1, 100), help="Rounds of everything (else 3, with --quick 1).")
@click.option("--quick", is_flag=True, help="A look in half a minute: too little to quote.")
def bench(rounds: int | None, *, quick: bool) -> None:
    """Measure the service next to what it could cost at the least, and weigh it."""
    size = QUICK if quick else USUAL
    try:
        report.show(f"{report.machine()}; medians of {rounds or size.rounds} (least – most)")
        for framing in _speed(size, rounds or size.rounds):
            report.show(report.speed(framing), report.parts(framing))
        report.show(report.schemas(_encode(size.warm)))
        report.show(report.history(_import(size.past), size.past))
        report.show(report.memory(_weigh(size.homes)), report.imports(imports()), CHECKED)
        report.show(*footprint_tables(_run, quick=quick))
    except Failed as error:
        sys.exit(f"bench: {error}")


def _speed(size: Size, rounds: int) -> list[Framing]:
    loads = {together: Load.of(ENTITIES, size.warm, measured) for together, measured in size.measured.items()}
    framings = {together: Framing(TITLES[together]) for together in loads}
    for number in range(1, rounds + 1):
        for together, load in loads.items():
            _say(f"round {number} of {rounds}: {TITLES[together].lower()}")
            _round(load, together, framings[together])
    return list(framings.values())


def _round(load: Load, together: int, framing: Framing) -> None:
    framing.add_floor(floor(list(texts(load.stream[load.warm :], together, 1)), together, load.lines[load.warm :]))
    framing.add(RECEIVING, _run(receive_alone, load, together))
    for name, opener in STORES.items():
        framing.add(f"service, {name}", _run(saturate, load, together, opener))


def _encode(count: int) -> dict[str, Cost]:
    _say("the schemas")
    return schemas(points(ENTITIES, events(ENTITIES, count)))


def _import(past: Past) -> dict[str, Imported]:
    found = {}
    for name, opener in STORES.items():
        _say(f"importing {past.imported:,} states: {name}")
        found[name] = _run(imported, past, opener)
    return found


def _weigh(homes: Iterable[int]) -> dict[tuple[int, str], Footprint]:
    found = {}
    for entities in homes:
        for name, opener in STORES.items():
            _say(f"weighing the service in a home of {entities:,} entities: {name}")
            found[entities, name] = _run(footprint, entities, opener)
    return found


def _run(work: Callable[[*Args], Awaitable[T]], *args: *Args) -> T:
    with one_error():
        return trio.run(work, *args)
    raise AssertionError  # pragma: no cover  `one_error` raised


def _say(what: str) -> None:
    click.echo(f"bench: {what} …", err=True)


if __name__ == "__main__":
    bench()
