"""A partition between two nodes that run as processes: both go on alone, and agree soon after it has healed (R3)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.faults.play import Broken, Play
from tests.faults.proxy import CUTTING, Proxy
from tests.faults.sides import Seed, copied, free_port

HEALS_WITHIN_S = 60.0


@contextmanager
def behind_wires(seed: Seed, folder: Path) -> Iterator[tuple[Play, list[Proxy]]]:
    """Both sides, each behind a wire of its own."""
    with copied(seed, folder) as pair:
        wires = []
        for side in pair:
            port, behind = int(side.values["PARVIS_PORT"]), free_port()
            side.values = {**side.values, "PARVIS_PORT": str(behind)}
            wires.append(Proxy(port, behind))
        play = Play(pair)
        play.start()
        yield play, wires
        for wire in wires:
            wire.close()


def part(play: Play, wires: list[Proxy], kind: str, lasts_s: float) -> dict[str, Any]:
    """Talks on both sides while the wires are so; what it took until both held the same again.

    Raises Broken: a side could not be used, or they did not agree in time.
    """
    for wire in wires:
        wire.fault, wire.cut = kind, 0
    until, slowest, said = time.monotonic() + lasts_s, 0.0, 0
    while time.monotonic() < until:
        for side in play.both:
            begun = time.monotonic()
            words = f"{kind} {side.name} {said}"
            play.tried.add(words)
            if side.act("say", words) is None:
                raise Broken(f"{side.name} can't be used while {kind}: {side.problem}")
            play.answered.add(words)
            slowest = max(slowest, time.monotonic() - begun)
        said += 1
        time.sleep(0.2)
    cuts = sum(wire.cut for wire in wires)
    if kind in CUTTING and not cuts:
        raise Broken(f"{kind}: nothing was cut")
    for wire in wires:
        wire.fault = ""
    begun = time.monotonic()
    while wrong := play.wrong():
        if time.monotonic() - begun > HEALS_WITHIN_S:
            raise Broken(f"{kind}: {wrong} {HEALS_WITHIN_S:.0f} s after it healed")
        time.sleep(0.1)
    return {
        "kind": kind,
        "lasted_s": lasts_s,
        "posts": 2 * said,
        "slowest_say_s": round(slowest, 3),
        "healed_s": round(time.monotonic() - begun, 2),
        "cuts": cuts,
    }
