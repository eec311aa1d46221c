"""What the people of the demo do, through the doors of their own nodes: peer, share a space, talk.

Rule: each act is one that an administrator or a member does with a token; where something must first arrive at
another node, it is waited for there.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from node.cli.demo.houses import House

ARRIVAL_S = 20.0
POLL_S = 0.03

T = TypeVar("T")


class TookTooLong(Exception):
    """Something did not arrive in time; the message says what."""


def until(what: str, look: Callable[[], T | None], timeout_s: float = ARRIVAL_S) -> T:
    """What `look` gives as soon as it gives something. Raises `TookTooLong`."""
    end = time.monotonic() + timeout_s
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > end:
            raise TookTooLong(f"{what} did not happen within {timeout_s:.0f} s.")
        time.sleep(POLL_S)


def peer(inviting: House, invited: House) -> None:
    """The handshake between two administrators, to the charter in force on both sides (PROTOCOL 2.a, steps 1 to 4)."""
    link = inviting.admin.post("/relations/invitations", purpose="Passerelle de l’Ill", contract="2026-117")
    invited.admin.post("/relations/acceptances", link=link["link"])
    ours, theirs = _relation(inviting, invited), _relation(invited, inviting)
    here, there = (
        until(f"The fingerprint at {each.name}", partial(_state, each, key, "keys-exchanged"))
        for each, key in ((inviting, ours), (invited, theirs))
    )
    # On the telephone: each types the two groups that the other reads aloud.
    invited.admin.put(f"/relations/{theirs}/confirmation", groups=_read_aloud(here), channel="phone")
    inviting.admin.put(f"/relations/{ours}/confirmation", groups=_read_aloud(there), channel="phone")
    for each, key in ((inviting, ours), (invited, theirs)):
        until(f"Confirmation at {each.name}", partial(_state, each, key, "verified"))
    inviting.admin.put(f"/relations/{ours}/offer", purpose="Passerelle de l’Ill", contract="2026-117")
    offered = until(f"The charter at {invited.name}", lambda: _state(invited, theirs, "offered"))
    invited.admin.put(f"/relations/{theirs}/agreement", digest=offered["offer"]["digest"])
    for each, key in ((inviting, ours), (invited, theirs)):
        until(f"The charter in force at {each.name}", partial(_state, each, key, "in-force"))


def relation_with(house: House, partner: House) -> dict[str, Any]:
    """All that `house` shows of its relation with `partner`."""
    found: dict[str, Any] = house.admin.get(f"/relations/{_relation(house, partner)}")
    return found


def _relation(house: House, partner: House) -> str:
    node = f"{partner.node.origin}/actor"

    def look() -> str | None:
        items = house.admin.get("/relations")["items"]
        return next((item["key"] for item in items if item["id"] == node), None)

    return until(f"{partner.name} at {house.name}", look)


def _state(house: House, key: str, state: str) -> dict[str, Any] | None:
    relation: dict[str, Any] = house.admin.get(f"/relations/{key}")
    return relation if relation["state"] == state else None


def _read_aloud(relation: dict[str, Any]) -> dict[str, str]:
    return {str(group["number"]): group["digits"] for group in relation["groups"] if group["readBy"] == "us"}
