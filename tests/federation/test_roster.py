"""The roster as a document: what one writes, another reads."""

from __future__ import annotations

from dataclasses import replace

import pytest

from federation import proofs, roster
from federation.errors import Malformed
from federation.keys import SigningKey
from federation.ports import MemberNode

HOST, GUEST = (f"https://{name}.example/actor" for name in ("north", "south"))
SPACE, MOMENT = "https://north.example/spaces/1", "2026-11-24T08:00:00Z"
KEY = SigningKey.generate(f"{HOST}#ed25519")
NODES = [
    MemberNode(node, name, KEY.public.multibase, role, MOMENT)
    for node, name, role in ((HOST, "North", "host"), (GUEST, "South", "member"))
]


@pytest.mark.parametrize("stopped", [True, False])
def test_who_is_stopped_is_said_and_read(stopped: bool) -> None:
    nodes = [NODES[0], replace(NODES[1], stopped=stopped)]

    document = roster.write(SPACE, 1, None, nodes, [], KEY, MOMENT).document

    assert ("stopped" in document["nodes"][1]) is stopped
    assert list(roster.read(document, KEY.public).nodes) == nodes == roster.nodes_of(document)


@pytest.mark.parametrize("value", ["true", 2, None, []])
def test_refuses_a_stop_that_is_no_yes_or_no(value: object) -> None:
    document = roster.write(SPACE, 1, None, NODES, [], KEY, MOMENT).document
    document["nodes"][1]["stopped"] = value

    with pytest.raises(Malformed):
        roster.read(proofs.sign(document, KEY, MOMENT), KEY.public)
