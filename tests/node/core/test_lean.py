"""What keeps the process small."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

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
    "psycopg",
    "redis",
    "rich",
    "segno",
    "sqlalchemy.dialects.postgresql",
)
A_NODE_ON_SQLITE = f"""
import os, sys
from node.app import background_of, create_app
from node.config import Settings

background_of(create_app(Settings.load(os.environ)))
print(*(name for name in {UNNEEDED_AT_REST} if sys.modules.get(name)))
"""


def test_a_node_on_sqlite_loads_nothing_that_it_does_not_need(tmp_path: Path) -> None:
    settings = {
        "PARVIS_ENVIRONMENT": "development",
        "PARVIS_ORIGIN": "http://aubier.localhost:8123",
        "PARVIS_ORGANISATION": "Aubier",
        "PARVIS_DATA_DIR": str(tmp_path),
        "PARVIS_SECRET_KEY": new_secret_key(),
    }
    done = subprocess.run(
        [sys.executable, "-c", A_NODE_ON_SQLITE], capture_output=True, text=True, check=True, env=settings
    )
    assert not done.stdout.split()
