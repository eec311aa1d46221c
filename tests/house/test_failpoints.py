"""Every named instant of the code is one at which tests/faults ends a node."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.faults import play
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
    assert set(_named()) == set(play.SCENES)
    assert len(play.SCENES) >= 40
    assert set(faults.ON_POSTGRESQL) <= set(play.SCENES)
    assert {name for group in faults.GROUPS for name in group} == set(play.SCENES)
