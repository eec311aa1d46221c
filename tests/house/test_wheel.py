"""A wheel brings templates, styles, translations, types and migrations, and starts from them alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

START = """
import pathlib, sys, tempfile
import node.config, node.app, node.core.http.context as context
root = pathlib.Path(sys.argv[1])
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


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the wheel of this tree holds."""
    source = tmp_path_factory.mktemp("source")
    for name in ("schemas", "federation", "node", "tests", "deploy"):
        shutil.copytree(
            ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "node_modules")
        )
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    script = "import sys; from setuptools.build_meta import build_wheel; print(build_wheel(sys.argv[1]))"
    built = subprocess.run(
        [sys.executable, "-c", script, str(source)], cwd=source, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr
    folder = tmp_path_factory.mktemp("wheel")
    with zipfile.ZipFile(source / built.stdout.strip().splitlines()[-1]) as wheel:
        wheel.extractall(folder)
    return folder


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


def test_it_starts_from_itself(unpacked: Path, tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", START, str(unpacked)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(unpacked)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
