"""A wheel brings templates, styles, translations, types and migrations; with what it asks for, it starts."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import venv
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

START = """
import pathlib, sys, tempfile
import node.config, node.app, node.core.http.context as context
root = pathlib.Path(sys.prefix)
assert pathlib.Path(node.app.__file__).is_relative_to(root), node.app.__file__
app = node.app.create_app(node.config.example(pathlib.Path(tempfile.mkdtemp())))
client = app.test_client()
page = client.get("/nowhere", headers={"Accept": "text/html", "Accept-Language": "fr"})
assert page.content_type.startswith("text/html"), page.text
assert "n’y a rien" in page.text, page.text
assert client.get("/static/parvis.css").status_code == 200
with app.app_context():
    context.ground().close()
"""
OK = 200
STARTS_WITHIN_S = 20.0


def _clean(environment: Mapping[str, str]) -> dict[str, str]:
    """This one, without what this process found its own modules and settings by."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PARVIS_"))}
    return {**kept, **environment}


def _run(*command: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=cwd, env=_clean(environment), capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this tree."""
    source = tmp_path_factory.mktemp("source")
    for name in ("schemas", "federation", "node", "tests", "deploy"):
        shutil.copytree(
            ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "node_modules")
        )
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    script = "import sys; from setuptools.build_meta import build_wheel; print(build_wheel(sys.argv[1]))"
    built = _run(sys.executable, "-c", script, source, cwd=source)
    assert built.returncode == 0, built.stderr
    return source / built.stdout.strip().splitlines()[-1]


@pytest.fixture(scope="module")
def unpacked(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What it holds."""
    folder = tmp_path_factory.mktemp("wheel")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(folder)
    return folder


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of an environment into which pip put it with all that it asks for, and nothing else."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    pip = _run(folder / "bin" / "pip", "install", "--disable-pip-version-check", "-q", wheel, cwd=folder)
    if pip.returncode and not _index_answers(folder):
        pytest.skip("no package index answers")
    assert pip.returncode == 0, pip.stderr[-2000:]
    return folder / "bin"


def _index_answers(folder: Path) -> bool:
    """Whether anything at all can be had from an index."""
    asked = _run(folder / "bin" / "pip", "download", "--no-deps", "-q", "idna", cwd=folder)
    return asked.returncode == 0


def test_everything_of_the_house_is_in_it(unpacked: Path) -> None:
    wanted = {
        path.relative_to(ROOT)
        for name in ("schemas", "federation", "node")
        for path in (ROOT / name).rglob("*")
        if path.suffix in {".py", ".html", ".txt", ".mo", ".mako", ".typed", ".css", ".js", ".svg", ".woff2"}
        and "__pycache__" not in path.parts
    }
    assert not {str(path) for path in wanted if not (unpacked / path).is_file()}


def test_nothing_else_is_in_it(unpacked: Path) -> None:
    folders = {path.name for path in unpacked.iterdir() if not path.name.endswith(".dist-info")}
    assert folders == {"schemas", "federation", "node"}


@pytest.mark.slow
def test_it_starts_from_itself_with_what_it_asks_for(installed: Path, tmp_path: Path) -> None:
    ran = _run(installed / "python", "-c", START, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr[-2000:]


@pytest.mark.slow
def test_its_command_makes_a_node_and_serves(installed: Path, tmp_path: Path) -> None:
    told = _run(installed / "parvis", "--help", cwd=tmp_path)
    assert told.returncode == 0, told.stderr[-2000:]
    assert "serve" in told.stdout
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    settings = {
        "PARVIS_ENV": "development",
        "PARVIS_ORIGIN": f"http://aubier.localhost:{port}",
        "PARVIS_ORGANISATION": "Aubier",
        "PARVIS_PORT": port,
        "PARVIS_DATA_DIR": str(tmp_path / "data"),
    }
    made = _run(installed / "parvis", "init", cwd=tmp_path, **settings)
    assert made.returncode == 0, made.stderr[-2000:]
    command = [str(installed / "parvis"), "serve"]
    with subprocess.Popen(command, cwd=tmp_path, env=_clean(settings), stderr=subprocess.PIPE) as process:
        try:
            assert _health(int(port), process) == OK
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
        finally:
            if process.poll() is None:
                process.kill()


def _health(port: int, process: subprocess.Popen[bytes]) -> int:
    """What the node answers to whoever asks how it is, once it listens."""
    until = time.monotonic() + STARTS_WITHIN_S
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status
        except OSError:
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.05)
        finally:
            connection.close()
