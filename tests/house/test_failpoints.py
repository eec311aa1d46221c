"""Every named instant of the code is one at which tests/faults ends a node."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.faults import test_failpoints as faults

ROOT = Path(__file__).resolve().parents[2]
CALLED = {"failpoints.hit", "failpoint", "self.failpoint"}


def _named() -> Iterator[str]:
    """The first argument of `failpoints.hit("…")`, `failpoint("…")` and `self.failpoint("…")`."""
    for package in ("federation", "node"):
        for path in (ROOT / package).rglob("*.py"):
            for each in ast.walk(ast.parse(path.read_text())):
                if isinstance(each, ast.Call) and ast.unparse(each.func) in CALLED:
                    assert isinstance(each.args[0], ast.Constant), (path, each.lineno)
                    yield str(each.args[0].value)


def test_a_crash_is_tested_at_every_named_instant() -> None:
    crashed = {
        name.partition(":")[0]
        for name in (*faults.AT_HOST, *faults.AT_GUEST, *faults.WHILE_HELD, *faults.IN_COMMANDS)
    }
    assert set(_named()) == crashed
    assert len(crashed) >= 20
    assert {name.partition(":")[0] for _, name in faults.ON_POSTGRESQL} <= crashed
    assert len(faults.ON_POSTGRESQL) >= 5
