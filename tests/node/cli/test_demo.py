"""`parvis demo` as somebody runs it: it shows, it checks itself, and it leaves nothing behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

START_S = 60


def begun(*words: str) -> subprocess.Popen[str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("PARVIS_")}
    return subprocess.Popen(
        [sys.executable, "-m", "node.cli", "demo", *words],
        env={**own, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def serving(folder: Path) -> list[int]:
    """Processes that are a node in this folder."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            environment = (entry / "environ").read_bytes()
        except OSError:
            continue
        if b"PARVIS_CONFIG=" + bytes(folder) in environment:
            found.append(int(entry.name))
    return found


def read_until(demo: subprocess.Popen[str], words: str) -> str:
    assert demo.stdout is not None
    said = ""
    for line in demo.stdout:
        said += line
        if words in line:
            return said
    pytest.fail(f"It ended before it said {words!r}:\n{said}")


def test_the_check_holds() -> None:
    with begun("--check") as demo:
        said, _ = demo.communicate(timeout=90)
    assert demo.returncode == 0, said
    assert "The same 34 posts" in said
    assert re.search(
        r"[1-9]\d* receipts, each verified again, prove the delivery of all [1-9]\d* entries", said
    )
    assert said.rstrip().endswith("All of it holds.")
    assert said.count("kill -9 of all processes") == 2


def test_is_shown_found_again_and_ended(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    with begun("--dir", str(folder)) as demo:
        said = read_until(demo, "Ctrl-C ends all three")
        assert len(set(re.findall(r"http://[a-z-]+\.localhost:\d+", said))) == 3
        assert "Everybody's password: passerelle-" in said
        assert len(serving(folder)) >= 6  # three masters, three workers
        with begun("--dir", str(folder)) as second:
            refused, _ = second.communicate(timeout=30)
        assert second.returncode == 1
        assert f"as process {demo.pid}" in refused
        demo.send_signal(signal.SIGINT)
        assert demo.wait(30) == 0
    assert not serving(folder)
    with begun("--dir", str(folder), "--once") as again:
        said, _ = again.communicate(timeout=60)
    assert again.returncode == 0
    assert "Starting the demo that is in" in said
    assert not serving(folder)


def test_is_ended_in_the_middle_of_the_setting_up(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    with begun("--dir", str(folder)) as demo:
        read_until(demo, "Aubier answers at")
        demo.send_signal(signal.SIGTERM)
        begun_at = time.monotonic()
        assert demo.wait(30) == 0
        assert time.monotonic() - begun_at < 15
    assert not serving(folder)
    assert not (folder / "demo.json").exists()  # an unfinished demo begins anew
