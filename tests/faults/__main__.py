"""The campaigns of `make faults`: prints one JSON of what was tried, what it took, and what broke.

python -m tests.faults [--only crashes,machine,...] [--crashes 20] [--permutations 2000] [--seed 1]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

from tests.faults import crashing
from tests.faults.long import away, poisoned, talking
from tests.faults.partitions import behind_wires, part
from tests.faults.play import FURTHER, SCENES, Broken
from tests.faults.proxy import KINDS
from tests.faults.sides import sown_on_sqlite
from tests.node.exchange.talk import Talk

AT_MOST_S = 25 * 60
WORKERS = 2
CUT_FOR_S = 20.0
MACHINE = "tests/federation/test_exchange_machine.py"

Figures = dict[str, Any]


def crashes(chosen: argparse.Namespace, until: float) -> Figures:
    """Every failpoint, so many times (R2)."""
    wanted = [(name, name, scene) for name, scene in SCENES.items()]
    wanted += [(title, failpoint, scene) for title, (failpoint, scene) in FURTHER.items()]
    random.Random(chosen.seed).shuffle(wanted)
    parts = [(wanted[first::WORKERS], chosen.crashes, until) for first in range(WORKERS)]
    with ProcessPoolExecutor(WORKERS, get_context("spawn")) as pool:
        found = list(pool.map(crashing.run, parts))
    done = {name: count for each in found for name, count in each["done"].items()}
    return {
        "failpoints": len(SCENES),
        "crashes": sum(done.values()),
        "fewest": min(done.values()),
        "short": sorted(name for name, count in done.items() if count < chosen.crashes),
        "broken": [each for one in found for each in one["broken"]],
    }


def partitions(chosen: argparse.Namespace, until: float) -> Figures:
    """Every kind of partition (R3)."""
    runs, broken = list[Figures](), list[str]()
    with (
        crashing.folders() as folder,
        behind_wires(sown_on_sqlite(folder() / "seed"), folder()) as (play, wires),
    ):
        for kind in KINDS:
            if time.time() > until:
                broken.append(f"{kind}: no time left")
                continue
            try:
                runs.append(part(play, wires, kind, chosen.cut))
            except Broken as error:
                broken.append(str(error)[:500])
    return {"runs": runs, "broken": broken}


def outages(chosen: argparse.Namespace, _until: float) -> Figures:
    """A partner away for a week with much that waits, and for a month (R4)."""
    return _long(lambda talk: away(talk, 7, chosen.pending), lambda talk: away(talk, 31, 10))


def poison(chosen: argparse.Namespace, _until: float) -> Figures:
    """Lines that can't be applied among many that can (R10)."""
    return _long(lambda talk: poisoned(talk, chosen.items, chosen.items // 20))


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
            said = "not done in time"
        if each.returncode != 0:
            broken.append(said[-3000:])
    return {"permutations": share * WORKERS, "broken": broken}


CAMPAIGNS: Mapping[str, Callable[[argparse.Namespace, float], Figures]] = {
    each.__name__: each for each in (crashes, machine, partitions, outages, poison)
}


def main() -> int:
    """Runs what was chosen; 0 when nothing broke."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--only", default=",".join(CAMPAIGNS))
    parser.add_argument("--crashes", type=int, default=20)
    parser.add_argument("--cut", type=float, default=CUT_FOR_S, help="how long a partition lasts, in seconds")
    parser.add_argument("--pending", type=int, default=10_000, help="how much waits for who is away")
    parser.add_argument("--items", type=int, default=20_000, help="of which one in twenty is poison")
    parser.add_argument("--permutations", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    until, figures = time.time() + AT_MOST_S, dict[str, Any](seed=chosen.seed)
    for name in chosen.only.split(","):
        begun = time.monotonic()
        found = CAMPAIGNS[name](chosen, until)
        figures[name] = {**found, "seconds": round(time.monotonic() - begun, 1)}
    figures["broken"] = sum(len(figures[name]["broken"]) for name in chosen.only.split(","))
    print(json.dumps(figures, indent=2))
    return 1 if figures["broken"] else 0


if __name__ == "__main__":
    sys.exit(main())
