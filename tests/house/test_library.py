"""The library stands alone: it imports, and passes its tests, where neither Flask nor SQLAlchemy nor Authlib is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Runs in a process of its own: `node` and what it is built on are not there.
ALONE = """
import importlib, os, pathlib, pkgutil, sys

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

@pytest.fixture(scope="session")
def vectors():  # all that these tests need of tests/conftest.py; the rest of it needs databases
    beside = pathlib.Path.cwd().parent / "shared" / "vectors"
    folder = pathlib.Path(os.environ.get("PARVIS_VECTORS") or beside)
    if not (folder / "FORMS.md").is_file():
        pytest.skip("the vectors are not beside this repository (PARVIS_VECTORS)")
    return folder

code = pytest.main(["-q", "--confcutdir=tests/federation", "tests/federation"], plugins=[sys.modules[__name__]])
assert not ABSENT & {name.partition(".")[0] for name in sys.modules}
sys.exit(code)
"""


@pytest.mark.slow
def test_the_library_passes_its_tests_without_the_node_and_its_frameworks() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", ALONE],
        cwd=ROOT,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert " passed" in ran.stdout
