"""The pages and the door of scripts where administrators change the key of their node."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from node.identity.keyring import State
from node.identity.services.keys import keys_of
from node.identity.services.people import Role
from node.identity.services.tokens import Scope
from tests.node.relations.conftest import MakePeer
from tests.node.relations.peers import Peer, api, peered

KEYS = "/admin/keys"


@pytest.fixture
def node(make_peer: MakePeer) -> Peer:
    return make_peer("aubier")


def states(node: Peer) -> list[State]:
    return [each.state for each in keys_of(node.ground).listed()]


def snapshot(node: Peer) -> list[str]:
    with node.ground.database.reading() as db:
        return [repr(row) for row in db.execute(text("SELECT * FROM actor_key ORDER BY key_id"))]


@pytest.mark.parametrize(
    ("method", "act"),
    [("get", ""), ("get", "/rehearsal"), ("post", "/rotate"), ("post", "/go-on"), ("post", "/revoke")],
)
def test_a_member_finds_nothing_here_and_changes_nothing(node: Peer, method: str, act: str) -> None:
    browser = node.browser()
    browser.sign_in(node.person("Bruno"))
    before = snapshot(node)
    answer = browser.get(KEYS + act) if method == "get" else browser.post(KEYS + act, {}, page="/me")
    assert answer.status_code == 404
    assert snapshot(node) == before


def test_the_pages_change_and_end_the_key(node: Peer) -> None:
    browser = node.browser()
    browser.sign_in(node.person("Ada", Role.ADMIN))
    before = snapshot(node)
    assert browser.get(f"{KEYS}/rehearsal").status_code == 200
    assert snapshot(node) == before
    assert browser.post(f"{KEYS}/rotate", {}, page=KEYS).status_code == 303
    assert states(node) == [State.CURRENT, State.FORMER]
    assert browser.post(f"{KEYS}/go-on", {}, page=KEYS).status_code == 409
    later = node.clock.now() + timedelta(hours=1)
    assert browser.post(f"{KEYS}/revoke", {"since": f"{later:%Y-%m-%dT%H:%M}"}, page=KEYS).status_code == 422
    assert states(node) == [State.CURRENT, State.FORMER]
    assert browser.post(f"{KEYS}/revoke", {"since": ""}, page=KEYS).status_code == 303
    assert sorted(states(node)) == [State.CURRENT, State.FORMER, State.REVOKED]
    page = browser.get(KEYS)
    assert page.status_code == 200
    for key in keys_of(node.ground).listed():
        assert key.fingerprint in page.text


def test_scripts_of_administrators_read_the_keys(node: Peer) -> None:
    ada, bruno = node.person("Ada", Role.ADMIN), node.person("Bruno")
    before = snapshot(node)
    for person, scopes, status in ((bruno, [Scope.ME_READ], 404), (ada, [Scope.ME_READ], 403)):
        secret, _ = node.identity.create_token(person.id, "script", scopes)
        assert api(node, secret, "GET", "/keys").status_code == status
    secret, _ = node.identity.create_token(ada.id, "script", [Scope.PEOPLE_ADMIN])
    answer = api(node, secret, "GET", "/keys")
    (key,) = answer.json
    assert (key["state"], key["notices"]) == ("current", [])
    assert "sealed" not in answer.text
    assert snapshot(node) == before


def test_the_page_of_a_partner_asks_for_the_comparison_after_a_revocation(make_peer: MakePeer) -> None:
    aubier, nord = make_peer("aubier"), make_peer("nordacier")
    peered(aubier, nord)
    keys_of(aubier.ground).revoke()
    aubier.settle_jobs()
    for node, other in ((aubier, nord), (nord, aubier)):
        browser = node.browser()
        browser.sign_in(node.person("Ada", Role.ADMIN))
        page = browser.get(f"/partners/{node.partner(other).key}")
        assert page.status_code == 200
        assert "group-1" in page.text or "group-3" in page.text
        assert "A key of your node or of theirs was revoked" in page.text
        assert browser.get("/partners").status_code == 200
        assert browser.get(KEYS).text.count("compare the fingerprint anew") == 1
