"""What keeps the process small."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from node.capabilities import CAPABILITIES
from node.config import new_secret_key
from node.core.lean import without

THREADS_ON_ONE_HEAP = """
import ctypes, platform, threading
from node.core import lean

lean.one_heap()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
found = []
thread = threading.Thread(target=lambda: found.append(libc.malloc(1000)))
thread.start()
thread.join()
found.append(libc.malloc(1000))
print(abs(found[0] - found[1]) < 64 * 1024 * 1024 if platform.libc_ver()[0] == "glibc" else True)
"""


def test_a_library_that_is_hidden_is_not_found() -> None:
    with without("tests.node.core.no_such_module"), pytest.raises(ImportError):
        __import__("tests.node.core.no_such_module")


def test_threads_share_one_heap() -> None:
    done = subprocess.run(
        [sys.executable, "-c", THREADS_ON_ONE_HEAP], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "True"


UNNEEDED_AT_REST = (
    "PIL",
    "alembic",
    "argon2",
    "authlib",
    "dns",
    "redis",
    "requests",
    "rich",
    "segno",
    "yaml",
    *(capability.commands for capability in CAPABILITIES if capability.commands),
)
UNNEEDED = {
    "sqlite": ("psycopg", "sqlalchemy.dialects.postgresql", *UNNEEDED_AT_REST),
    "postgresql": ("sqlalchemy.dialects.sqlite", *UNNEEDED_AT_REST),
}
LOADED = """
import os, sys
from node.app import background_of, create_app
from node.config import Settings

background_of(create_app(Settings.load(os.environ)))
print(*(name for name, module in sys.modules.items() if module))
"""


@pytest.mark.parametrize("database", UNNEEDED)
def test_a_node_loads_nothing_that_it_does_not_need(database: str, tmp_path: Path) -> None:
    settings = {
        "PARVIS_ENVIRONMENT": "development",
        "PARVIS_ORIGIN": "http://aubier.localhost:8123",
        "PARVIS_ORGANISATION": "Aubier",
        "PARVIS_DATA_DIR": str(tmp_path),
        "PARVIS_SECRET_KEY": new_secret_key(),
    }
    if database == "postgresql":
        pytest.importorskip("psycopg")
        settings["PARVIS_DATABASE_URL"] = "postgresql://nobody@localhost/nowhere"  # not asked yet
    loaded = subprocess.run(
        [sys.executable, "-c", LOADED], capture_output=True, text=True, check=True, env=settings
    ).stdout.split()
    assert "node.app" in loaded
    assert not set(UNNEEDED[database]) & set(loaded)


def test_the_master_of_a_node_does_without_the_c_library() -> None:
    script = "import sys, node.cli.serve, node.cli.serving; print('ctypes' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


FROZEN_THEMSELVES = (
    "cli/",
    "config/",
    "core/capability.py",
    "core/ground.py",
    "core/jobs.py",
    "core/http/guards.py",
)
"""Where a class that is frozen while it runs is worth its 17 KiB."""


def test_values_are_made_as_values() -> None:
    node = Path(__file__).resolve().parents[3] / "node"
    frozen = {
        str(path.relative_to(node))
        for path in node.rglob("*.py")
        if "@dataclass(frozen=True" in path.read_text("utf-8")
    }
    assert not {name for name in frozen if not name.startswith(FROZEN_THEMSELVES)}
