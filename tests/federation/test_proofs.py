"""Proofs: the answer of FEP-8b32, and that nothing of a proved document can be changed."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation import multibase, multikey, proofs
from federation.errors import BadProof
from federation.keys import PublicKey, SigningKey

KEY_ID = "https://server.example/users/alice#ed25519-key"
KEY = SigningKey.from_raw(multikey.decode_secret("z3u2en7t5LR2WtQH5PfFqMqwVHBeXouLzo6haApm8XHqvjxq"), KEY_ID)
CONTEXT = ["https://www.w3.org/ns/activitystreams", "https://w3id.org/security/data-integrity/v2"]
CREATED = "2023-02-24T23:36:38Z"
DOCUMENT: dict[str, Any] = {
    "@context": CONTEXT,
    "id": "https://server.example/activities/1",
    "type": "Create",
    "actor": "https://server.example/users/alice",
    "object": {
        "id": "https://server.example/objects/1",
        "type": "Note",
        "attributedTo": "https://server.example/users/alice",
        "content": "Hello world",
        "location": {"type": "Place", "longitude": -71.184902, "latitude": 25.273962},
    },
}
SIGNED = proofs.sign(DOCUMENT, KEY, CREATED)


def test_fep_8b32_known_answer() -> None:
    assert SIGNED["proof"] == {
        "@context": CONTEXT,
        "type": "DataIntegrityProof",
        "cryptosuite": "eddsa-jcs-2022",
        "verificationMethod": KEY_ID,
        "proofPurpose": "assertionMethod",
        "proofValue": "z42ffGu6AUKPCFcFPiabmUvnGLPJzC7e4DGWC52NUasSSH37UMa9c58tdgVszUcZfytxa4fQ5TYHaJENCxUDe9SdL",
        "created": CREATED,
    }
    assert "proof" not in DOCUMENT
    proofs.verify(SIGNED, KEY.public)


def test_a_document_without_context_is_signed_without() -> None:
    signed = proofs.sign({"id": "a"}, KEY, CREATED)
    assert "@context" not in signed["proof"]
    proofs.verify(signed, KEY.public)


def test_signing_again_replaces_proof_and_drops_the_legacy_signature() -> None:
    again = proofs.sign({**SIGNED, "signature": {"type": "RsaSignature2017"}}, KEY, CREATED)
    assert again == SIGNED


def test_a_legacy_signature_beside_the_proof_is_ignored() -> None:
    proofs.verify({**SIGNED, "signature": {"type": "RsaSignature2017"}}, KEY.public)


def test_an_embedded_proof_is_covered() -> None:
    outer = proofs.sign({"@context": CONTEXT, "type": "Announce", "object": SIGNED}, KEY, CREATED)
    proofs.verify(outer, KEY.public)
    proofs.verify(outer["object"], KEY.public)
    outer["object"]["proof"]["created"] = "2023-02-24T23:36:39Z"
    with pytest.raises(BadProof):
        proofs.verify(outer, KEY.public)
    outer["object"]["proof"]["created"] = CREATED


def test_the_order_of_keys_does_not_matter() -> None:
    proofs.verify(json.loads(json.dumps(SIGNED, sort_keys=True)), KEY.public)


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _leaves(item, (*path, index))
    else:
        yield path


def _changed(value: Any) -> Any:
    return value + "x" if isinstance(value, str) else value + 1


@pytest.mark.parametrize("path", list(_leaves(SIGNED)), ids=str)
def test_no_changed_leaf_passes(path: tuple[Any, ...]) -> None:
    document = copy.deepcopy(SIGNED)
    parent: Any = document
    for step in path[:-1]:
        parent = parent[step]
    parent[path[-1]] = _changed(parent[path[-1]])
    with pytest.raises(BadProof):
        proofs.verify(document, KEY.public)


@pytest.mark.parametrize("path", [(), ("object",), ("object", "location"), ("proof",)], ids=str)
def test_no_added_member_passes(path: tuple[str, ...]) -> None:
    document = copy.deepcopy(SIGNED)
    parent: Any = document
    for step in path:
        parent = parent[step]
    parent["https://w3id.org/parvis/v1#extra"] = "x"
    with pytest.raises(BadProof):
        proofs.verify(document, KEY.public)


def test_no_added_context_passes() -> None:
    with pytest.raises(BadProof, match="@context"):
        proofs.verify({**SIGNED, "@context": [*CONTEXT, "https://evil.example/v1"]}, KEY.public)


@given(st.integers(0, 63), st.integers(1, 255))
def test_no_changed_byte_of_the_signature_passes(position: int, flip: int) -> None:
    raw = bytearray(multibase.decode(SIGNED["proof"]["proofValue"]))
    raw[position] ^= flip
    changed = {**SIGNED, "proof": {**SIGNED["proof"], "proofValue": multibase.encode(bytes(raw))}}
    with pytest.raises(BadProof):
        proofs.verify(changed, KEY.public)


@pytest.mark.parametrize(
    "change",
    [
        {"type": "Ed25519Signature2020"},
        {"type": ["DataIntegrityProof"]},
        {"cryptosuite": "eddsa-rdfc-2022"},
        {"cryptosuite": None},
        {"proofPurpose": "authentication"},
        {"proofPurpose": ["assertionMethod"]},
        {"verificationMethod": None},
        {"verificationMethod": {"id": KEY_ID}},
        {"proofValue": None},
        {"proofValue": "u" + "A" * 86},
        {"proofValue": "z0"},
        {"proofValue": "z1"},
        {"proofValue": "z" + "2" * 2000},
        {"@context": CONTEXT[:1]},
        {"@context": [*CONTEXT, "x"]},
        {"@context": None},
        {"created": "yesterday"},
        {"created": 1},
        {"created": None},
        {"created": "2023-02-24T23:36:38"},
        {"expires": "2023-02-24"},
    ],
    ids=str,
)
def test_a_proof_of_another_form_is_refused_before_any_crypto(change: dict[str, Any]) -> None:
    with pytest.raises(BadProof):
        proofs.proof_of({**SIGNED, "proof": {**SIGNED["proof"], **change}})


@pytest.mark.parametrize("proof", [None, [], [SIGNED["proof"]], [SIGNED["proof"]] * 2, "x", 1])
def test_one_proof_is_wanted(proof: object) -> None:
    with pytest.raises(BadProof):
        proofs.proof_of({**SIGNED, "proof": proof})
    with pytest.raises(BadProof):
        proofs.proof_of(DOCUMENT)


def test_another_key_is_refused() -> None:
    with pytest.raises(BadProof, match="another key"):
        proofs.verify(SIGNED, PublicKey("https://server.example/users/alice#other", KEY.public.raw))
    with pytest.raises(BadProof, match="fit"):
        proofs.verify(SIGNED, SigningKey.generate(KEY_ID).public)


def test_a_proof_says_who_may_have_made_it() -> None:
    proof = proofs.proof_of(SIGNED)
    assert (proof.verification_method, proof.controller) == (KEY_ID, "https://server.example/users/alice")
    assert (proof.created, proof.expires) == (CREATED, None)


def _with(**options: str) -> dict[str, Any]:
    signed = copy.deepcopy(SIGNED)
    signed["proof"] |= options
    signed["proof"]["proofValue"] = multibase.encode(KEY.sign(proofs.hash_data(signed, signed["proof"])))
    return signed


def test_a_proof_ends_with_expires() -> None:
    signed = _with(expires="2023-02-25T00:00:00+00:00")
    proofs.verify(signed, KEY.public)
    proofs.verify(signed, KEY.public, now="2023-02-25T00:00:00Z")
    with pytest.raises(BadProof, match="expired"):
        proofs.verify(signed, KEY.public, now="2023-02-25T00:00:01Z")


def test_a_proof_of_the_future_is_refused() -> None:
    proofs.verify(SIGNED, KEY.public, now="2023-02-24T23:31:38Z")
    with pytest.raises(BadProof, match="future"):
        proofs.verify(SIGNED, KEY.public, now="2023-02-24T23:31:37Z")


def test_a_time_on_no_calendar_is_refused() -> None:
    with pytest.raises(BadProof, match="calendar"):
        proofs.verify(_with(created="2023-02-30T23:36:38Z"), KEY.public, now="2023-03-24T23:31:38Z")


def test_a_proof_without_times_may_be() -> None:
    signed = copy.deepcopy(SIGNED)
    del signed["proof"]["created"]
    signed["proof"]["proofValue"] = multibase.encode(KEY.sign(proofs.hash_data(signed, signed["proof"])))
    proofs.verify(signed, KEY.public, now="2023-02-24T23:31:37Z")
