"""A space stopped with a partner: by API and by command, on both nodes, and for nobody else."""

from __future__ import annotations

from typing import Any

import pytest

from node.identity.services.tokens import Scope
from node.relations.jobs import send_due
from node.relations.services.faces import faces
from tests.node.relations.peers import Peer, api, peered, rows_of, verified
from tests.node.relations.test_doors import parvis, token_of


@pytest.fixture
def two(aubier: Peer, nord: Peer) -> tuple[Peer, Peer]:
    peered(aubier, nord)
    return aubier, nord


def _rows(node: Peer) -> dict[str, list[str]]:
    """Every row, but for when a token was last used."""
    return {name: rows for name, rows in rows_of(node).items() if name != "token"}


def _stop(node: Peer, other: Peer, token: str, *spaces: str) -> Any:
    key = node.partner(other).key
    return api(node, token, "PUT", f"/relations/{key}/stops", {"spaces": spaces})


def _stopped(node: Peer, other: Peer, token: str) -> list[dict[str, Any]]:
    seen: list[dict[str, Any]] = api(node, token, "GET", f"/relations/{node.partner(other).key}").get_json()[
        "stoppedSpaces"
    ]
    return seen


def test_a_space_is_stopped_and_goes_on_again(two: tuple[Peer, Peer]) -> None:
    node, other = two
    mine, theirs = (
        token_of(node, Scope.RELATIONS_READ, Scope.RELATIONS_ADMIN),
        token_of(other, Scope.RELATIONS_READ, Scope.RELATIONS_ADMIN),
    )
    space = f"{node.origin}/spaces/1"
    assert _stop(node, other, mine, space, space).status_code == 200
    send_due.run(node.ground)
    assert _stopped(node, other, mine) == [{"space": space, "byUs": True}]
    assert _stopped(other, node, theirs) == [{"space": space, "byUs": False}]
    assert other.relation(node).stopped == {space}
    with other.ground.database.reading() as session:
        assert faces(session)[f"{node.origin}/actor"].stopped == {space}
    assert _stop(node, other, mine).status_code == 200
    send_due.run(node.ground)
    assert _stopped(node, other, mine) == _stopped(other, node, theirs) == []
    assert [line.partition(" ")[0] for line in node.audited() if "spaces-stopped" in line] == [
        "relation.spaces-stopped",
        "relation.spaces-stopped",
    ]
    assert [line.partition(" ")[0] for line in other.audited() if "spaces-stopped" in line] == [
        "relation.spaces-stopped-there",
        "relation.spaces-stopped-there",
    ]


@pytest.mark.parametrize("space", ["spaces/1", "https://cyan.example/spaces/1", ""])
def test_refuses_what_is_no_space_of_the_two(two: tuple[Peer, Peer], space: str) -> None:
    node, other = two
    token = token_of(node, Scope.RELATIONS_ADMIN)
    before = _rows(node)
    assert _stop(node, other, token, space).status_code == 422
    assert _rows(node) == before


def test_refuses_a_stop_by_one_who_is_no_administrator(two: tuple[Peer, Peer]) -> None:
    node, other = two
    token = token_of(node, Scope.RELATIONS_READ)
    before = _rows(node)
    assert _stop(node, other, token, f"{node.origin}/spaces/1").status_code == 403
    assert _rows(node) == before


def test_refuses_a_stop_before_an_agreement(aubier: Peer, nord: Peer) -> None:
    verified(aubier, nord)
    token = token_of(aubier, Scope.RELATIONS_ADMIN)
    before = _rows(aubier)
    assert _stop(aubier, nord, token, f"{aubier.origin}/spaces/1").status_code == 409
    assert _rows(aubier) == before


def test_stops_by_command(two: tuple[Peer, Peer]) -> None:
    node, other = two
    key, space = node.partner(other).key, f"{node.origin}/spaces/1"
    assert f"Stopped by us: {space}" in parvis(node, "stop", key, "--space", space)
    assert parvis(node, "stop", key, "--json")["spaces_stopped"] == {"us": [], "them": []}
