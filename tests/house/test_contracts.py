"""The contracts of the house hold; and each can be broken, or it would guard nothing."""

from __future__ import annotations

import configparser
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Contract -> (a file of the house, the line that breaks it).
BREACHES = {
    "house": ("schemas/problem.py", "import federation.errors"),
    "library": ("federation/errors.py", "import flask"),
    "io": ("federation/digest.py", "import socket"),
    "floors": ("federation/errors.py", "import federation.gate"),
    "activities": ("federation/activities/like.py", "import federation.activities.undo"),
    "gate": ("federation/delivery.py", "import federation.trust"),
    "capabilities": ("node/core/clock.py", "import node.app"),
    "rooms": ("node/identity/tables.py", "import node.identity.services"),
    "onlydoors": ("node/core/clock.py", "import federation.digest"),
    "tables": ("node/app.py", "import node.identity.tables"),
    "circles": ("federation/limits.py", "import federation.documents"),
}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the house that may be broken."""
    copy = tmp_path_factory.mktemp("house")
    for name in ("schemas", "federation", "node"):
        shutil.copytree(
            ROOT / name, copy / name, ignore=shutil.ignore_patterns("static", "templates", "__pycache__")
        )
    (copy / "tests" / "house").mkdir(parents=True)
    shutil.copy(ROOT / "tests" / "house" / "private_tables.py", copy / "tests" / "house")
    shutil.copy(ROOT / "setup.cfg", copy)
    return copy


def kept(house: Path, *contracts: str) -> bool:
    script = (
        "import sys; sys.path.insert(0, '.'); from importlinter.cli import lint_imports_command as run; run()"
    )
    limits = [f"--contract={name}" for name in contracts]
    command = [sys.executable, "-c", script, "setup.cfg", "--cache-dir", ".cache", *limits]
    ran = subprocess.run(command, cwd=house, capture_output=True, text=True, check=False)
    assert ran.returncode in {0, 1}, ran.stderr
    assert "Contracts: " in ran.stdout, ran.stdout + ran.stderr
    if ran.returncode:
        sys.stdout.write(ran.stdout[-3000:])
    return ran.returncode == 0


def test_every_contract_is_kept(house: Path) -> None:
    assert kept(house)


def test_every_contract_has_a_breach_here() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    contracts = {
        name.rpartition(":")[2] for name in config.sections() if name.startswith("importlinter:contract:")
    }
    assert contracts == set(BREACHES)


@pytest.mark.parametrize("contract", BREACHES)
def test_can_be_broken(house: Path, contract: str) -> None:
    name, line = BREACHES[contract]
    path = house / name
    whole = path.read_text(encoding="utf-8")
    try:
        path.write_text(f"{whole}\n{line}\n", encoding="utf-8")
        assert not kept(house, contract)
    finally:
        path.write_text(whole, encoding="utf-8")
