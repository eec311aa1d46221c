"""`make bench`: two nodes under load over TLS; prints one JSON document. `--quick` proves the bench, not the speed."""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import NoReturn

from tests.benchmarks import pair as pairs
from tests.benchmarks import stages
from tests.benchmarks.databases import databases_at
from tests.benchmarks.figures import Figures

MOST_S = 480
QUICK_MOST_S = 60

Stage = Callable[[pairs.Pair, stages.Sizes, Figures], None]
UNDER_LOAD: dict[str, Stage] = {
    "sequential": stages.sequential,
    "two hops": stages.two_hops,
    "loop of 40": stages.loop_of_40,
    "rates": stages.rates,
    "burst": stages.burst,
    "memory after": stages.memory_after,
}
AFTERWARDS: dict[str, Stage] = {
    "pause": stages.pause,
    "outage": stages.outage,
    "reading": stages.reading,
}


class OutOfTime(BaseException):
    """The bench ends by itself, whatever hangs."""


def main() -> int:
    """0 when every goal holds, 1 when one does not, or could not be measured."""
    asked = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    asked.add_argument(
        "--quick", action="store_true", help="a minute at most: small numbers, goals without meaning"
    )
    asked.add_argument(
        "--database-url",
        default="",
        help="a PostgreSQL server to make databases on; `postgresql` starts the one of the wheel; else SQLite",
    )
    asked.add_argument("--only", default="", help="stages by name, separated by commas")
    options = asked.parse_args()
    sizes = stages.QUICK if options.quick else stages.FULL
    only = {name.strip() for name in options.only.split(",") if name.strip()}
    begun = time.monotonic()

    def say(line: str) -> None:
        sys.stderr.write(f"{time.monotonic() - begun:6.1f} s  {line}\n")

    for number in (signal.SIGALRM, signal.SIGTERM):
        signal.signal(number, _out_of_time)
    signal.alarm(QUICK_MOST_S if options.quick else MOST_S)
    machine = _machine()  # with what else keeps it busy as we begin
    figures = Figures()
    kind = ""
    with tempfile.TemporaryDirectory(prefix="parvis-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        try:
            with databases_at(options.database_url, folder) as databases:
                kind = databases.kind
                with pairs.running(folder, databases, say) as pair:
                    _measure(pair, sizes, figures, only, say)
        except OutOfTime:
            figures.fail("bench", "It was ended, or its time was up.")
        signal.alarm(0)
    document = {
        "machine": machine,
        "database": kind,
        "quick": options.quick,
        "seconds": round(time.monotonic() - begun, 1),
        **figures.document(),
    }
    sys.stdout.write(json.dumps(document, indent=2) + "\n")
    return 0 if document["ok"] else 1


def _measure(
    pair: pairs.Pair, sizes: stages.Sizes, figures: Figures, only: set[str], say: Callable[[str], None]
) -> None:
    pairs.furnish(pair)
    say("The space is shared.")
    stages.idle_memory(pair, sizes, figures)
    before, sent = stages.sizes_on_disk(pair), pair.sent
    _run(UNDER_LOAD, pair, sizes, figures, only, say)
    if pair.sent > sent:
        stages.disk(pair, figures, before, pair.sent - sent)
    _run(AFTERWARDS, pair, sizes, figures, only, say)


def _run(
    chosen: dict[str, Stage],
    pair: pairs.Pair,
    sizes: stages.Sizes,
    figures: Figures,
    only: set[str],
    say: Callable[[str], None],
) -> None:
    for name, stage in chosen.items():
        if only and name not in only:
            continue
        try:
            stage(pair, sizes, figures)
            say(f"{name}: done")
        except Exception as failure:  # noqa: BLE001 -- one figure less; the others are still worth having
            figures.fail(name, f"{type(failure).__name__}: {failure}")
            say(f"{name}: {failure}")
            for house in (pair.sender, pair.receiver):
                if not house.node.is_alive():
                    say(f"{house.name} is down. {house.node.last_words()}")
                    house.node.start()
                    house.node.wait_ready()


def _machine() -> dict[str, object]:
    return {
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "system": platform.platform(),
    }


def _out_of_time(_number: int, _frame: FrameType | None) -> NoReturn:
    signal.alarm(0)
    raise OutOfTime


if __name__ == "__main__":
    sys.exit(main())
