"""That no row of the advisory table is forgotten: each has a test that exists, or says why it needs none."""

from __future__ import annotations

import ast
import re
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
ROWS = {"A": 18, "B": 14, "C": 23, "D": 26}
MOST_NOT_APPLICABLE = 0.1
#: What was found of shared channels, each tried under its own name (PRODUCT B7).
SHARED_CHANNELS = {
    *("2024_29977", "2024_36492", "2024_39274", "2024_39837", "2024_39839", "2024_41144", "2024_41162"),
    *("2024_41926", "2025_9076", "2025_49222", "2026_4274", "2026_28759"),
}


def _table() -> dict[str, str]:
    """Row -> what holds it."""
    lines = (Path(__file__).parent / "ROWS.md").read_text(encoding="utf-8").splitlines()
    cells = [
        [each.strip() for each in line.strip("|").split("|")]
        for line in lines
        if re.match(r"\| [A-Z]\d", line)
    ]
    return {row: held for row, _, held in cells}


def _marked() -> dict[str, set[str]]:
    """Test -> the rows that its marker names, of the tests of this folder."""
    found: dict[str, set[str]] = {}
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.FunctionDef):
                continue
            rows = {
                argument.value
                for each in node.decorator_list
                if isinstance(each, ast.Call) and ast.unparse(each.func) == "pytest.mark.advisory"
                for argument in each.args
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
            }
            if rows:
                found[f"{path.relative_to(TESTS.parent)}::{node.name}"] = rows
    return found


def test_every_row_is_held_or_says_why_not() -> None:
    table = _table()
    assert set(table) == {f"{letter}{n}" for letter, last in ROWS.items() for n in range(1, last + 1)}
    excused = [row for row, held in table.items() if held.startswith("not applicable because ")]
    assert len(excused) <= MOST_NOT_APPLICABLE * len(table)
    assert [row for row, held in table.items() if "::test_" not in held and row not in excused] == []


def test_every_test_that_is_named_exists() -> None:
    for row, held in _table().items():
        for path, name in re.findall(r"`([\w/.]+)::(\w+)`", held):
            source = (TESTS.parent / path).read_text(encoding="utf-8")
            assert f"def {name}(" in source, (row, path, name)


def test_every_marked_test_stands_in_its_row() -> None:
    table = _table()
    for test, rows in _marked().items():
        for row in rows:
            assert row not in table or f"`{test}`" in table[row], (row, test)


def test_every_failure_of_shared_channels_is_tried_by_name() -> None:
    source = (Path(__file__).parent / "test_mattermost.py").read_text(encoding="utf-8")
    assert len(SHARED_CHANNELS) == 12
    assert set(re.findall(r"def test_cve_(\d+_\d+)_", source)) >= SHARED_CHANNELS
