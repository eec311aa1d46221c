"""What comes to the doors between nodes and must not pass: no effect, a problem, and a line or a count."""

from __future__ import annotations

import json
from base64 import b64encode
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from sqlalchemy import select, text

from federation import documents, signatures
from federation.digest import content_digest, digest
from federation.exchange import read_field
from federation.http import Headers, Request, Response
from federation.keys import SigningKey
from federation.ports import State
from node.core.db import Base
from node.exchange import service as exchange
from node.exchange.packing import unpack
from node.relations import records
from node.wire.doors import RATES
from node.wire.rates import Rates
from tests.node.exchange.talk import contents
from tests.node.spaces.world import MakeHouse
from tests.node.wire.conftest import Door

NONCE = "0123456789abcdefghij"


def _problem(response: Response) -> str:
    document: dict[str, Any] = json.loads(response.body)
    return str(document["type"]).rpartition("#")[2]


def _signed(request: Request, key: SigningKey, door: Door, *, skew_s: int = 0, nonce: str = NONCE) -> Request:
    bare = [pair for pair in request.headers if not pair[0].lower().startswith("signature")]
    created = int(door.house.clock.now().timestamp()) + skew_s
    return signatures.sign_request(replace(request, headers=Headers(bare)), key, created=created, nonce=nonce)


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


def _field(request: Request, **members: Any) -> Request:
    """Another `Exchange-Log`."""
    field = replace(read_field(request.headers.get("exchange-log")), **members)
    return replace(request, headers=request.headers.with_(("Exchange-Log", str(field))))


def _rows(
    request: Request, change: Callable[[dict[str, Any]], object], *, line: int | None = None
) -> Request:
    """Another manifest: each row changed, or that of one line (from 0)."""
    head, _, lines = request.body.partition(b"\n")
    manifest = json.loads(head)
    for row in manifest["entries"] if line is None else [manifest["entries"][line]]:
        change(row)
    return replace(request, body=documents.dumps(manifest) + b"\n" + lines)


def _manifest(request: Request, raw: bytes) -> Request:
    return replace(request, body=raw + b"\n" + request.body.partition(b"\n")[2])


def _twice(door: Door, request: Request) -> Request:
    """Two signatures with our tag, both of which hold."""
    signed = _signed(request, _nords_key(door), door)
    both = [
        (name, f"{signed.headers.get(name)}, {str(signed.headers.get(name)).replace('sig1=', 'sig2=', 1)}")
        for name in ("Signature-Input", "Signature")
    ]
    return replace(signed, headers=signed.headers.with_(*both))


def _without(request: Request, component: str, door: Door) -> Request:
    """A signature that holds, but does not cover this."""
    key = _nords_key(door)
    (found,) = signatures.signatures(request)
    kept = [each for each in found.components if each[0] != component]
    base = signatures.signature_base(request, kept, found.parameters)
    inner = base.decode().rpartition('"@signature-params": ')[2]
    raw = b64encode(key.sign(base)).decode()
    fields = ("Signature-Input", f"sig1={inner}"), ("Signature", f"sig1=:{raw}:")
    return replace(request, headers=request.headers.with_(*fields))


def _lacks(request: Request, name: str) -> Request:
    kept = [pair for pair in request.headers if not pair[0].lower().startswith(name)]
    return replace(request, headers=Headers(kept))


DEEP = b"[" * 20_000 + b"]" * 20_000
NO_TYPE = "about:blank"
Change = Callable[[Door, Request], Request]


def _uncovered(component: str) -> Change:
    return lambda door, request: _without(request, component, door)


#: What nobody can have meant, whoever signed it: refused before anything is looked up for the sender.
UNPROVED: dict[str, tuple[Change, int, str]] = {
    "unsigned": (lambda _, request: _lacks(request, "signature"), 401, NO_TYPE),
    "wrong key": (
        lambda door, request: _signed(request, SigningKey.generate(f"{door.talk.nord.iri}#ed25519"), door),
        401,
        NO_TYPE,
    ),
    "stale": (lambda door, request: _signed(request, _nords_key(door), door, skew_s=-301), 401, "clock"),
    "future": (lambda door, request: _signed(request, _nords_key(door), door, skew_s=301), 401, "clock"),
    "body of another digest": (
        lambda _, request: replace(request, body=request.body + b"\n"),
        401,
        NO_TYPE,
    ),
    "stranger": (
        lambda door, request: _signed(
            request, SigningKey.generate("http://stranger.localhost:1/actor#ed25519"), door
        ),
        403,
        "no-agreement",
    ),
    "two signatures": (_twice, 401, NO_TYPE),
    **{
        f"{component} not covered": (_uncovered(component), 401, NO_TYPE)
        for component in (
            "@method",
            "@target-uri",
            "@authority",
            "content-digest",
            "content-type",
            "exchange-log",
        )
    },
    "10 MiB": (
        lambda door, request: _signed(replace(request, body=b"{" * (10 << 20)), _nords_key(door), door),
        413,
        "too-large",
    ),
}

#: What a partner signed and yet may not say: signed anew after the change.
PROVED: dict[str, tuple[Callable[[Request], Request], int, str]] = {
    "no log": (lambda request: _lacks(request, "exchange-log"), 401, NO_TYPE),
    "other agreement": (lambda request: _field(request, agreement=digest({})), 409, "other-agreement"),
    "other stream": (
        lambda request: _field(request, stream="http://nord-acier.localhost:8101/streams/other"),
        403,
        "no-agreement",
    ),
    "gap": (
        lambda request: _rows(
            _field(request, seq=read_field(request.headers.get("exchange-log")).seq + 2),
            lambda row: row.update(seq=row["seq"] + 2),
        ),
        409,
        "sequence-gap",
    ),
    "manifest with a key twice": (
        lambda request: _manifest(request, b'{"v":1,' + request.body.partition(b"\n")[0][1:]),
        422,
        "malformed",
    ),
    "manifest with NaN": (
        lambda request: _manifest(request, b'{"x":NaN,' + request.body.partition(b"\n")[0][1:]),
        422,
        "malformed",
    ),
    "manifest of 20 000 levels": (
        lambda request: _manifest(request, b'{"entries":' + DEEP + b',"v":1}'),
        422,
        "malformed",
    ),
    "a line less": (
        lambda request: replace(request, body=request.body.partition(b"\n")[0] + b"\n"),
        422,
        "malformed",
    ),
}


def _kept(door: Door, *but: str) -> dict[str, list[str]]:
    """Every row of every table, except the audit log and those named."""
    with door.house.ground.database.reading() as session:
        return {
            table.name: sorted(map(repr, session.execute(select(table))))
            for table in Base.metadata.sorted_tables
            if table.name not in {"audit", *but}
        }


def _counted(door: Door) -> Counter[str]:
    """How often which problem was answered to those who had proved nothing; "" for none of ours."""
    found: Counter[str] = Counter()
    for line in door.audited():
        action, _, said = line.partition(" ")
        if action == "refused.unauthenticated":
            for name, count in json.loads(said).items():
                found[name.removeprefix("exchange.unauthenticated").strip()] += count
    return found


def _noted(door: Door, action: str = "exchange.refused") -> list[tuple[str, str]]:
    """Who was refused, and with which problem, by the lines of the audit log."""
    query = text("SELECT peer, rule FROM audit WHERE action = :action ORDER BY seq")
    with door.house.ground.database.reading() as session:
        return [(row.peer, row.rule) for row in session.execute(query, {"action": action})]


def test_what_nobody_proved_is_refused_and_counted_and_changes_nothing(door: Door) -> None:
    door.talk.from_guest("good")
    request = door.batch()
    before, noted = _kept(door), _noted(door)
    for case, (change, status, problem) in UNPROVED.items():
        counted = _counted(door)
        answer = door.send(change(door, request))
        assert (answer.status, _problem(answer)) == (status, problem), case
        assert _kept(door) == before, case
        assert _counted(door) - counted == Counter({problem.removeprefix(NO_TYPE): 1}), case
        assert _noted(door) == noted, case
        door.house.app.extensions[RATES] = Rates()
    assert door.send(request).status == 200
    assert contents(door.house.ground) == ["<p>good</p>"]


def test_what_a_partner_may_not_say_is_refused_and_on_record_and_changes_nothing(door: Door) -> None:
    door.talk.from_guest("good")
    request = door.batch()
    before, counted = _kept(door), _counted(door)
    for case, (change, status, problem) in PROVED.items():
        noted = _noted(door)
        answer = door.send(_signed(change(request), _nords_key(door), door))
        assert (answer.status, _problem(answer)) == (status, problem), case
        assert _kept(door) == before, case
        assert _noted(door) == [*noted, (door.talk.nord.iri, problem.removeprefix(NO_TYPE))], case
    assert _counted(door) == counted
    assert door.send(request).status == 200
    assert contents(door.house.ground) == ["<p>good</p>"]


def test_without_an_agreement_in_force_nothing_enters(door: Door) -> None:
    door.talk.from_guest("good")
    request = door.batch()
    ground, relation = door.house.ground, int(door.house.relation(door.talk.nord).id)
    for state, problem in (
        (State.SUSPENDED, "agreement-suspended"),
        (State.VERIFIED, "no-agreement"),
    ):
        with ground.database.writing() as session:
            records.change(session, ground, relation, state=state)
        before, noted = _kept(door), _noted(door)
        answer = door.send(request)
        assert (answer.status, _problem(answer)) == (403, problem)
        assert _kept(door) == before
        assert _noted(door) == [*noted, (door.talk.nord.iri, problem)]
    with ground.database.writing() as session:
        records.change(session, ground, relation, state=State.IN_FORCE)
    assert door.send(request).status == 200


def test_another_chain_is_disputed_and_both_are_kept(door: Door) -> None:
    door.talk.from_guest("as it was")
    request = door.batch()
    assert door.send(request).status == 200
    other = _rows(request, lambda row: row.update(time="2026-01-01T00:00:00Z"))
    rewritten = _signed(other, _nords_key(door), door, nonce="another-nonce-012345")
    touched = ("dispute", "stream")
    before, noted = _kept(door, *touched), _noted(door)
    answer = door.send(rewritten)
    assert (answer.status, _problem(answer)) == (409, "digest-mismatch")
    assert _kept(door, *touched) == before
    assert _noted(door) == [*noted, (door.talk.nord.iri, "digest-mismatch")]
    with door.house.ground.database.reading() as session:
        ours, evidence = session.execute(text("SELECT ours, evidence FROM dispute")).one()
    with exchange.open_reading(door.house.ground) as work:
        assert work.streams.head(door.house.relation(door.talk.nord)).entry_hash == ours
    manifest, _newline, lines = rewritten.body.partition(b"\n")
    assert unpack(evidence)[3].encode("latin-1") == manifest, "what was signed"
    assert b"as it was" in lines, "and no contents, which may be called back later"
    assert door.house.fact("SELECT count(*) FROM stream WHERE disputed_at IS NOT NULL") == 1
    assert contents(door.house.ground) == ["<p>as it was</p>"]


#: Lines that spoil themselves alone: what stands there instead, and the problem of the exception.
POISON: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "no JSON": (lambda line: line[:-1], "malformed"),
    "a key twice": (lambda line: b'{"type":"Create",' + line[1:], "malformed"),
    "NaN": (lambda line: b'{"x":NaN,' + line[1:], "malformed"),
    "20 000 levels": (lambda line: b'{"x":' + DEEP + b"," + line[1:], "malformed"),
    "changed after it was proved": (lambda line: line.replace(b"poison", b"sweets"), "bad-proof"),
    "too long": (lambda line: line[:-1] + b" " * (300 << 10) + b"}", "too-large"),
}


def test_a_poison_line_is_an_exception_and_the_rest_goes_on(door: Door) -> None:
    for words in ("before", *["poison"] * len(POISON), "not the one named", "after"):
        door.talk.from_guest(words)
    request = door.batch()
    manifest, *lines = request.body[:-1].split(b"\n")
    spoilt = [lines[0]]
    for line, (spoil, _) in zip(lines[1:], POISON.values(), strict=False):
        spoilt.append(spoil(line))
    spoilt += [lines[-2] + b" ", lines[-1]]
    request = replace(request, body=b"".join(part + b"\n" for part in (manifest, *spoilt)))
    for number in range(1, len(POISON) + 1):
        named = content_digest(spoilt[number])
        request = _rows(request, partial(dict.update, contentDigest=named), line=number)
    answer = door.send(_signed(request, _nords_key(door), door))
    assert answer.status == 200
    problems = [*(problem for _, problem in POISON.values()), "digest-mismatch"]
    exceptions = json.loads(answer.body)["exceptions"]
    first = read_field(request.headers.get("exchange-log")).seq
    assert [each["seq"] for each in exceptions] == list(range(first + 1, first + 1 + len(problems)))
    for each, problem in zip(exceptions, problems, strict=True):
        assert f"#{problem}" in json.dumps(each)
    assert contents(door.house.ground) == ["<p>before</p>", "<p>after</p>"]
    rejected = [(door.talk.nord.iri, problem) for problem in problems]
    assert _noted(door, "exchange.line-rejected") == rejected


def test_another_media_type_is_not_read(door: Door) -> None:
    door.talk.from_guest("good")
    request = door.batch()
    bad = replace(request, headers=request.headers.with_(("Content-Type", "application/json")))
    before = _kept(door)
    assert door.send(_signed(bad, _nords_key(door), door)).status == 415
    assert _kept(door) == before


def test_a_stranger_costs_no_write_and_is_only_counted(door: Door) -> None:
    change, status, _ = UNPROVED["wrong key"]
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
