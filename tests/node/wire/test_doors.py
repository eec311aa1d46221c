"""What comes to the doors between nodes and must not pass: no effect, a problem, and a line or a count."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from federation import signatures
from federation.http import Headers, Request, Response
from federation.keys import SigningKey
from node.exchange import service as exchange
from tests.node.exchange.talk import contents
from tests.node.spaces.world import MakeHouse
from tests.node.wire.conftest import Door

NONCE = "0123456789abcdefghij"


def _problem(response: Response) -> str:
    document: dict[str, Any] = json.loads(response.body)
    return str(document["type"]).rpartition("#")[2]


def _signed(request: Request, key: SigningKey, door: Door, *, skew_s: int = 0) -> Request:
    bare = [pair for pair in request.headers if not pair[0].lower().startswith("signature")]
    created = int(door.house.clock.now().timestamp()) + skew_s
    return signatures.sign_request(replace(request, headers=Headers(bare)), key, created=created, nonce=NONCE)


def _nords_key(door: Door) -> SigningKey:
    with exchange.open_reading(door.talk.nord.ground) as work:
        return work.actors.signer(door.talk.nord.iri)


def test_a_signed_batch_is_taken_and_answered_with_a_signed_receipt(door: Door) -> None:
    door.talk.from_guest("through the door")
    request = door.batch()
    answer = door.send(request)
    assert answer.status == 200
    assert json.loads(answer.body)["type"] == "DeliveryReceipt"
    with exchange.open_reading(door.house.ground) as work:
        ours = work.actors.signer(door.house.iri).public
    signatures.verify_response(answer, request, ours, int(door.house.clock.now().timestamp()))
    assert answer.headers.get("cache-control") == "private, no-store"
    assert contents(door.house.ground) == ["<p>through the door</p>"]


def test_the_host_header_decides_nothing(door: Door) -> None:
    door.talk.from_guest("whatever the proxy says")
    request = door.batch()
    elsewhere = replace(request, url=request.url.replace(door.house.origin, "http://evil.localhost:9"))
    assert door.send(elsewhere).status == 200


REFUSED: dict[str, tuple[Any, int, str]] = {
    "unsigned": (
        lambda door, request: replace(
            request,
            headers=Headers([pair for pair in request.headers if "signature" not in pair[0].lower()]),
        ),
        401,
        "",
    ),
    "wrong key": (
        lambda door, request: _signed(request, SigningKey.generate(f"{door.talk.nord.iri}#ed25519"), door),
        401,
        "",
    ),
    "stale": (lambda door, request: _signed(request, _nords_key(door), door, skew_s=-301), 401, "clock"),
    "future": (lambda door, request: _signed(request, _nords_key(door), door, skew_s=301), 401, "clock"),
    "other body": (lambda door, request: replace(request, body=request.body + b"\n"), 401, ""),
    "stranger": (
        lambda door, request: _signed(
            request, SigningKey.generate("http://stranger.localhost:1/actor#ed25519"), door
        ),
        403,
        "no-agreement",
    ),
    "no log": (
        lambda door, request: _signed(
            replace(
                request,
                headers=Headers([pair for pair in request.headers if pair[0].lower() != "exchange-log"]),
            ),
            _nords_key(door),
            door,
        ),
        401,
        "",
    ),
    "20 000 levels": (
        lambda door, request: _signed(
            replace(request, body=b'{"entries":' + b"[" * 20_000 + b"]" * 20_000 + b',"v":1}\n'),
            _nords_key(door),
            door,
        ),
        422,
        "malformed",
    ),
    "10 MiB": (
        lambda door, request: _signed(replace(request, body=b"{" * (10 << 20)), _nords_key(door), door),
        413,
        "too-large",
    ),
    "other type": (
        lambda door, request: _signed(
            replace(request, headers=request.headers.with_(("Content-Type", "application/json"))),
            _nords_key(door),
            door,
        ),
        415,
        "",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refuses_at_the_door_without_effect(door: Door, case: str) -> None:
    change, status, problem = REFUSED[case]
    door.talk.from_guest("good")
    request = door.batch()
    before = door.house.count("nonce"), door.house.count("in_entry"), door.house.count("receipt_given")
    answer = door.send(change(door, request))
    assert answer.status == status
    if problem:
        assert _problem(answer) == problem
    assert (
        door.house.count("nonce"),
        door.house.count("in_entry"),
        door.house.count("receipt_given"),
    ) == before
    assert contents(door.house.ground) == []
    assert door.send(request).status == 200


def test_a_stranger_costs_no_write_and_is_only_counted(door: Door) -> None:
    change, status, _ = REFUSED["wrong key"]
    request = change(door, door.batch())
    door.send(request)
    with door.house.ground.database.counting() as count:
        for _ in range(3):
            assert door.send(request).status == status
    assert count.commits == 0
    lines = [line for line in door.audited() if line.startswith("refused.unauthenticated")]
    counted = [json.loads(line.partition(" ")[2]) for line in lines]
    assert sum(each["exchange.unauthenticated"] for each in counted) == 4


def test_a_replay_is_refused_and_on_record(door: Door) -> None:
    door.talk.from_guest("once")
    request = door.batch()
    assert door.send(request).status == 200
    again = door.send(request)
    assert (again.status, _problem(again)) == (409, "replay")
    noted = [line for line in door.audited() if line.startswith("exchange.refused")]
    assert len(noted) == 1


def test_a_gap_is_refused_and_says_what_is_expected(door: Door) -> None:
    for number in range(3):
        door.talk.from_guest(str(number))
    with exchange.open_work(door.talk.nord.ground) as work:
        relation = door.talk.nord.relation(door.house)
        work.log.acknowledge(relation, work.log.acknowledged(relation) + 1)
    answer = door.send(door.batch())
    assert (answer.status, _problem(answer)) == (409, "sequence-gap")
    assert isinstance(json.loads(answer.body)["expected"], int)


def test_the_inbox_takes_nothing_but_the_handshake(door: Door) -> None:
    said = door.talk.from_guest("through the wrong door")
    unsigned = Request(
        "POST",
        f"{door.house.iri}/inbox",
        Headers((("Content-Type", "application/activity+json"),)),
        said.raw,
    )
    answer = door.send(door.talk.nord.sign(unsigned))
    assert (answer.status, _problem(answer)) == (403, "out-of-scope")
    assert contents(door.house.ground) == []


def test_an_unknown_address_may_ask_ten_times_at_once_then_five_times_a_second(door: Door) -> None:
    bare = Request(
        "POST", f"{door.house.origin}/exchange", Headers((("Content-Type", "application/x-ndjson"),))
    )
    answers = [door.send(bare, address="192.0.2.7").status for _ in range(30)]
    assert answers.count(401) <= 15
    refused = door.send(bare, address="192.0.2.7")
    assert refused.status == 429
    assert _problem(refused) == "rate"
    assert refused.headers.get("retry-after") == "1"
    door.talk.from_guest("not my fault")
    assert door.send(door.batch(), address="192.0.2.8").status == 200


# -- signed reads


def test_a_partner_reads_our_log_to_it_as_it_was_pushed(door: Door) -> None:
    said = door.talk.from_host("to be read again")
    relation = door.house.relation(door.talk.nord)
    with exchange.open_reading(door.house.ground) as work:
        last = work.log.head(relation).seq
    path = relation.stream_out.removeprefix(door.house.origin)
    answer = door.get(f"{path}?from=1&to={last}")
    assert answer.status == 200
    assert f"count={last}" in str(answer.headers.get("exchange-log"))
    assert said.raw in answer.body
    assert answer.headers.get("vary") == "Signature, Signature-Input"


def test_what_was_said_to_a_partner_it_may_read_and_nothing_else(door: Door, make_house: MakeHouse) -> None:
    said = door.talk.from_host("for the space")
    space = door.talk.space.removeprefix(door.house.origin)
    ines = door.talk.ines.actor.removeprefix(door.house.origin)
    colleague = door.house.person("Bruno Maillard").actor.removeprefix(door.house.origin)
    activity = said.id.removeprefix(door.house.origin)
    post = str(said.object_id).removeprefix(door.house.origin)
    for path in (space, f"{space}/roster", ines, activity, post):
        answer = door.get(path)
        assert answer.status == 200, path
        assert json.loads(answer.body)["id"] == door.house.origin + path
    absent = door.get("/spaces/AAAAAAAAAAAAAAAAAAAAAA")
    inner = door.house.space(door.talk.ines, "Inner circle")
    forbidden = [
        door.get(colleague),
        door.get(door.house.iri_of(inner).removeprefix(door.house.origin)),
        door.get(f"{door.house.iri_of(inner).removeprefix(door.house.origin)}/roster"),
        door.get("/a/AAAAAAAAAAAAAAAAAAAAAA"),
        door.get("/o/AAAAAAAAAAAAAAAAAAAAAA"),
        door.get("/people/AAAAAAAAAAAAAAAAAAAAAA"),
        door.get(space, by=make_house("stranger")),
    ]
    for answer in forbidden:
        assert (answer.status, answer.body) == (absent.status, absent.body)
    assert absent.status == 404


def test_the_inner_addresses_of_signed_reads_are_no_doors(door: Door) -> None:
    space = door.talk.space.removeprefix(door.house.origin)
    assert door.get(f"/signed{space}").status == 404


def test_a_mangled_signature_reads_nothing(door: Door) -> None:
    space = door.talk.space.removeprefix(door.house.origin)
    request = door.talk.nord.sign(Request("GET", door.house.origin + space))
    mangled = replace(request, headers=request.headers.with_(("Signature", "sig1=:AAAA:")))
    assert door.send(mangled).status == 404


# -- discovery


def test_the_node_is_found_by_anybody_and_nobody_else_is(door: Door) -> None:
    origin = door.house.origin
    answer = door.send(Request("GET", f"{origin}/.well-known/webfinger?resource={origin}/"))
    links = json.loads(answer.body)["links"]
    assert {link["href"] for link in links} == {door.house.iri}
    assert answer.headers.get("content-type") == "application/jrd+json"
    handle = door.house.host
    person = door.talk.ines.preferred_username
    assert (
        door.send(
            Request("GET", f"{origin}/.well-known/webfinger?resource=acct:{person}@{handle}:8101")
        ).status
        == 404
    )
    assert door.send(Request("GET", f"{origin}/.well-known/webfinger")).status == 400
    actor = json.loads(door.send(Request("GET", door.house.iri)).body)
    assert actor["id"] == door.house.iri
    assert actor["endpoints"]["exchange"] == f"{origin}/exchange"
    index = json.loads(door.send(Request("GET", f"{origin}/.well-known/nodeinfo")).body)
    assert {"rel": "https://www.w3.org/ns/activitystreams#Application", "href": door.house.iri} in index[
        "links"
    ]
    for version in ("2.0", "2.1"):
        nodeinfo = json.loads(door.send(Request("GET", f"{origin}/nodeinfo/{version}")).body)
        assert nodeinfo["usage"] == {"users": {}}
    assert door.send(Request("GET", f"{origin}/nodeinfo/3.0")).status == 404
