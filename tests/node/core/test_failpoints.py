"""A failpoint ends the process as a crash would."""

from __future__ import annotations

import os
import subprocess
import sys
import timeit

import pytest

from node.core import failpoints

SCRIPT = "from node.core.failpoints import hit; hit('b'); hit('a'); print('once'); hit('a'); print('twice')"


@pytest.mark.parametrize(
    ("failpoint", "status", "output"),
    [("", 0, "once\ntwice\n"), ("a", 9, ""), ("a:2", 9, "once\n"), ("c", 0, "once\ntwice\n")],
)
def test_ends_the_process_there(failpoint: str, status: int, output: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-u", "-c", SCRIPT],
        env={**os.environ, "PARVIS_FAILPOINT": failpoint},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (status, output)


def test_costs_nothing_otherwise() -> None:
    assert timeit.timeit(lambda: failpoints.hit("exchange.sent"), number=10_000) < 0.1
