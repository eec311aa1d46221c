"""Signatures, digests and keys: the rows of class A, at the door. Source: SECURITY 1.A."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from federation import documents, multibase, proofs, signatures
from federation.activity import CONTEXT, Document, new_id
from federation.exchange import MEDIA_TYPE as BATCH
from federation.http import Headers, Request
from federation.keys import SigningKey
from tests.attacks.fence import Fence
from tests.attacks.leaves import flipped, leaves
from tests.attacks.peer import ACTIVITY, Said
from tests.attacks.signed import signed_over

DOORS = (("/exchange", BATCH), ("/inbox", ACTIVITY), ("/actor/inbox", ACTIVITY))
SIGNED = ("signature", "signature-input")


def _said(fence: Fence, request: Request) -> Said:
    return Said(request, fence.liar.sends(request))


def _without(request: Request, *names: str) -> Request:
    return replace(request, headers=Headers(pair for pair in request.headers if pair[0].lower() not in names))


def _to(fence: Fence, path: str, kind: str, key: SigningKey | None = None) -> Request:
    document = fence.liar.writes("Like", actor=fence.marie, audience=fence.bridge, object=fence.posts["ines"])
    headers = Headers((("Content-Type", kind),))
    url = fence.victim.origin + path
    return fence.liar.signs(Request("POST", url, headers, documents.dumps(document)), key=key)


def everything(fence: Fence, actor: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each verb as `actor` would rightly say it, or say it of what is not its own."""
    liar, bridge, members = fence.liar, fence.bridge, f"{fence.bridge}/members"
    group = {"id": fence.nords, "type": "Group", "name": "Acier"}
    asked = {"id": liar.new("a"), "type": "Join", "actor": fence.ines, "object": fence.nords}
    receipt = {"id": liar.new("r"), "type": "DeliveryReceipt", "attributedTo": liar.node}
    like = {"id": liar.new("a"), "type": "Like", "actor": actor, "object": fence.posts["ines"]}
    yield "Create", {"object": liar.note(actor, bridge)}
    yield "Create", {"object": receipt, "audience": None}
    yield "Update", {"object": liar.note(actor, bridge, id=fence.posts["marie"])}
    yield "Update", {"object": {"id": actor, "type": "Person", "name": "x"}, "audience": None}
    yield "Delete", {"object": fence.posts["marie"]}
    yield "Like", {"object": fence.posts["ines"]}
    yield "Undo", {"object": like}
    yield "Add", {"object": fence.marie, "target": members}
    yield "Remove", {"object": fence.marie, "target": members}
    yield "Join", {"object": bridge}
    yield "Leave", {"object": bridge}
    yield "Follow", {"object": bridge}
    yield "Invite", {"object": group, "target": fence.victim.iri, "audience": None}
    yield "Accept", {"object": asked}
    yield "Reject", {"object": asked}
    yield "Offer", {"object": {"id": liar.new("g"), "type": ["Relationship", "PeeringAgreement"]}}
    yield "Announce", {"object": {"id": liar.new("a"), "type": "Like"}, "rev": 1}


@pytest.mark.advisory("A1")
@pytest.mark.parametrize(("path", "kind"), DOORS)
def test_cve_2026_28432_no_door_takes_what_is_unsigned_or_wrongly_signed(
    fence: Fence, path: str, kind: str
) -> None:
    liar = fence.liar
    good = _to(fence, path, kind)
    wrong = SigningKey.generate(liar.key(liar.node).key_id)
    stranger = SigningKey.generate("http://stranger.localhost:8101/actor#ed25519")
    if path == "/exchange":  # it belongs to no log, if it were signed
        good = liar.batch([good.body])[0]
    fence.ignores(401, _said(fence, _without(good, *SIGNED)))
    fence.ignores(401, _said(fence, _without(good, "signature")))
    fence.ignores(401, _said(fence, liar.signs(_without(good, *SIGNED), key=wrong)))
    fence.ignores(401, _said(fence, replace(good, body=good.body + b" ")))
    fence.ignores(403, _said(fence, liar.signs(_without(good, *SIGNED), key=stranger)), "no-agreement")
    draft = 'keyId="{}",algorithm="rsa-sha256",headers="(request-target) date",signature="YQ=="'
    cavage = (("Signature", draft.format(liar.node + "#main-key")), ("Date", "Tue, 24 Nov 2026 08:00:00 GMT"))
    fence.ignores(401, _said(fence, replace(good, headers=_without(good, *SIGNED).headers.with_(*cavage))))


@pytest.mark.advisory("A2", "B14", "C4")
def test_cve_2023_49079_a_good_proof_by_another_than_the_actor(fence: Fence) -> None:
    liar, carol = fence.liar, fence.liar.new("people")
    note = liar.note(fence.marie, fence.bridge)
    for key in (liar.key(carol), liar.key(liar.node), liar.key(fence.nords)):
        said = liar.says("Create", actor=fence.marie, audience=fence.bridge, object=note, key=key)
        fence.refuses("bad-proof", said)
    for actor in (fence.ines, fence.owen, fence.bridge, fence.victim.iri, fence.world.leroux.iri):
        said = liar.says("Create", actor=actor, audience=fence.bridge, object=note, key=liar.key(liar.node))
        fence.refuses("bad-proof", said)
        stolen = SigningKey.generate(f"{actor}#ed25519")
        said = liar.says("Create", actor=actor, audience=fence.bridge, object=note, key=stolen)
        assert said.outcomes[0][0] == "rejected"
        assert said.problem in {"bad-proof", "unknown-actor"}
        fence.refuses(said.problem, said)


@pytest.mark.advisory("A3")
def test_cve_2025_54888_a_forgery_leaves_nothing_behind_and_the_genuine_one_passes(fresh: Fence) -> None:
    liar, marie = fresh.liar, fresh.marie
    genuine = liar.writes("Create", actor=marie, audience=fresh.bridge, object=liar.note(marie, fresh.bridge))
    forged = {**genuine, "summary": "changed on the way"}
    fresh.refuses("bad-proof", liar.delivers(forged))
    assert liar.delivers(genuine).outcome == "processed"


@pytest.mark.advisory("A4", "A5")
@pytest.mark.parametrize(
    "alias",
    [
        {"as:actor": "ACTOR"},
        {"https://www.w3.org/ns/activitystreams#actor": "ACTOR"},
        {"as:attributedTo": "ACTOR"},
        {"actor ": "ACTOR"},
        {"Actor": "ACTOR"},
        {"as:type": "Delete"},
        {"as:object": "OBJECT"},
        {"@id": "ACTOR"},
        {"@type": "Delete"},
    ],
)
def test_cve_2022_24307_a_property_by_another_name_gives_nobody_authority(
    fence: Fence, alias: dict[str, str]
) -> None:
    """Either it is refused, or it is words: who speaks, and of what, is read from the plain names alone."""
    liar = fence.liar
    named = {"ACTOR": fence.ines, "OBJECT": fence.posts["ines"]}
    extra = {name: named.get(value, value) for name, value in alias.items()}
    said = liar.says("Update", actor=fence.marie, audience=fence.bridge, object=_changed(fence), **extra)
    fence.refuses(said.problem, said)
    assert said.problem in {"out-of-scope", "malformed"}


def _changed(fence: Fence) -> Document:
    """Somebody else's post, as one would like it."""
    return fence.liar.note(fence.ines, fence.bridge, id=fence.posts["ines"])


@pytest.mark.advisory("A4", "A5", "B8")
@pytest.mark.parametrize("name", ["id", "type", "actor", "audience", "published"])
@pytest.mark.parametrize(
    "shape", [5, True, None, [], ["x", "y"], {}, {"id": "x"}, "", "people/1", "//x/y", "as:x"]
)
def test_an_authority_field_of_another_shape_is_no_activity(fence: Fence, name: str, shape: Any) -> None:
    liar = fence.liar
    good = liar.writes("Like", actor=fence.marie, audience=fence.bridge, object=fence.posts["ines"])
    if name == "audience" and shape is None:
        return
    if name == "type" and isinstance(shape, str):
        return  # a word that nobody knows: another test
    said = liar.delivers(proofs.sign({**good, name: shape}, liar.key(fence.marie), liar.moment))
    fence.refuses("malformed", said)


@pytest.mark.advisory("A6", "A7")
@pytest.mark.parametrize("keyword", ["@graph", "@included", "@reverse", "@nest", "@context"])
@pytest.mark.parametrize("depth", [0, 1, 3])
def test_cve_2026_42462_a_graph_that_is_arranged_anew_is_no_activity(
    fence: Fence, keyword: str, depth: int
) -> None:
    """Also around an activity of somebody else, captured with its good proof."""
    captured = json.loads(_captured(fence))
    inner: Any = {keyword: [captured]}
    for _ in range(depth):
        inner = {"tag": inner}
    liar = fence.liar
    said = liar.says(
        "Create",
        actor=fence.marie,
        audience=fence.bridge,
        object=fence.liar.note(fence.marie, fence.bridge) | inner,
    )
    fence.refuses("malformed", said)
    said = liar.delivers({**captured, "tag": inner})
    fence.refuses("malformed", said)


def _captured(fence: Fence) -> bytes:
    """What somebody else once said, with its proof."""
    return next(
        line
        for origin, request, _ in fence.net.heard
        if origin == fence.victim.origin
        for line in request.body.split(b"\n")
        if fence.owen.encode() in line and b'"Create"' in line and line.startswith(b'{"@context"')
    )


@pytest.mark.advisory("A7")
def test_a_captured_activity_is_of_no_use_to_another_partner(fence: Fence) -> None:
    fence.refuses("out-of-scope", fence.liar.delivers(_captured(fence)))


@pytest.mark.advisory("A6")
def test_a_context_of_ones_own_is_no_activity(fence: Fence) -> None:
    liar = fence.liar
    for context in ({"actor": "as:object"}, [*CONTEXT, {"content": None}], [*CONTEXT, {"@vocab": "x:"}]):
        like = {"actor": fence.marie, "audience": fence.bridge, "object": fence.posts["ines"]}
        fence.refuses("malformed", liar.says("Like", **like, **{"@context": context}))


@pytest.mark.advisory("A8")
def test_cve_2026_50128_every_leaf_is_covered_unknown_terms_too(fence: Fence) -> None:
    liar, marie = fence.liar, fence.marie
    note = liar.note(
        marie, fence.bridge, tag=[{"type": "Mention", "href": fence.ines, "x:unknown": {"a": [1]}}]
    )
    unknown: dict[str, Any] = {"x:unknown": True}
    good = liar.writes(
        "Create", actor=marie, audience=fence.bridge, to=[fence.bridge], object=note, **unknown
    )
    paths = list(leaves(good))
    assert len(paths) > 20
    for path in paths:
        said = liar.delivers(flipped(good, path))
        assert said.outcome == "rejected", path
        fence.refuses(said.problem, said)
    for name in [name for name in good if name not in {"id", "type", "actor", "published", "object"}]:
        said = liar.delivers({key: value for key, value in good.items() if key != name})
        fence.refuses("bad-proof" if name != "audience" else said.problem, said)
    for name, value in (("cc", [fence.ines]), ("y:z", 1), ("recall", {"mode": "erase"})):
        fence.refuses("bad-proof", liar.delivers({**good, name: value}))


@pytest.mark.advisory("A9")
def test_cve_2019_18835_every_verb_asks_for_the_actors_own_proof(fence: Fence) -> None:
    liar = fence.liar
    for actor in (fence.marie, liar.node, fence.nords):
        for verb, members in everything(fence, actor):
            document = liar.writes(verb, actor=actor, **{"audience": fence.bridge, **members})
            bare = {name: value for name, value in document.items() if name != "proof"}
            wrong = proofs.sign(bare, SigningKey.generate(f"{actor}#ed25519"), liar.moment)
            for forged in (bare, {**bare, "summary": "x", "proof": document["proof"]}, wrong):
                fence.refuses("bad-proof", liar.delivers(forged))


@pytest.mark.advisory("A10", "A11")
def test_a_key_is_learned_from_an_introduction_and_never_fetched(fence: Fence) -> None:
    liar = fence.liar
    unknown = liar.new("people")
    like = {"audience": fence.bridge, "object": fence.posts["ines"]}
    fence.refuses("unknown-actor", liar.says("Like", actor=unknown, **like))
    for key_id in (f"{fence.marie}#other", f"{fence.marie}/keys/1#x", f"{liar.origin}/keys/1"):
        key = SigningKey.generate(key_id)
        said = liar.says("Like", actor=fence.marie, key=key, **like)
        assert said.problem in {"unknown-actor", "bad-proof"}
        fence.refuses(said.problem, said)


@pytest.mark.advisory("A15")
@pytest.mark.parametrize("purpose", ["authentication", "capabilityInvocation", "keyAgreement", "", None, 5])
def test_cve_2022_39251_a_proof_for_another_purpose_proves_nothing(fence: Fence, purpose: Any) -> None:
    liar = fence.liar
    document = _proved_as(fence, proofPurpose=purpose)
    fence.refuses("bad-proof", liar.delivers(document))


@pytest.mark.advisory("A15", "A16")
@pytest.mark.parametrize(
    "changed",
    [
        {"cryptosuite": "eddsa-rdfc-2022"},
        {"cryptosuite": "ecdsa-jcs-2019"},
        {"type": "Ed25519Signature2020"},
        {"type": "RsaSignature2017"},
        {"proofValue": "z" + "1" * 87},
        {"proofValue": "u" + "A" * 86},
        {"@context": ["https://www.w3.org/ns/activitystreams"]},
        {"expires": "2020-01-01T00:00:00Z"},
        {"created": "2099-01-01T00:00:00Z"},
    ],
)
def test_a_proof_of_another_kind_or_time_proves_nothing(fence: Fence, changed: dict[str, Any]) -> None:
    fence.refuses("bad-proof", fence.liar.delivers(_proved_as(fence, **changed)))


def _proved_as(fence: Fence, **options: Any) -> Document:
    """A good activity whose proof options are others, signed for all that."""
    liar, key = fence.liar, fence.liar.key(fence.marie)
    good = liar.writes("Like", actor=fence.marie, audience=fence.bridge, object=fence.posts["ines"])
    changed = {**good["proof"], **options}
    if "proofValue" not in options:
        changed["proofValue"] = multibase.encode(key.sign(proofs.hash_data(good, changed)))
    return {**good, "proof": changed}


@pytest.mark.advisory("A15")
def test_what_was_signed_as_an_answer_is_no_request(fence: Fence) -> None:
    """Our own receipt, and a signature with the tag of answers, both of which hold for what they are."""
    liar = fence.liar
    receipt = liar.says("Like", actor=fence.marie, audience=fence.quiet, object=fence.posts["quiet"])
    fence.look()
    fence.refuses("malformed", liar.delivers(receipt.response.body))
    request, _ = liar.batch([])
    (found,) = signatures.signatures(request)
    for tag in ("extranet-receipt", "", "other"):
        parameters = {**found.parameters, "tag": tag}
        fence.ignores(
            401, _said(fence, signed_over(request, found.components, parameters, liar.key(liar.node)))
        )


WEAK = [b"\0" * 32, b"\1" + b"\0" * 31, b"\xff" * 32, b"\xec" + b"\xff" * 30 + b"\x7f"]


@pytest.mark.advisory("A16")
@pytest.mark.parametrize("public", WEAK)
def test_cve_2026_26007_a_weak_key_is_not_learned(fence: Fence, public: bytes) -> None:
    fence.refuses("malformed", _introduces(fence, multibase.encode(b"\xed\x01" + public)))


@pytest.mark.advisory("A16", "A17")
@pytest.mark.parametrize(
    "text",
    [
        "",
        "z",
        "z6Mk",
        "z6Mk" + "0" * 44,
        "u7QE" + "A" * 44,
        "zQ3s" + "1" * 44,
        "zDna" + "1" * 44,
        "z4MX" + "1" * 400,
        "-----BEGIN PUBLIC KEY-----",
        "z6Mk" + "1" * 45,
        "z6Mk\u0000" + "1" * 43,
        "é" * 48,
    ],
)
def test_cve_2023_49083_a_key_that_cannot_be_read_is_refused_and_the_next_line_goes_on(
    fence: Fence, text: str
) -> None:
    fence.refuses("malformed", _introduces(fence, text))


def _introduces(fence: Fence, public: str) -> Said:
    liar, actor = fence.liar, fence.liar.new("people")
    method = {
        "id": f"{actor}#ed25519",
        "type": "Multikey",
        "controller": actor,
        "publicKeyMultibase": public,
    }
    plain = {
        "@context": list(CONTEXT),
        "id": actor,
        "type": "Person",
        "name": "X",
        "assertionMethod": [method],
    }
    document = proofs.sign(plain, liar.key(liar.node), liar.moment)
    return liar.says("Update", object=document)


@pytest.mark.advisory("A18")
@pytest.mark.parametrize(
    "component", ["@method", "@target-uri", "@authority", "content-digest", "content-type", "exchange-log"]
)
def test_the_signer_does_not_choose_what_is_covered(fence: Fence, component: str) -> None:
    liar = fence.liar
    request, _ = liar.batch([])
    (found,) = signatures.signatures(request)
    kept = [each for each in found.components if each[0] != component]
    fence.ignores(401, _said(fence, signed_over(request, kept, found.parameters, liar.key(liar.node))))


@pytest.mark.advisory("A18")
def test_a_signature_holds_five_minutes_and_once(fence: Fence) -> None:
    liar = fence.liar
    for skew in (-3600, -301, 301, 86400):
        request, _ = liar.batch([], skew_s=skew)
        fence.ignores(401, _said(fence, request), "clock")
    nonce = new_id()
    assert liar.delivers(nonce=nonce).response.status == 200
    fence.look()
    fence.turns_away(409, liar.delivers(nonce=nonce), "replay")
