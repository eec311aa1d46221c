"""`deploy/gunicorn.conf.py` is what `parvis serve` runs with."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from node.config import new_secret_key

CONF = Path(__file__).resolve().parents[3] / "deploy" / "gunicorn.conf.py"
UPSTREAM_IDLE_S = 60  # nginx’s default for a connection to us; we must not be the first to hang up


def test_the_file_for_operators_keeps_connections_and_delivers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in {
        "ORIGIN": "http://aubier.localhost:8101",
        "ORGANISATION": "Aubier",
        "ENVIRONMENT": "development",
        "DATA_DIR": str(tmp_path),
        "SECRET_KEY": new_secret_key(),
    }.items():
        monkeypatch.setenv(f"PARVIS_{name}", value)
    monkeypatch.chdir(tmp_path)
    chosen = runpy.run_path(str(CONF))
    assert chosen["keepalive"] >= UPSTREAM_IDLE_S + 15
    assert (chosen["workers"], chosen["worker_class"]) == (1, "gthread")
    assert callable(chosen["post_worker_init"])
