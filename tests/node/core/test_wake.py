"""Wake-ups inside a process and across processes."""

from __future__ import annotations

import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from node.core import wake
from node.core.wake import PostgresWake, SocketWake, Wake

MOST_S = 10.0


def test_a_waiter_is_woken() -> None:
    here = Wake()
    woken: list[object] = []
    thread = threading.Thread(target=lambda: woken.append(here.wait("space:1", timeout=MOST_S)))
    thread.start()
    _until(lambda: bool(here._waiters))
    here.notify("space:1")
    thread.join(MOST_S)
    assert woken == [here.token()]


def test_a_waiter_of_another_channel_sleeps_on() -> None:
    here = Wake()
    token = here.token()
    here.notify("space:2")
    assert here.wait("space:1", timeout=0.01, since=token) is None
    assert not here._waiters


def test_what_was_notified_since_the_token_wakes_at_once() -> None:
    here = Wake()
    token = here.token()
    here.notify("space:1")
    new = here.wait("space:1", "person:7", timeout=MOST_S, since=token)
    assert new is not None
    assert here.wait("space:1", timeout=0.01, since=new) is None


def test_forgetting_old_channels_wakes_rather_than_sleeps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wake, "MAX_REMEMBERED", 10)
    here = Wake()
    token = here.token()
    here.notify("space:1")
    for number in range(20):
        here.notify(f"other:{number}")
    assert len(here._last) <= 10
    assert here.wait("space:1", timeout=0.01, since=token) is not None


def test_other_processes_are_woken_through_the_run_folder(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 40)  # longer than an address of a socket may be
    here = SocketWake(folder)
    token = here.token()
    script = (
        "import sys; from pathlib import Path; from node.core.wake import SocketWake;"
        "SocketWake(Path(sys.argv[1])).notify('lane:1', 'space:1')"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(folder)]) as other:
        assert here.wait("space:1", timeout=MOST_S, since=token) is not None
    assert other.returncode == 0
    here.close()
    assert not list(folder.iterdir())


def test_a_dead_process_is_forgotten(tmp_path: Path) -> None:
    dead = tmp_path / f"1-dead{wake.SUFFIX}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as left:
        left.bind(str(dead))
    with SocketWake(tmp_path) as here:
        here.notify("space:1")
        assert not dead.exists()


def test_a_socket_that_is_full_does_not_block(tmp_path: Path) -> None:
    with (
        SocketWake(tmp_path) as here,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as deaf,
    ):
        deaf.bind(str(tmp_path / f"1-deaf{wake.SUFFIX}"))
        began = time.monotonic()
        for _ in range(5_000):
            here.notify("space:1")
        assert time.monotonic() - began < MOST_S


def test_closing_wakes_whoever_waits(tmp_path: Path) -> None:
    here = SocketWake(tmp_path)
    token = here.token()
    thread = threading.Thread(target=lambda: here.wait("space:1", timeout=MOST_S, since=token))
    thread.start()
    _until(lambda: bool(here._waiters))
    began = time.monotonic()
    here.close()
    thread.join(MOST_S)
    assert time.monotonic() - began < MOST_S / 2


@pytest.mark.postgresql
def test_other_processes_are_woken_through_postgresql(postgresql_url: str) -> None:
    with PostgresWake(postgresql_url) as here, PostgresWake(postgresql_url) as there:
        token = here.token()
        there.notify("space:1")
        assert here.wait("space:1", timeout=MOST_S, since=token) is not None


def test_a_wake_up_takes_less_than_two_milliseconds(tmp_path: Path) -> None:
    with SocketWake(tmp_path) as here, SocketWake(tmp_path) as there:
        there.token()
        took: list[float] = []
        for _ in range(50):
            token = there.token()
            arrived: list[float] = []
            thread = threading.Thread(target=_note_arrival, args=(there, token, arrived))
            thread.start()
            _until(lambda: bool(there._waiters))
            began = time.perf_counter()
            here.notify("space:1")
            thread.join(MOST_S)
            took.append(arrived[0] - began)
    assert statistics.median(took) < 0.002


def _note_arrival(there: Wake, token: int, arrived: list[float]) -> None:
    there.wait("space:1", timeout=MOST_S, since=token)
    arrived.append(time.perf_counter())


def _until(fact: Callable[[], bool]) -> None:
    end = time.monotonic() + MOST_S
    while not fact():
        assert time.monotonic() < end
        time.sleep(0.0005)
