"""`parvis conformance`: one line a folder, the names of what failed, and an exit that a script can read."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from federation import conformance
from node.cli.conformance import command


def _run(folder: Path) -> Result:
    return CliRunner().invoke(command, [str(folder)])


def _line(result: Result, name: str) -> str:
    return next(line for line in result.output.splitlines() if line.startswith(f"{name} "))


@pytest.fixture
def copy(vectors: Path, tmp_path: Path) -> Path:
    """A copy of two folders with a form and one without."""
    for name in ("own-exchange", "fep-vectors", "mastodon-docs"):
        shutil.copytree(vectors / name, tmp_path / "copy" / name)
    return tmp_path / "copy"


def test_runs_every_form_and_fails_nothing(vectors: Path) -> None:
    result = _run(vectors)
    assert result.exit_code == 0, result.output
    for form in conformance.FORMS:
        assert re.search(r"[1-9]\d* passed, 0 failed", _line(result, form))
    assert _line(result, "mastodon-docs").endswith("not yet")


def test_says_why_something_was_skipped(copy: Path) -> None:
    assert "identity proofs are not offered: 2" in _line(_run(copy), "fep-vectors")


def test_a_wrong_vector_is_named_and_the_exit_is_1(copy: Path) -> None:
    path = copy / "own-exchange" / "hello.json"
    vector = json.loads(path.read_text())
    vector["expect"]["status"] = 500
    path.write_text(json.dumps(vector))
    result = _run(copy)
    assert result.exit_code == 1
    assert "1 failed" in _line(result, "own-exchange")
    assert "FAILED  own-exchange/hello.json: status: 200, expected 500" in result.output


def test_a_new_file_of_the_same_form_runs_without_new_code(copy: Path) -> None:
    folder = copy / "own-exchange"
    before = re.search(r"(\d+) passed", _line(_run(copy), "own-exchange"))
    shutil.copy(folder / "hello.json", folder / "another-hello.json")
    after = re.search(r"(\d+) passed", _line(_run(copy), "own-exchange"))
    assert before is not None
    assert after is not None
    assert int(after[1]) == int(before[1]) + 1


def test_one_folder_of_a_form_is_run_by_itself(copy: Path) -> None:
    result = _run(copy / "own-exchange")
    assert result.exit_code == 0
    assert result.output.count("\n") == 1


def test_a_folder_of_a_form_with_nothing_in_it_fails(copy: Path) -> None:
    for path in (copy / "own-exchange").glob("*.json"):
        path.unlink()
    result = _run(copy)
    assert result.exit_code == 1
    assert "FAILED  own-exchange: there is nothing in it to run" in result.output


def test_a_folder_that_cannot_be_read_fails(copy: Path, vectors: Path) -> None:
    shutil.copytree(vectors / "own-peering-profile", copy / "own-peering-profile")
    (copy / "own-peering-profile" / "keys.json").unlink()
    result = _run(copy)
    assert result.exit_code == 1
    assert "FAILED  own-peering-profile/own-peering-profile: FileNotFoundError" in result.output


def test_a_folder_without_any_known_form_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "holiday-pictures").mkdir()
    result = _run(tmp_path)
    assert result.exit_code == 1
    assert "No folder of" in result.output
