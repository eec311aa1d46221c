"""Finding nodes: what we say, and how little we believe."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation import discovery, documents
from federation.adapters.egress import Egress
from federation.discovery import Handle, Undiscoverable
from federation.errors import Malformed
from federation.http import Headers, Request, Response
from federation.keys import PublicKey, SigningKey
from federation.settings import Settings

NORTH = Settings(node="https://north.example/actor", origin="https://north.example", name="Nord Acier")
KEY = SigningKey.from_raw(bytes(range(32)), "https://north.example/actor#ed25519")
OTHER = SigningKey.from_raw(bytes(range(1, 33)), "https://north.example/actor#ed25519-2")
AS2 = 'application/ld+json; profile="https://www.w3.org/ns/activitystreams"'

Document = dict[str, Any]


class Web:
    """Answers from a table; keeps what was asked."""

    def __init__(self, pages: dict[str, object] | None = None) -> None:
        self.pages: dict[str, object] = dict(pages or {})
        self.asked: list[tuple[Request, int]] = []

    def get(self, list_name: str, request: Request, *, redirects: int = 0) -> Response:
        assert list_name == "handshake"
        assert request.method == "GET"
        self.asked.append((request, redirects))
        page = self.pages.get(request.url)
        if page is None:
            return Response(404)
        if isinstance(page, Response):
            return page
        kind = AS2 if isinstance(page, dict) and "id" in page else "application/jrd+json; charset=utf-8"
        return Response(200, Headers([("Content-Type", kind)]), json.dumps(page).encode())


def north_actor(**changes: object) -> Document:
    return {**discovery.node_actor(NORTH, [KEY.public]), **changes}


NODE_QUESTION = "https://north.example/.well-known/webfinger?resource=https%3A%2F%2Fnorth.example%2F"


@pytest.fixture
def web() -> Web:
    return Web({NODE_QUESTION: discovery.node_jrd(NORTH), NORTH.node: north_actor()})


def test_egress_is_a_fetcher() -> None:
    def wanted(_: discovery.Fetcher) -> None:
        """Mypy checks the call."""

    wanted(Egress(lambda _list, _origin: False))


# --- handles ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "handle"),
    [
        ("acct:ines@north.example", Handle("ines", "north.example")),
        ("ines@north.example", Handle("ines", "north.example")),
        ("@ines@north.example", Handle("ines", "north.example")),
        ("acct:Ines.Le-Goff_2@NORTH.example", Handle("Ines.Le-Goff_2", "north.example")),
        ("acct:i@north.example:8443", Handle("i", "north.example:8443")),
        ("acct:i@north.example:443", Handle("i", "north.example")),
        ("acct:north.example@north.example", Handle("north.example", "north.example")),
    ],
)
def test_reads_a_name_at_a_host(text: str, handle: Handle) -> None:
    assert discovery.read_handle(text) == handle


@pytest.mark.parametrize(
    "text",
    [
        "", "@", "acct:", "acct:@", "ines", "ines@", "@north.example", "acct:ines", "acct:@north.example",
        "ines@north.example/path", "ines@north.example?x", "ines@north.example#x", "ines@a@north.example",
        "ines@north.example:99999", "ines@127.0.0.1", "ines@[::1]",
        "ines@north.example:80@evil.example", "ines@north.example\\evil", "in es@north.example", "ines@north example",
        "ines/../@north.example", "ines?@north.example", "ines#@north.example", "ines%40x@north.example",
        "ines:pw@north.example", ".ines@north.example", "ines.@north.example", "-ines@north.example",
        "ines@north.example\n", "ines\n@north.example", "inès@north.example", "a" * 65 + "@north.example",
        "acct:acct:ines@north.example", "@@ines@north.example", "https://north.example/@ines", "mailto:i@north.example",
    ],
)  # fmt: skip
def test_refuses_what_could_reach_elsewhere(text: str) -> None:
    with pytest.raises(Malformed):
        discovery.read_handle(text)


@given(st.text(max_size=60))
def test_any_text_is_a_handle_or_malformed(text: str) -> None:
    try:
        handle = discovery.read_handle(text)
    except Malformed:
        return
    assert discovery.read_handle(f"acct:{handle}") == handle


def test_local_names_are_for_development() -> None:
    assert (
        discovery.read_handle("i@north.localhost:8101", development=True).authority == "north.localhost:8101"
    )


def test_reads_the_resource_of_a_question() -> None:
    assert discovery.read_resource("acct:ines@north.example") == Handle("ines", "north.example")
    assert discovery.read_resource("https://north.example/") in discovery.node_resources(NORTH)
    assert discovery.read_resource(NORTH.node) in discovery.node_resources(NORTH)


@pytest.mark.parametrize(
    "text", [None, "", "ines@north.example", "ftp://north.example/", "http://north.example/"]
)
def test_a_question_without_a_good_resource_is_malformed(text: str | None) -> None:
    with pytest.raises(Malformed):
        discovery.read_resource(text)


# --- what we say --------------------------------------------------------------------------------------


def test_webfinger_names_the_node_in_both_relations() -> None:
    answer = discovery.node_jrd(NORTH)
    assert answer["subject"] == "https://north.example/"
    assert [link["rel"] for link in answer["links"]] == [
        "https://www.w3.org/ns/activitystreams#Service",
        "self",
    ]
    assert {link["href"] for link in answer["links"]} == {NORTH.node}


def test_webfinger_filters_by_relation() -> None:
    answer = discovery.node_jrd(NORTH, rels=["self", "nothing"])
    assert [link["rel"] for link in answer["links"]] == ["self"]
    assert discovery.node_jrd(NORTH, rels=["nothing"])["links"] == []
    assert discovery.jrd("https://north.example/", []) == {"subject": "https://north.example/", "links": []}


def test_nodeinfo_points_to_its_documents_and_the_node_actor() -> None:
    assert discovery.nodeinfo_index(NORTH) == {
        "links": [
            {
                "rel": "http://nodeinfo.diaspora.software/ns/schema/2.0",
                "href": "https://north.example/nodeinfo/2.0",
            },
            {
                "rel": "http://nodeinfo.diaspora.software/ns/schema/2.1",
                "href": "https://north.example/nodeinfo/2.1",
            },
            {
                "rel": "https://www.w3.org/ns/activitystreams#Application",
                "href": "https://north.example/actor",
            },
        ]
    }


@pytest.mark.parametrize("version", ["2.0", "2.1"])
def test_nodeinfo_says_no_number_that_it_was_not_told(version: Any) -> None:
    document = discovery.nodeinfo(NORTH, version, software="parvis", software_version="1.0")
    assert document == {
        "version": version,
        "software": {"name": "parvis", "version": "1.0"},
        "protocols": ["activitypub"],
        "services": {"inbound": [], "outbound": []},
        "openRegistrations": False,
        "usage": {"users": {}},
        "metadata": {"nodeName": "Nord Acier", "federation": {"enabled": True}},
    }
    counted = discovery.nodeinfo(NORTH, version, software="x", software_version="1", users={"total": 3})
    assert counted["usage"] == {"users": {"total": 3}}
    assert version in discovery.NODEINFO_TYPES[version]


def test_our_node_actor_reads_back() -> None:
    document = discovery.node_actor(NORTH, [KEY.public, OTHER.public], oidc_issuer=NORTH.origin)
    documents.refuse_jsonld_keywords(document)
    actor = discovery.read_node_actor(documents.loads(documents.dumps(document)))
    assert actor == discovery.NodeActor(
        id=NORTH.node,
        name="Nord Acier",
        inbox="https://north.example/actor/inbox",
        exchange="https://north.example/exchange",
        keys=(KEY.public, OTHER.public),
        implements=tuple(href for href, _ in discovery.IMPLEMENTS),
    )
    assert actor.peers
    assert actor.origin == "https://north.example"
    assert document["oidcIssuer"] == NORTH.origin
    assert document["type"] == "Application"


def test_the_node_actor_of_the_vectors_reads(vectors: Path) -> None:
    document = documents.loads((vectors / "own-peering-profile" / "01-node-actor.json").read_bytes())
    actor = discovery.read_node_actor(document, development=True)
    assert (actor.id, actor.exchange) == (
        "https://node.acme.example/actor",
        "https://node.acme.example/exchange",
    )
    assert [key.multibase for key in actor.keys] == ["z6MktahAQ2qzeqesjLJ73C1NLsXjgc2MsoAvC3YkGhUsdRge"]
    assert actor.peers
    assert document["implements"] == discovery.implements()
    with pytest.raises(Malformed, match="published"):
        discovery.read_node_actor(document)


# --- what we believe of a node actor ------------------------------------------------------------------


def method(key: PublicKey = KEY.public, **changes: object) -> Document:
    return {
        "id": key.key_id,
        "type": "Multikey",
        "controller": NORTH.node,
        "publicKeyMultibase": key.multibase,
        **changes,
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"id": None}, {"id": 7}, {"id": ""}, {"id": "https://north.example/\n"}, {"id": "http://north.example/actor"},
        {"id": "https://evil.example/actor"}, {"id": "acct:north@north.example"},
        {"type": "Person"}, {"type": None}, {"type": ["Service", "Group"]},
        {"name": None}, {"name": ["x"]}, {"name": ""},
        {"inbox": None}, {"inbox": "https://evil.example/inbox"}, {"inbox": "https://north.example:8443/inbox"},
        {"inbox": {"id": "https://north.example/inbox"}}, {"inbox": "http://north.example/inbox"},
        {"inbox": "file:///etc/passwd"}, {"inbox": "data:,x"}, {"inbox": "//north.example/inbox"},
        {"endpoints": "https://north.example/exchange"}, {"endpoints": []},
        {"endpoints": {"exchange": "https://evil.example/exchange"}}, {"endpoints": {"exchange": 7}},
        {"endpoints": {"exchange": None}}, {"endpoints": {"exchangeLog": "http://127.0.0.1/"}},
        {"endpoints": {"exchange": "https://north.example@evil.example/"}},
        {"assertionMethod": None}, {"assertionMethod": []}, {"assertionMethod": "z6Mk"},
        {"assertionMethod": [method(type="JsonWebKey")]}, {"assertionMethod": [NORTH.node + "#ed25519"]},
        {"assertionMethod": [method(controller="https://evil.example/actor")]},
        {"assertionMethod": [method(controller=None)]}, {"assertionMethod": [method(id=NORTH.node)]},
        {"assertionMethod": [method(id="https://evil.example/actor#ed25519")]},
        {"assertionMethod": [method(id="https://north.example/people/1#ed25519")]},
        {"assertionMethod": [method(id=None)]}, {"assertionMethod": [method(publicKeyMultibase=None)]},
        {"assertionMethod": [method(publicKeyMultibase="zDnaeW8FbWVXKFJYXSUEFMpCHnMLXzjjXN8rZQUA9xSVGHxDC")]},
        {"assertionMethod": [method(publicKeyMultibase="z6MkBroken")]},
        {"assertionMethod": [method(), method(publicKeyMultibase=OTHER.public.multibase)]},
        {"assertionMethod": [method(publicKeyMultibase="z6MktwupdmLXVVqTzCw4i46r4uGyosGXRnR3XjN4Zq7oMMsw")]},
    ],
    ids=str,
)  # fmt: skip
def test_refuses_a_node_actor_that_says(changes: Document) -> None:
    with pytest.raises(Malformed):
        discovery.read_node_actor(north_actor(**changes))


def test_leaves_out_what_it_does_not_know() -> None:
    p256 = method(
        id=NORTH.node + "#p256", publicKeyMultibase="zDnaeW8FbWVXKFJYXSUEFMpCHnMLXzjjXN8rZQUA9xSVGHxDC"
    )
    actor = discovery.read_node_actor(
        north_actor(
            type=["Application", "Thing"],
            assertionMethod=[p256, {"type": "JsonWebKey"}, "x", method()],
            implements=["https://w3id.org/fep/8b32", {"href": 7}, 7, {"href": "https://a.example/"}],
            endpoints={},
        )
    )
    assert [key.key_id for key in actor.keys] == [KEY.key_id]
    assert actor.implements == ("https://w3id.org/fep/8b32", "https://a.example/")
    assert actor.exchange == ""
    assert not actor.peers


# --- finding a node -----------------------------------------------------------------------------------


def test_finds_a_node_by_webfinger(web: Web) -> None:
    assert discovery.find_node(web, "https://north.example/").id == NORTH.node
    assert [(request.url, redirects) for request, redirects in web.asked] == [
        (NODE_QUESTION, 2),
        (NORTH.node, 2),
    ]
    assert [request.headers.get("accept") for request, _ in web.asked] == ["application/jrd+json", AS2]


@pytest.mark.parametrize("webfinger", [None, {"links": []}, {"links": [{"rel": "self", "href": NORTH.node}]}])
def test_finds_a_node_by_nodeinfo_where_webfinger_is_silent(webfinger: object, web: Web) -> None:
    web.pages[NODE_QUESTION] = webfinger
    web.pages["https://north.example/.well-known/nodeinfo"] = discovery.nodeinfo_index(NORTH)
    assert discovery.find_node(web, "https://north.example").id == NORTH.node


def test_a_node_that_says_nothing_is_not_found(web: Web) -> None:
    del web.pages[NODE_QUESTION]
    with pytest.raises(Undiscoverable, match="404"):
        discovery.find_node(web, "https://north.example")
    web.pages["https://north.example/.well-known/nodeinfo"] = {"links": []}
    with pytest.raises(Undiscoverable, match="does not say"):
        discovery.find_node(web, "https://north.example")


@pytest.mark.parametrize(
    "actor",
    [
        "https://evil.example/actor", "https://north.example:8443/actor", "http://north.example/actor",
        "https://north.example@evil.example/actor", "file:///etc/passwd", "data:application/json,{}",
        "gopher://north.example/", "https://127.0.0.1/actor", "http://169.254.169.254/", "/actor", "",
    ],
)  # fmt: skip
def test_never_follows_a_found_address_off_the_origin(actor: str, web: Web) -> None:
    web.pages[NODE_QUESTION] = {
        "links": [{"rel": "self", "type": "application/activity+json", "href": actor}]
    }
    web.pages[actor] = north_actor()
    with pytest.raises((Malformed, Undiscoverable)):
        discovery.find_node(web, "https://north.example")
    web.pages[NODE_QUESTION] = None
    web.pages["https://north.example/.well-known/nodeinfo"] = {
        "links": [{"rel": discovery.APPLICATION, "href": actor}]
    }
    with pytest.raises((Malformed, Undiscoverable)):
        discovery.find_node(web, "https://north.example")
    assert {request.url.split("/.well-known")[0] for request, _ in web.asked} == {"https://north.example"}


def test_a_document_that_calls_itself_otherwise_is_refused(web: Web) -> None:
    web.pages[NORTH.node] = north_actor(id="https://north.example/other")
    with pytest.raises(Malformed, match="otherwise"):
        discovery.find_node(web, "https://north.example")


@pytest.mark.parametrize(
    "kind",
    [
        "",
        "text/html",
        "application/json",
        "application/ld+json",
        'application/ld+json; profile="x"',
        "image/png",
    ],
)
def test_a_document_of_another_kind_is_refused(kind: str, web: Web) -> None:
    web.pages[NORTH.node] = Response(
        200, Headers([("Content-Type", kind)] if kind else []), json.dumps(north_actor()).encode()
    )
    with pytest.raises(Malformed, match="answers with"):
        discovery.find_node(web, "https://north.example")


@pytest.mark.parametrize(
    "kind", ["application/activity+json", "application/activity+json; charset=utf-8", AS2]
)
def test_both_media_types_of_activitypub_are_equal(kind: str, web: Web) -> None:
    body = json.dumps(north_actor()).encode()
    web.pages[NORTH.node] = Response(200, Headers([("Content-Type", kind)]), body)
    assert discovery.find_node(web, "https://north.example").id == NORTH.node


@pytest.mark.parametrize(
    "document",
    [
        {"subject": 7}, {"links": {}}, {"links": ["x"]}, {"links": [{}]}, {"links": [{"rel": 7}]},
        {"links": [{"rel": "self"}] * 65},
    ],
)  # fmt: skip
def test_refuses_a_broken_jrd(document: Document) -> None:
    with pytest.raises(Malformed):
        discovery.read_jrd(document)


def test_a_link_without_a_place_is_left_out() -> None:
    answer = discovery.read_jrd(
        {
            "links": [
                {"rel": "http://ostatus.org/schema/1.0/subscribe", "template": "https://a.example/{uri}"},
                {"rel": "self", "href": 7},
                {"rel": "self", "type": 7, "href": "https://a.example/"},
                {"rel": "self", "type": "text/html", "href": "https://a.example/page"},
            ]
        }
    )
    assert answer.links == (discovery.Link("self", "https://a.example/page", "text/html"),)
    assert answer.href("self") is None
