"""Partitions between nodes that run as processes: all go on alone, and agree soon after it has healed (R3)."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from tests.faults.namespaces import Cable
from tests.faults.play import Broken, differing
from tests.faults.proxy import CUTTING, Proxy
from tests.faults.sides import Seed, Side, Sides, copied, free_port

HEALS_WITHIN_S = 60.0
ASKS_A_SECOND, ASKS_AT_ONCE = 1.0, 10
"""How often one node may knock at another that is away: the schedule says hello every two seconds at most."""


class Wire(Protocol):
    """What lies between nodes: `tests.faults.proxy` before one of them, or `tests.faults.namespaces` between all."""

    fault: str
    cut: int
    attempts: int

    def close(self) -> None: ...


class Parted:
    """Nodes that run, the wires between them, and what their people said."""

    def __init__(self, sides: Sides, wires: Sequence[Wire]) -> None:
        self.sides, self.wires = sides, wires
        self.said = set[str]()

    @property
    def by(self) -> str:
        return "namespaces" if isinstance(self.wires[0], Cable) else "proxy"

    def wrong(self) -> str:
        return differing(self.sides, self.said, self.said)


@contextmanager
def parted(seed: Seed, folder: Path, *, proxied: bool = False) -> Iterator[Parted]:
    """The nodes of a seed: each in a network namespace where the machine has them, else behind a proxy."""
    with ExitStack() as stack:
        sides = stack.enter_context(copied(seed, folder))
        cable = None if proxied else cable_for(sides)
        wires = [cable] if cable is not None else [_before(side) for side in sides]
        for wire in wires:
            stack.callback(wire.close)
        for side in sides:
            side.start()
        yield Parted(sides, wires)
        for side in sides:
            side.stop()


def cable_for(sides: Sides) -> Cable | None:
    """The cable between these nodes, each of which will run in a namespace of its own; None where there are none."""
    try:
        cable = Cable(len(sides))
    except OSError:
        return None
    names = [side.origin.removeprefix("http://").partition(":")[0] for side in sides]
    addresses = dict(zip(names, cable.addresses, strict=True))
    for side, path in zip(sides, cable.paths, strict=True):
        side.under = replace(side.under, namespace=path, addresses=addresses)
    return cable


def _before(side: Side) -> Proxy:
    """A proxy at the port that the others know; the node listens at another."""
    port, behind = int(side.values["PARVIS_PORT"]), free_port()
    side.values = {**side.values, "PARVIS_PORT": str(behind)}
    return Proxy(port, behind)


def part(run: Parted, kind: str, lasts_s: float) -> dict[str, Any]:
    """Talks on all sides while the wires are so; what it took until all held the same again.

    Raises Broken: a side could not be used, one knocked without a pause, or they did not agree in time.
    """
    for wire in run.wires:
        wire.fault, wire.cut, wire.attempts = kind, 0, 0
    until, slowest, posts = time.monotonic() + lasts_s, 0.0, 0
    while time.monotonic() < until:
        for side in run.sides:
            begun = time.monotonic()
            words = f"{kind} {side.name} {posts}"
            run.said.add(words)
            if side.act("say", words) is None:
                raise Broken(f"{side.name} can't be used while {kind}: {side.problem}")
            slowest = max(slowest, time.monotonic() - begun)
            posts += 1
        time.sleep(0.2)
    cuts, attempts = (sum(getattr(wire, each) for wire in run.wires) for each in ("cut", "attempts"))
    for wire in run.wires:
        wire.fault = ""
    if kind in CUTTING and not cuts:
        raise Broken(f"{kind}: nothing was cut")
    ways = 2 * (len(run.sides) - 1)
    if attempts > ways * (ASKS_AT_ONCE + ASKS_A_SECOND * lasts_s):
        raise Broken(f"{kind}: {attempts} connections were tried in {lasts_s:.0f} s")
    begun = time.monotonic()
    while wrong := run.wrong():
        if time.monotonic() - begun > HEALS_WITHIN_S:
            raise Broken(f"{kind}: {wrong} {HEALS_WITHIN_S:.0f} s after it healed")
        time.sleep(0.1)
    return {
        "kind": kind,
        "by": run.by,
        "nodes": len(run.sides),
        "lasted_s": lasts_s,
        "posts": posts,
        "slowest_say_s": round(slowest, 3),
        "healed_s": round(time.monotonic() - begun, 2),
        "cuts": cuts,
        "attempts": attempts,
    }
