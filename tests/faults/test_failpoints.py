"""A crash between every two steps: nothing lost, nothing doubled, both sides alike (RELIABILITY, R2).

Each test runs two nodes as processes, has one of them end at a named instant as a crash would, starts it again,
and compares what both hold. `name:count` is the count-th time that the node comes there.
"""

from __future__ import annotations

import time
from typing import Any

import pytest

from node.core import failpoints
from tests.faults.conftest import AGREES_WITHIN_S, Side

# At the host, which receives posts, orders them and announces.
AT_HOST = (
    "outbox.written",
    "outbox.announced",
    "journal.flushed",
    "log.flushed",
    "heads.flushed",
    "nonce.used:2",
    "inbox.chain-verified:2",
    "inbox.line-taken",
    "inbox.recorded:2",
    "receipt.given",
    "streams.flushed",
    "inbox.committed:2",
    "wire.read:2",
    "wire.answered:2",
)
# At the guest, whose posts go to the host and come back announced.
AT_GUEST = (
    "outbox.appended",
    "journal.flushed:2",
    "inbox.line-taken:2",
    "inbox.recorded:3",
    "inbox.committed:3",
    "lanes.leased",
    "lane.leased",
    "lane.read:2",
    "lane.signed:2",
    "lane.sent:2",
    "lane.answered:2",
    "receipt.taken",
    "lane.settling:2",
    "lane.settled:2",
)
# At the host, while it tries a line again that it kept through its own fault; with what stays poisoned.
WHILE_HELD = {"held.applied": "", "held.failed": "poison"}
# In a command, which is then run again: its tests stand beside it.
IN_COMMANDS = ("secrets.resealed",)
ON_POSTGRESQL = (
    ("host", "log.flushed"),
    ("host", "inbox.line-taken"),
    ("host", "inbox.committed:2"),
    ("guest", "lane.sent:2"),
    ("guest", "receipt.taken"),
)

POSTS = "SELECT iri, rev, state, content FROM post ORDER BY iri"
OUT = "SELECT seq, entry_hash FROM stream WHERE ours AND seq > 0"
WAITING = "SELECT count(*) FROM stream WHERE ours AND acknowledged < seq"
TAKEN = "SELECT seq, entry_hash FROM stream WHERE NOT ours AND seq > 0"
ENTRIES = "SELECT count(*) FROM in_entry"
EXCEPTIONS = "SELECT count(*) FROM in_entry WHERE outcome <> 'processed'"


def _state(side: Side) -> dict[str, Any]:
    return {
        "posts": side.facts(POSTS),
        "out": side.facts(OUT),
        "waiting": side.facts(WAITING),
        "taken": side.facts(TAKEN),
        "entries": side.facts(ENTRIES),
        "exceptions": side.facts(EXCEPTIONS),
    }


def _agree(host: dict[str, Any], guest: dict[str, Any]) -> bool:
    return bool(
        host["posts"] == guest["posts"]
        and host["waiting"] == guest["waiting"] == [(0,)]
        and host["out"] == guest["taken"]
        and guest["out"] == host["taken"]
    )


def _in_agreement(host: Side, guest: Side) -> tuple[dict[str, Any], dict[str, Any]]:
    """What both hold once they agree; fails when they do not in time."""
    until = time.monotonic() + AGREES_WITHIN_S
    states = _state(host), _state(guest)
    while not _agree(*states) and time.monotonic() < until:
        time.sleep(0.1)
        states = _state(host), _state(guest)
    assert _agree(*states), states
    return states


def _talk(sides: tuple[Side, Side], crashing: Side) -> tuple[set[str], set[str]]:
    """Says things on both sides until one has crashed and runs again; what was answered, and what was tried."""
    answered: set[str] = set()
    tried: set[str] = set()
    number, after = 0, 0
    until = time.monotonic() + AGREES_WITHIN_S
    while after < 2 and time.monotonic() < until:
        for side in sides:
            words = f"{side.name} {number}"
            tried.add(words)
            if side.say(words):
                answered.add(words)
        number += 1
        if crashing.runs:
            after += bool(crashing.crashes)
            time.sleep(0.05)
        else:
            assert crashing.process is not None
            crashing.process.join()
            crashing.crashes.append(crashing.process.exitcode or 0)
            crashing.start()
    return answered, tried


def _check(sides: tuple[Side, Side], crashing: Side, failpoint: str) -> None:
    host, guest = sides
    for side in sides:
        side.start(failpoint if side is crashing else "")
    answered, tried = _talk(sides, crashing)
    assert crashing.crashes == [failpoints.STATUS]

    for state in _in_agreement(host, guest):
        words = [content.removeprefix("<p>").removesuffix("</p>") for _, _, _, content in state["posts"]]
        assert len(words) == len(set(words))
        assert answered <= set(words) <= tried
        assert state["exceptions"] == [(0,)]
        assert state["entries"] == [(state["taken"][0][0],)]


@pytest.mark.parametrize("failpoint", AT_HOST)
def test_a_crash_of_the_host_loses_and_doubles_nothing(
    sqlite_pair: tuple[Side, Side], failpoint: str
) -> None:
    _check(sqlite_pair, sqlite_pair[0], failpoint)


@pytest.mark.parametrize("failpoint", AT_GUEST)
def test_a_crash_of_the_guest_loses_and_doubles_nothing(
    sqlite_pair: tuple[Side, Side], failpoint: str
) -> None:
    _check(sqlite_pair, sqlite_pair[1], failpoint)


@pytest.mark.postgresql
@pytest.mark.parametrize(("name", "failpoint"), ON_POSTGRESQL)
def test_a_crash_on_postgresql_loses_and_doubles_nothing(
    postgresql_pair: tuple[Side, Side], name: str, failpoint: str
) -> None:
    crashing = next(side for side in postgresql_pair if side.name == name)
    _check(postgresql_pair, crashing, failpoint)


@pytest.mark.parametrize(("failpoint", "poison"), WHILE_HELD.items())
def test_a_crash_while_a_held_line_is_tried_again_loses_and_doubles_nothing(
    sqlite_pair: tuple[Side, Side], failpoint: str, poison: str
) -> None:
    host, guest = sqlite_pair
    host.start(poison="poison")
    guest.start()
    assert guest.say("before")
    assert guest.say("poison")
    assert guest.say("after")
    until = time.monotonic() + AGREES_WITHIN_S
    while host.facts("SELECT count(*) FROM held_line") == [(0,)] and time.monotonic() < until:
        time.sleep(0.05)
    host.stop()
    host.start(failpoint, poison)
    host.change("UPDATE held_line SET next_try = '2026-01-01 00:00:00'")
    assert not host.retry()
    assert host.process is not None
    host.process.join()
    assert host.process.exitcode == failpoints.STATUS
    host.start()
    host.change("UPDATE held_line SET next_try = '2026-01-01 00:00:00'")
    assert host.retry()
    states = _in_agreement(host, guest)
    for state in states:
        assert sorted(row[3] for row in state["posts"]) == ["<p>after</p>", "<p>before</p>", "<p>poison</p>"]
        assert state["exceptions"] == [(0,)]
