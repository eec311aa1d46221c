"""Which process holds a lease."""

from __future__ import annotations

import subprocess
import sys

from node.exchange.holder import gone, holder


def test_this_process_is_not_gone() -> None:
    assert not gone(holder())
    assert len(holder()) <= 64


def test_a_process_that_ended_is_gone() -> None:
    code = "from node.exchange.holder import holder; print(holder())"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert gone(ended.stdout.strip())


def test_a_later_process_of_the_same_number_is_another() -> None:
    host, number, _ = holder().split("/")
    assert gone(f"{host}/{number}/1")


def test_of_another_host_nothing_is_known() -> None:
    assert not gone("elsewhere/999999999/1")
    assert not gone("")
