"""What lies in deploy/ fits the node: names of settings, sizes, times; the backup copies what it should."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from node import config
from node.cli.serving import KEEP_ALIVE_S

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
DOCS = DEPLOY.parent / "docs"
ELSEWHERE = {"PARVIS_CONFIG", "PARVIS_VECTORS"}


@pytest.mark.parametrize(
    "path", [*DEPLOY.iterdir(), *DOCS.rglob("*.md"), DEPLOY.parent / "README.md"], ids=lambda path: path.name
)
def test_only_settings_that_exist_are_named(path: Path) -> None:
    if path.is_dir():
        pytest.skip("a folder")
    named = set(re.findall(r"\bPARVIS_[A-Z_]+[A-Z]\b", path.read_text(encoding="utf-8")))
    assert named <= {name for name, *_ in config.described()} | ELSEWHERE


def test_the_example_of_settings_is_taken_as_it_is() -> None:
    env = {"PARVIS_CONFIG": str(DEPLOY / "parvis.cfg"), "PARVIS_SECRET_KEY": config.new_secret_key()}
    assert config.Settings.load(env).origin == "https://parvis.example"


def test_compose_is_read() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    assert set(compose["services"]) == {"node", "database"}


def test_the_proxy_lets_the_largest_attachment_and_the_longest_poll_through(tmp_path: Path) -> None:
    nginx = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
    settings = config.example(tmp_path)
    body = re.search(r"client_max_body_size (\d+)m;", nginx)
    wait = re.search(r"proxy_read_timeout (\d+)s;", nginx)
    keep = re.search(r"keepalive_timeout (\d+)s;", nginx)
    assert body
    assert wait
    assert keep
    assert int(body[1]) * 1024 * 1024 > settings.max_file_bytes
    assert int(wait[1]) > settings.live_hold_s
    assert int(keep[1]) >= KEEP_ALIVE_S


def test_the_backup_copies_databases_and_files_but_no_key(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "files" / "ab").mkdir(parents=True)
    (data / "files" / "ab" / "abcd").write_bytes(b"plan")
    (data / "secret.key").write_text("secret")
    with sqlite3.connect(data / "parvis.db") as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE post (text)")
        database.execute("INSERT INTO post VALUES ('Mardi.')")
    database.commit()  # the writer stays connected: its WAL is not folded in yet
    done = subprocess.run(
        [DEPLOY / "backup.sh", data, tmp_path / "copies", sys.executable],
        check=True,
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin"},
    )
    database.close()
    copy = Path(done.stdout.strip())
    restored = sqlite3.connect(copy / "parvis.db")
    assert restored.execute("SELECT text FROM post").fetchall() == [("Mardi.",)]
    restored.close()
    assert (copy / "files" / "ab" / "abcd").read_bytes() == b"plan"
    assert not (copy / "secret.key").exists()
    assert copy.stat().st_mode & 0o077 == 0
