"""A short partition between two nodes; `make faults` runs all kinds, and longer ones."""

from __future__ import annotations

from pathlib import Path

from tests.faults.partitions import behind_wires, part
from tests.faults.sides import Seed


def test_both_go_on_alone_and_agree_after_it(sqlite_seed: Seed, tmp_path: Path) -> None:
    with behind_wires(sqlite_seed, tmp_path) as (play, wires):
        assert part(play, wires, "full", 3)["cuts"]
