"""The demo's processes: started, found, ended to the last one, whatever they do."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.cli.demo import keeping, papers, story
from node.cli.demo.client import Refused, Voice
from node.cli.demo.houses import House, built, found
from node.cli.demo.nodes import (
    GRACE_S,
    NotStarted,
    claim,
    end_all,
    free_ports,
    is_free,
    is_gone,
    local_egress,
    next_free_port,
    start_all,
)

PASSWORD = "passerelle-47-bois"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    (port,) = free_ports(1)
    made = built(story.AUBIER, tmp_path / "aubier", port, local_egress(), password=PASSWORD)
    yield made
    end_all([made.node])


def test_a_house_answers_its_people_and_no_stranger(house: House) -> None:
    start_all([house.node])
    assert house.admin.get("/me")["name"] == "Camille Roussel"
    assert house.voices["hugo"].get("/me")["role"] == "member"
    with pytest.raises(Refused, match="was answered 401"):
        Voice(local_egress(), house.node.origin, "parvis_wrong").get("/me")


def test_what_was_built_is_found_again(house: House) -> None:
    again = found(house.organisation, house.node.folder, local_egress())
    assert again.node.origin == house.node.origin
    assert again.node.config.stat().st_mode & 0o077 == 0


def test_nothing_is_left_of_a_node_that_hangs(house: House) -> None:
    start_all([house.node])
    pids = house.node.pids()
    assert len(pids) > 1  # master and worker
    house.node.signal(signal.SIGSTOP)
    begun = time.monotonic()
    end_all([house.node])
    assert time.monotonic() - begun < GRACE_S + 2
    assert all(map(is_gone, pids))
    by = time.monotonic() + GRACE_S  # the kernel takes its time to give the port back
    while not is_free(house.node.port) and time.monotonic() < by:
        time.sleep(0.05)
    assert is_free(house.node.port)


def test_nothing_is_left_of_a_node_whose_master_was_killed(house: House) -> None:
    start_all([house.node])
    pids = house.node.pids()
    os.kill(house.node.pid, signal.SIGKILL)
    end_all([house.node])
    assert all(map(is_gone, pids))


def test_a_killed_node_starts_again(house: House) -> None:
    start_all([house.node])
    house.node.kill()
    assert not house.node.is_alive()
    start_all([house.node])
    assert house.node.answers()


def test_nodes_die_with_whoever_started_them(house: House, tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from node.cli.demo import story;"
        "from node.cli.demo.houses import found; from node.cli.demo.nodes import local_egress, start_all;"
        f"house = found(story.AUBIER, Path({str(house.node.folder)!r}), local_egress());"
        "start_all([house.node]); print(*house.node.pids(), flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        pids = [int(pid) for pid in starter.stdout.readline().split()]
        assert len(pids) > 1
        starter.kill()
    end = time.monotonic() + 15
    while not all(map(is_gone, pids)):
        assert time.monotonic() < end
        time.sleep(0.05)


def test_says_why_a_node_does_not_start(house: House) -> None:
    (house.node.folder / "parvis.db").unlink()
    with pytest.raises(NotStarted, match=r"Aubier ended at once[\s\S]*parvis init"):
        start_all([house.node])


def test_a_taken_port_is_passed_over() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert not is_free(port)
        assert next_free_port(port) > port
        assert next_free_port(port, [port + 1]) > port + 1


def test_a_port_that_another_demo_has_chosen_is_passed_over_before_it_listens() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    holding = f"from node.cli.demo.nodes import claim; print(claim({port}), flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", holding], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "True\n"
        assert is_free(port)
        assert not claim(port)
        other.kill()
    assert claim(port)


def test_a_free_port_is_given_once() -> None:
    (port,) = free_ports(1)
    asking = f"from node.cli.demo.nodes import claim; print(claim({port}))"
    asked = subprocess.run([sys.executable, "-c", asking], capture_output=True, text=True, check=True)
    assert asked.stdout == "False\n"


def test_a_folder_holds_one_demo_at_a_time(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    with (
        keeping.held(folder),
        pytest.raises(keeping.Occupied, match=f"as process {os.getpid()}"),
        keeping.held(folder),
    ):
        pass
    with keeping.held(folder):
        keeping.remember(folder, keeping.Kept("secret words", {"aubier": 8101}))
        assert keeping.remembered(folder) == keeping.Kept("secret words", {"aubier": 8101})
        keeping.forget(folder)
        assert keeping.remembered(folder) is None


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("ten years")
    with pytest.raises(keeping.Occupied, match="holds something else"), keeping.held(tmp_path):
        pass
    assert [each.name for each in tmp_path.iterdir()] == ["thesis.txt"]


def test_the_papers_are_what_they_say() -> None:
    sheet = papers.pdf("Fiche (révision B)", ["80 °C", "\\"])
    assert sheet.startswith(b"%PDF-1.4\n")
    place = int(sheet.rsplit(b"startxref\n", 1)[1].split(b"\n")[0])
    assert sheet[place:].startswith(b"xref\n0 7\n")
    assert b"(Fiche \\(r\xe9vision B\\))" in sheet
    plan = papers.plan_of_the_footbridge()
    assert plan[:8] == b"\x89PNG\r\n\x1a\n"
    length = int.from_bytes(plan[33:37], "big")
    assert len(zlib.decompress(plan[41 : 41 + length])) == 400 * (1 + 3 * 960)
