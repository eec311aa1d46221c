"""The library stands alone: it imports and passes its tests where Flask, SQLAlchemy and Authlib cannot be had."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# Runs in a process of its own: `node` and what it is built on are not there.
ALONE = """
import importlib, pkgutil, sys

ABSENT = {"node", "flask", "flask_smorest", "flask_babel", "werkzeug", "sqlalchemy", "alembic", "authlib"}

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"{name} is not for the library.")

sys.meta_path.insert(0, Absent())
names = []
for package in ("schemas", "federation"):
    found = importlib.import_module(package)
    names += [each.name for each in pkgutil.walk_packages(found.__path__, f"{package}.")]
for name in names:
    importlib.import_module(name)
assert len(names) > 60, names

import pytest

code = pytest.main(["-q", "--confcutdir=tests/federation", *sys.argv[1:]])
assert not ABSENT & {name.partition(".")[0] for name in sys.modules}
sys.exit(code)
"""


def test_the_library_imports_and_walks_without_the_node_and_its_frameworks() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", ALONE, "tests/federation/test_walks.py", "tests/federation/test_handshake.py"],
        cwd=ROOT,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert " passed" in ran.stdout
