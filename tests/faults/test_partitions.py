"""Short partitions; `make faults` runs all kinds, and longer ones."""

from __future__ import annotations

from pathlib import Path

from tests.faults.partitions import part, parted
from tests.faults.sides import NAMES, Seed, sown_on_sqlite


def test_three_go_on_alone_and_agree_after_it(tmp_path: Path) -> None:
    with parted(sown_on_sqlite(tmp_path / "seed", NAMES), tmp_path / "run") as run:
        assert part(run, "full", 3)["cuts"]


def test_two_do_so_behind_proxies(sqlite_seed: Seed, tmp_path: Path) -> None:
    with parted(sqlite_seed, tmp_path, proxied=True) as run:
        assert part(run, "full", 3)["cuts"]
