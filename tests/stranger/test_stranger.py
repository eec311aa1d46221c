"""The stranger peers with a real node over sockets; posts pass both ways and one is called back."""

from __future__ import annotations

import ast
import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from node.cli.demo import scene
from node.cli.demo.nodes import free_ports
from node.cli.demo.story import AUBIER
from tests.nodes import MakeNodes

NODE = Path(__file__).with_name("node.py")
DOCUMENT = NODE.parents[2] / "docs" / "protocol.md"
MAX_LINES, WAIT_S = 600, 20
OWN_WORDS = frozenset({"event"})


class Beside:
    """The process of the stranger: commands in, events out."""

    def __init__(self) -> None:
        (port,) = free_ports(1)
        self.process = subprocess.Popen(
            [sys.executable, str(NODE), str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.seen: list[dict[str, Any]] = []
        self._events: queue.Queue[dict[str, Any]] = queue.Queue()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._events.put(json.loads(line))

    def do(self, command: str, **members: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"do": command, **members}) + "\n")
        self.process.stdin.flush()

    def wait(self, event: str, **members: object) -> dict[str, Any]:
        """The first event of this name, with these members, that was not waited for yet."""
        until = time.monotonic() + WAIT_S
        while True:
            for each in self.seen:
                if each["event"] == event and all(each.get(name) == value for name, value in members.items()):
                    self.seen.remove(each)
                    return each
            try:
                self.seen.append(self._events.get(timeout=max(0.0, until - time.monotonic())))
            except queue.Empty:
                pytest.fail(f"No {event} {members}; seen: {self.seen}")


@pytest.fixture
def stranger() -> Iterator[Beside]:
    beside = Beside()
    yield beside
    beside.process.kill()
    with beside.process:  # closes the pipes
        beside.reader.join()


def test_the_stranger_is_small_and_knows_nothing_of_ours() -> None:
    text = NODE.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MAX_LINES
    imported = set()
    for each in ast.walk(ast.parse(text)):
        if isinstance(each, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in each.names}
        elif isinstance(each, ast.ImportFrom):
            assert each.level == 0
            imported.add(str(each.module).partition(".")[0])
    ours = {path.name for path in NODE.parents[2].iterdir() if path.is_dir()}
    assert {"federation", "node", "schemas", "tests"} <= ours
    assert not imported & ours
    assert "__import__" not in text
    assert "import_module" not in text


def test_every_member_type_and_problem_that_the_stranger_knows_stands_in_the_document() -> None:
    document = DOCUMENT.read_text(encoding="utf-8")
    words = {word for each in ast.walk(ast.parse(NODE.read_text(encoding="utf-8"))) for word in _words(each)}
    assert len(words) > 100
    assert {word for word in words if word not in document} == OWN_WORDS


def _words(node: ast.AST) -> Iterator[str]:
    """The texts by which the code reads or writes a document: members, types that it tells apart, problems."""
    named: list[ast.expr | None] = []
    match node:
        case ast.Dict(keys=keys):
            named = keys
        case ast.Subscript(slice=index):
            named = [index]
        case ast.MatchValue(value=value):
            named = [value]
        case ast.Call(func=ast.Name(id="Refused"), args=arguments):
            named = [*arguments]
    for each in named:
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield each.value


@pytest.mark.slow
def test_a_node_written_from_the_document_alone_exchanges_posts(
    own_nodes: MakeNodes, stranger: Beside
) -> None:
    (house,) = own_nodes(AUBIER)
    admin = house.admin
    theirs = stranger.wait("ready")["id"]
    stranger.do("accept", link=admin.post("/relations/invitations", purpose="Essai", contract="1")["link"])
    assert stranger.wait("sent", type="Accept")["status"] == 202
    groups = stranger.wait("fingerprint")["groups"]
    relation = next(each["key"] for each in admin.get("/relations")["items"] if each["id"] == theirs)
    shown = admin.get(f"/relations/{relation}")["groups"]
    hers = {str(each["number"]): groups[each["number"] - 1] for each in shown if each["readBy"] != "us"}
    assert all(groups[each["number"] - 1] == each["digits"] for each in shown if each["readBy"] == "us")

    stranger.do("confirm")
    assert stranger.wait("sent", type="Update")["status"] == 202
    admin.put(f"/relations/{relation}/confirmation", groups=hers, channel="phone")
    stranger.wait("single", state="verified")
    admin.put(f"/relations/{relation}/offer", purpose="Essai", contract="1", onward="allowed")
    stranger.wait("single", type="Offer")
    stranger.do("agree")
    assert stranger.wait("receipt", type="Accept")["exceptions"] == []

    space = scene.open_space(house, "Passerelle", "Essai")
    admin.post(f"/spaces/{space}/threads", title="Lot 3", text="Quand part-il ?", lang="fr", files=[])
    admin.post(f"/spaces/{space}/invitations", partner=relation, history="all")
    invited = stranger.wait("invited")
    stranger.do("enter", invitation=invited["invitation"])
    assert stranger.wait("receipt", type="Accept")["exceptions"] == []
    stranger.wait("roster")
    asked = stranger.wait("post")
    assert "Quand part-il" in asked["content"]

    stranger.do("join", space=invited["space"])
    assert stranger.wait("receipt", type="Join")["exceptions"] == []
    stranger.do(
        "post", space=invited["space"], context=asked["context"], reply=asked["id"], content="<p>Mardi.</p>"
    )
    assert stranger.wait("receipt", type="Create")["exceptions"] == []
    assert stranger.wait("post")["content"] == "<p>Mardi.</p>"  # announced by the host, proved by us

    first = admin.get(f"/spaces/{space}/posts", limit=20)["items"][-1]
    admin.post(f"/posts/{first['key']}/recall", reason="mistake", replacement="")
    assert stranger.wait("erased")["id"] == asked["id"]
    assert stranger.wait("receipt", type="Create")["exceptions"] == []

    subprocess.run(
        [sys.executable, "-m", "node.cli", "exchange", "checkpoint", "etranger.localhost"],
        env=house.node.environment,
        check=True,
        timeout=20,
    )
    assert stranger.wait("checkpoint")["same"]
    assert not [each for each in stranger.seen if each["event"] in {"rejected", "refused", "refusing"}]
