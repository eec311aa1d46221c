"""The bench itself: quick, whole, and honest about what it could not measure. Its times mean nothing here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks import meter
from tests.benchmarks.figures import GOALS, Figures

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.slow
def test_a_quick_bench_gives_every_figure_and_loses_nothing() -> None:
    command = [sys.executable, "-m", "tests.benchmarks", "--quick"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=90, check=False)
    document = json.loads(done.stdout)
    assert document["problems"] == {}, done.stderr
    assert set(document["figures"]) == set(GOALS)
    for name in ("burst_missing", "burst_doubled", "burst_out_of_order", "outage_missing", "outage_doubled"):
        assert document["figures"][name]["value"] == 0
    assert done.returncode == (0 if document["ok"] else 1)


def test_a_goal_that_does_not_hold_is_said() -> None:
    figures = Figures()
    figures["rate_8_senders"] = 249.9
    document = figures.document()
    assert not document["ok"]
    assert document["figures"]["rate_8_senders"] == {
        "value": 249.9,
        "unit": "messages/s",
        "goal": ">= 250",
        "ok": False,
    }


def test_a_stage_without_figures_is_no_success() -> None:
    figures = Figures()
    figures.fail("burst", "TimeoutError: 3 of 8 became visible.")
    assert figures.document()["ok"] is False


def test_the_meter_sees_this_process() -> None:
    before = meter.cpu_s([os.getpid()])
    total = 0
    while meter.cpu_s([os.getpid()]) < before + 0.05:
        total += sum(range(10_000))
    assert meter.pss_mib([os.getpid()]) > 10
    assert os.getpid() in meter.descendants(os.getppid())


def test_percentiles() -> None:
    assert meter.percentile([3, 1, 2], 0.5) == 2
    assert meter.percentile(range(100), 0.95) == 95
