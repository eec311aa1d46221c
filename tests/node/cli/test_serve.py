"""`parvis init`, `serve` and `worker` as real processes."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

START_S = 20.0


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = {name: value for name, value in os.environ.items() if not name.startswith("PARVIS_")}
    return {
        **own,
        "PARVIS_ENV": "development",
        "PARVIS_ORIGIN": f"http://aubier.localhost:{port}",
        "PARVIS_ORGANISATION": "Aubier",
        "PARVIS_PORT": str(port),
        "PARVIS_DATA_DIR": str(tmp_path / "data"),
    }


def parvis(env: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "node.cli", *words]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60)


@contextmanager
def running(env: dict[str, str], *words: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "node.cli", *words]
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def health(env: dict[str, str]) -> int:
    end = time.monotonic() + START_S
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", int(env["PARVIS_PORT"]), timeout=5)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status
        except OSError:
            assert time.monotonic() < end
            time.sleep(0.05)
        finally:
            connection.close()


def test_a_node_is_made_served_and_stopped(env: dict[str, str]) -> None:
    assert parvis(env, "init").returncode == 0
    assert "Secret key" not in parvis(env, "init").stdout  # nothing is made twice
    with running(env, "serve") as process:
        assert health(env) == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
    assert not list((Path(env["PARVIS_DATA_DIR"]) / "run").glob("*.wake"))


def test_a_worker_runs_beside_and_stops(env: dict[str, str]) -> None:
    parvis(env, "init")
    assert parvis(env, "worker", "--once").stdout.startswith("Jobs: ")
    with running(env, "worker") as process:
        time.sleep(1.5)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, "There is no secret key"),
        ({"PARVIS_ORIGIN": "http://parvis.example"}, "http is for names under .localhost only"),
        ({"PARVIS_ENV": "production"}, "must begin with https://"),
        ({"PARVIS_DEBUG": "yes", "PARVIS_BIND": "192.0.2.1"}, "PARVIS_DEBUG is on"),
    ],
)
def test_says_why_it_does_not_start(env: dict[str, str], changes: dict[str, str], sentence: str) -> None:
    said = parvis({**env, **changes}, "serve")
    assert said.returncode != 0
    assert sentence in said.stderr
    assert "Traceback" not in said.stderr


def test_refuses_a_database_of_another_revision(env: dict[str, str]) -> None:
    parvis(env, "init")
    (Path(env["PARVIS_DATA_DIR"]) / "parvis.db").unlink()
    said = parvis(env, "serve")
    assert said.returncode != 0
    assert "run: parvis init" in said.stderr
