"""`scripts/bench`: everything in one run, so that ratios are of the same machine in the same minutes."""

from __future__ import annotations

import sys
import time

import click

from scripts.benchmark import report
from scripts.benchmark.account import Failed
from scripts.benchmark.size import QUICK, USUAL
from scripts.benchmark.tables.registry import TABLES
from scripts.benchmark.verdict import Verdict, outcome, verdicts


@click.command()
@click.argument("tables", nargs=-1, type=click.Choice(list(TABLES)), metavar="[TABLE]…")
@click.option("--rounds", type=click.IntRange(1, 100), help="Rounds of everything (else 3, with --quick 1).")
@click.option("--quick", is_flag=True, help="A look in a minute: too little to quote.")
def bench(tables: tuple[str, ...], rounds: int | None, *, quick: bool) -> None:
    """Measure the service next to what it could cost at the least, and hold it to its bounds. Ends with 1 when one is missed."""
    size = (QUICK if quick else USUAL).of(rounds)
    judged: list[Verdict] = []
    report.show(f"{report.machine()}; medians of {size.rounds} (least – most)")
    try:
        for name in tables or TABLES:
            began = time.monotonic()
            for piece in TABLES[name](size):
                if isinstance(piece, list):
                    judged += piece
                report.show(verdicts(piece) if isinstance(piece, list) else piece)
            report.took(name, time.monotonic() - began)
    except Failed as error:
        sys.exit(f"bench: {error}")
    if judged:
        report.show(f"At the end: {report.machine()}. {outcome(judged)}")
    if not all(each.holds for each in judged):
        sys.exit(1)


bench.help = f"{bench.help}\n\nTables: {', '.join(TABLES)}; all of them when none is named."

if __name__ == "__main__":
    bench()
