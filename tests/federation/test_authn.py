"""How people signed in, as their activities say it: as far as a charter asks, and no further (PROTOCOL 2.d, L1)."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace

import pytest

from federation import authn, outbox
from federation.activity import Document
from federation.authn import SignIn
from federation.errors import InsufficientAuthentication
from federation.settings import Settings
from tests.federation.world import Node, Pair, World, Worlds, effects

SIGN_IN = SignIn("https://idp.south.example", "phr", ("hwk", "user"), 1_795_442_400, "south.example")
SETTINGS = Settings("https://south.example/actor", "https://south.example", "South")
NOTHING: Document = {"minAcr": [], "maxAuthAge": None, "emailDomains": "none"}


@pytest.mark.parametrize(
    ("asked", "members"),
    [
        ([], set()),
        ([NOTHING], set()),
        ([{**NOTHING, "emailDomains": "any"}], set()),
        ([{**NOTHING, "minAcr": ["phr"]}], {"iss", "idp", "acr", "amr"}),
        ([{**NOTHING, "maxAuthAge": 60}], {"iss", "auth_time"}),
        ([{**NOTHING, "emailDomains": "declared-only"}], {"iss", "email_domain"}),
        (
            [NOTHING, {**NOTHING, "maxAuthAge": 60}, {**NOTHING, "minAcr": ["x"]}],
            {"iss", "idp", "acr", "amr", "auth_time"},
        ),
        ([authn.ASKS_ALL], {"iss", "idp", "acr", "amr", "auth_time", "email_domain"}),
    ],
)
def test_a_claim_says_what_is_asked_and_no_more(asked: list[Document], members: set[str]) -> None:
    said = authn.claim(SIGN_IN, asked, SETTINGS)
    assert set(said.get("authn", {})) == members
    assert set(said) == ({"authn"} if members else set())


def test_what_is_not_known_is_not_said() -> None:
    said = authn.claim(SignIn("https://idp.south.example"), [authn.ASKS_ALL], SETTINGS)["authn"]
    assert said == {"iss": "https://south.example", "idp": "https://idp.south.example", "acr": "0", "amr": []}
    assert authn.claim(None, [authn.ASKS_ALL], SETTINGS) == {}


def _ask(node: Node, other: Node, **identity: object) -> None:
    for one, two in ((node, other), (other, node)):
        relation = one.relation(two)
        agreement = deepcopy(relation.agreement)
        assert agreement is not None
        agreement["identity"].update(identity)
        one.store.rows.relations[two.iri] = replace(relation, agreement=agreement)


def _say(node: Node, author: str, space: str, sign_in: SignIn | None) -> Document:
    document = {"type": "Create", "object": node.note(author, space, "hello"), "audience": space}
    with node.work() as work:
        return node.federation.publish({**document, "to": [space]}, author, work, sign_in).document


def _fresh(world: World, **members: object) -> SignIn:
    sign_in = replace(SIGN_IN, auth_time=int(world.clock.now.timestamp()) - 10)
    return replace(sign_in, **members)  # type: ignore[arg-type]  # members of SignIn


def test_where_no_charter_asks_nothing_is_said(pair: Pair) -> None:
    assert "authn" not in _say(pair.south, pair.sven, pair.space, SIGN_IN)
    assert "authn" not in _say(pair.north, pair.anna, pair.space, SIGN_IN)


def test_who_signed_in_as_agreed_says_so_and_is_heard(pair: Pair) -> None:
    _ask(pair.north, pair.south, minAcr=["phr"], maxAuthAge=3600)
    said = _say(pair.south, pair.sven, pair.space, _fresh(pair))["authn"]
    assert set(said) == {"iss", "idp", "acr", "amr", "auth_time"}
    pair.south.deliver(pair.north)
    pair.north.deliver(pair.south)
    assert pair.north.texts(pair.space) == pair.south.texts(pair.space) == ["hello"]


@pytest.mark.parametrize(
    ("members", "demand"),
    [
        ({"acr": "0"}, {"minAcr": ["phr"]}),
        ({"auth_time": 1}, {"maxAuthAge": 60}),
        ({"auth_time": None}, {"maxAuthAge": 60}),
        ({"email_domain": "elsewhere.example"}, {"emailDomains": "declared-only"}),
    ],
)
@pytest.mark.parametrize("hosts", [True, False])
def test_another_sign_in_does_not_leave_home(
    pair: Pair, members: dict[str, object], demand: dict[str, object], *, hosts: bool
) -> None:
    _ask(pair.north, pair.south, **demand)
    node, author = (pair.north, pair.anna) if hosts else (pair.south, pair.sven)
    before = effects(node)
    with pytest.raises(InsufficientAuthentication):
        _say(node, author, pair.space, _fresh(pair, **members))
    with pytest.raises(InsufficientAuthentication):
        _say(node, author, pair.space, None)
    assert effects(node) == before


def test_a_host_says_what_any_of_the_partners_of_the_space_asks(worlds: Worlds) -> None:
    _ask(worlds.north, worlds.east, maxAuthAge=3600)
    said = _say(worlds.north, worlds.anna, worlds.space, _fresh(worlds))
    assert set(said["authn"]) == {"iss", "auth_time"}
    assert "authn" not in _say(worlds.south, worlds.sven, worlds.space, _fresh(worlds))


def test_who_knocks_says_what_the_charter_asks(pair: Pair) -> None:
    _ask(pair.north, pair.south, maxAuthAge=3600)
    document = {"type": "Follow", "object": pair.space, "audience": pair.space, "to": [pair.space]}
    south = pair.south
    with south.work() as work:
        relation = south.relation(pair.north)
        said = outbox.tell(relation, document, pair.sven, work, south.settings, _fresh(pair))
    assert set(said.document["authn"]) == {"iss", "auth_time"}


def test_what_is_said_by_itself_is_not_said_again(pair: Pair) -> None:
    _ask(pair.north, pair.south, maxAuthAge=3600)
    claim: Callable[[], Document] = lambda: authn.claim(_fresh(pair), [authn.ASKS_ALL], pair.south.settings)  # noqa: E731
    note = pair.south.note(pair.sven, pair.space, "hello")
    document = {"type": "Create", "object": note, "audience": pair.space, "to": [pair.space], **claim()}
    with pair.south.work() as work:
        said = pair.south.federation.publish(document, pair.sven, work, _fresh(pair))
    assert "email_domain" in said.document["authn"]
