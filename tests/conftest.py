"""What every test gets: the vectors where they lie, a run folder of its own, and loopback as the only net."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from pytest_socket import socket_allow_hosts

# The PostgreSQL wheel warns without it, and wake puts its sockets there (DECISIONS 25).
os.environ["XDG_RUNTIME_DIR"] = tempfile.mkdtemp(prefix="parvis-run-")

pytest_plugins = ["tests.databases"]

_BESIDE = Path(__file__).resolve().parent.parent.parent / "shared" / "vectors"
_FOLDER = Path(os.environ.get("PARVIS_VECTORS") or _BESIDE)

#: The folder of the vectors, or None: tests of vectors are skipped without it.
VECTORS: Path | None = _FOLDER if (_FOLDER / "FORMS.md").is_file() else None


def pytest_runtest_setup() -> None:
    """No test reaches the net."""
    socket_allow_hosts(["127.0.0.1", "::1", "localhost"], allow_unix_socket=True)


@pytest.fixture(scope="session")
def vectors() -> Path:
    """The folder of the vectors; skips where they are absent."""
    if VECTORS is None:
        pytest.skip("the vectors are not beside this repository (PARVIS_VECTORS)")
    return VECTORS
