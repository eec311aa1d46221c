"""Every vector of every form we know, and that a changed vector is noticed."""

from __future__ import annotations

import json
import shutil
from base64 import b64encode, urlsafe_b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from federation import conformance, signatures
from federation.conformance.fep import Scenario
from federation.conformance.result import Differs, Result
from federation.http import Headers, Request
from federation.keys import SigningKey

# What the product does not offer, by the words with which the runner says so.
NOT_OFFERED = {
    "own-http-signatures": {
        "the drafts of HTTP signatures are not offered; the peer gate refuses them",
        "answering Accept-Signature is not offered",
    },
    "rfc9421-appendix-b": {
        "the base is right; rsa-pss-sha512 is not offered",
        "the base is right; ecdsa-p256-sha256 is not offered",
    },
    "own-origin-security": {
        "the open mode is not offered",
    },
    "fep-vectors": {"identity proofs are not offered", "Multikeys are of Ed25519 alone"},
}


@pytest.mark.parametrize("form", sorted(conformance.FORMS))
def test_vectors(form: str, vectors: Path) -> None:
    results = list(conformance.run(vectors / form))
    assert [result for result in results if result.outcome in {"failed", "skipped"}] == []
    assert any(result.outcome == "passed" for result in results)
    offered = {result.reason for result in results if result.outcome == "not-applicable"}
    assert offered == NOT_OFFERED.get(form, set())


def test_a_folder_that_nobody_knows_fails(tmp_path: Path) -> None:
    assert list(conformance.run(tmp_path / "unheard-of")) == [Result("unheard-of", "failed", "unknown form")]


@pytest.mark.parametrize("form", sorted(set(conformance.FORMS) - {"fep-vectors", "w3c-vc-di-eddsa"}))
@pytest.mark.parametrize("text", ["{}", "[]", '{"request": 1}', '{"document": {}, "expect": "perhaps"}', "{"])
def test_a_file_that_nobody_knows_fails(form: str, text: str, vectors: Path, tmp_path: Path) -> None:
    folder = tmp_path / form
    shutil.copytree(vectors / form, folder)
    (folder / "zz-unheard-of.json").write_text(text)
    failed = [result for result in conformance.run(folder) if result.outcome == "failed"]
    assert [result.file for result in failed] == ["zz-unheard-of.json"]


def _put(*path: Any, to: Any) -> Callable[[Any], None]:
    def change(document: Any) -> None:
        for step in path[:-1]:
            document = document[step]
        document[path[-1]] = to(document[path[-1]]) if callable(to) else to

    return change


_HTTP, _PROOFS = "own-http-signatures", "own-integrity-proofs"
_PEERING = "own-peering-profile"
_PEER, _ANSWER = "rfc9421-peer-profile-ok.json", "rfc9421-response-bound-to-request.json"
CHANGES: list[tuple[str, str, Callable[[Any], None], str]] = [
    (_HTTP, _PEER, _put("expect", to="reject"), "decision"),
    (_HTTP, _PEER, _put("signature_base", to=lambda s: s + "x"), "signature_base"),
    (_HTTP, _PEER, _put("profile", to="ed25519"), "peer gate"),
    (_HTTP, _PEER, _put("profile", to="other"), "peer gate"),
    (_HTTP, _PEER, _put("now", to=0), "decision"),
    (_HTTP, "rfc9421-get-ok.json", _put("profile", to="other"), "unknown form"),
    (_HTTP, "rfc9421-get-ok.json", _put("request", "headers", to=[]), "decision"),
    (_HTTP, "rfc9421-expired.json", _put("expect", to="accept"), "decision"),
    (_HTTP, "rfc9421-expired.json", _put("signature_base", to=lambda s: s + "x"), "parameters"),
    (_HTTP, "rfc9421-expired.json", _put("signature_base", to=lambda s: "x" + s), "components"),
    (_HTTP, "cavage-post-ok.json", _put("expect", to="perhaps"), "KeyError"),
    (_HTTP, _ANSWER, _put("response", "status", to=500), "signature_base"),
    (_HTTP, _ANSWER, _put("response", "headers", 1, 0, to="X"), "absent"),
    (_HTTP, _ANSWER, _put("response", "body_utf8", to=""), "Unauthentic"),
    (_HTTP, _ANSWER, _put("signature_base", to="x"), "no file"),
    (_PROOFS, "ok-unicode.json", _put("expect", to="invalid"), "accepted"),
    (_PROOFS, "neg-id-swapped.json", _put("expect", to="valid"), "BadProof"),
    (_PROOFS, "neg-other-owner.json", _put("expect", to="valid"), "owner"),
    (_PROOFS, "ok-unicode.json", _put("document", "proof", "verificationMethod", to="x#y"), "known"),
    (_PROOFS, "ok-unicode.json", _put("jcs_document", to="{}"), "jcs_document"),
    (_PROOFS, "ok-nested-proofs.json", _put("document", "object", "content", to="x"), "BadProof"),
    (_PROOFS, "ok-nested-proofs.json", _put("expect", to="perhaps"), "unknown form"),
    ("rfc9421-appendix-b", "b2.6.json", _put("signature_base", to="x"), "signature_base"),
    ("rfc9421-appendix-b", "b2.6.json", _put("signature", to="sig-b26=:AA==:"), "verify"),
    ("rfc8785-jcs", "numbers-appendix-b.json", _put("invalid", to=["0000000000000000"]), "accepted"),
    ("rfc8785-jcs", "numbers-appendix-b.json", _put("cases", "0000000000000000", to="1"), "is not"),
    ("rfc8785-jcs", "output/arrays.json", _put(0, to=1), "bytes differ"),
    ("rfc9530-digests", "sample-digests.json", _put("input", to="x"), "sha"),
    ("rfc9530-digests", "sample-digests.json", _put("must_ignore_for_security", to=["sha-512"]), "absent"),
    ("rfc9162-merkle", "ct-roots.json", _put("inclusion", 1, "path_hex", to=[]), "path"),
    ("fep-8fcf-digest", "example.json", _put("digest", to="0" * 64), "digest"),
    ("w3c-vc-di-eddsa", "unsigned.json", _put("name", to="x"), "canonDoc"),
    (
        "w3c-vc-di-eddsa",
        "eddsa-rdfc-2022/signedDataInt.json",
        _put("proof", "cryptosuite", to="eddsa-jcs-2022"),
        "suite",
    ),
    ("own-exchange", "hello.json", _put("expect", "status", to=500), "status"),
    ("own-exchange", "hello.json", _put("signature_base", to="x"), "signature_base"),
    ("own-exchange", "first-batch.json", _put("entries", 0, "entryHash", to="zQm1"), "entryHash"),
    (_PEERING, "04-suspend.json", _put("proof", "verificationMethod", to="x#y"), "known"),
    (_PEERING, "02n-invite-mac-key-substituted.json", _put("expect", to="perhaps"), "unknown form"),
    (_PEERING, "02n-invite-mac-key-substituted.json", _put("expect", to="accept"), "refused"),
    (_PEERING, "02n-invite-mac-key-substituted.json", _put("state", to={}), "unknown form"),
    (_PEERING, "07n-log-gap.json", _put("expect", to="perhaps"), "unknown form"),
    (_PEERING, "07n-log-gap.json", _put("missing_seq", to=[1]), "missing"),
    (_PEERING, "08n-receipt-wrong-key.json", _put("expect", to="accept"), "refused"),
    (_PEERING, "10n-delete-by-stranger.json", _put("expect", to="accept"), "rejected"),
]


@pytest.mark.parametrize(("form", "file", "change", "reason"), CHANGES)
def test_a_changed_vector_fails(
    form: str, file: str, change: Callable[[Any], None], reason: str, vectors: Path, tmp_path: Path
) -> None:
    folder = tmp_path / form
    shutil.copytree(vectors / form, folder)
    document = json.loads((folder / file).read_bytes())
    change(document)
    (folder / file).write_text(json.dumps(document))
    failed = [result.reason for result in conformance.run(folder) if result.outcome == "failed"]
    assert failed
    assert reason in " ".join(failed)


def test_a_rsa_example_of_the_profile_would_be_verified(vectors: Path, tmp_path: Path) -> None:
    """A file of a form that runs without new code: RSA with the algorithm that the product verifies."""
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    folder = tmp_path / "rfc9421-appendix-b"
    shutil.copytree(vectors / "rfc9421-appendix-b", folder)
    keys = json.loads((folder / "keys.json").read_bytes())["keys"]
    private = load_pem_private_key(keys["test-key-rsa"]["privateKeyPem"].encode(), None)
    assert isinstance(private, RSAPrivateKey)
    parameters = '("@method");created=1;keyid="test-key-rsa"'
    base = f'"@method": POST\n"@signature-params": {parameters}'
    signature = b64encode(private.sign(base.encode(), PKCS1v15(), SHA256())).decode()
    vector = {
        "alg": "rsa-v1_5-sha256",
        "keyid": "test-key-rsa",
        "message": "test-request",
        "signature_base": base,
        "signature_input": f"s={parameters}",
        "signature": f"s=:{signature}:",
        "deterministic": True,
    }
    (folder / "rsa.json").write_text(json.dumps(vector))
    assert Result("rsa.json", "passed") in list(conformance.run(folder))


def test_a_scenario_without_the_step_fails(tmp_path: Path) -> None:
    with pytest.raises(Differs):
        Scenario("x", frozenset()).value("document")
    (tmp_path / "fep-vectors").mkdir()
    (tmp_path / "fep-vectors" / "x.feature").write_text(
        "Feature: x\n\n  Scenario: y\n    Given nothing\n    # note\n"
    )
    (result,) = conformance.run(tmp_path / "fep-vectors")
    assert result == Result("x.feature: y", "failed", "unknown form")


def _copy(vectors: Path, form: str, tmp_path: Path) -> Path:
    return Path(shutil.copytree(vectors / form, tmp_path / form))


def test_a_covered_field_may_be_gone_from_a_refused_file(vectors: Path, tmp_path: Path) -> None:
    path = _copy(vectors, _HTTP, tmp_path) / "rfc9421-body-replaced.json"
    vector = json.loads(path.read_bytes())
    headers = vector["request"]["headers"]
    vector["request"]["headers"] = [pair for pair in headers if pair[0] != "Content-Digest"]
    path.write_text(json.dumps(vector))
    assert Result(path.name, "passed") in list(conformance.run(path.parent))


@pytest.mark.parametrize(
    ("actor", "expected"),
    [
        ("https://node.bolt.example/people/bob", "accept"),
        ("https://node.cyan.example/people/bob", "reject"),
        (None, "reject"),
    ],
)
def test_the_key_belongs_to_the_actor_or_its_node(
    actor: str | None, expected: str, vectors: Path, tmp_path: Path
) -> None:
    folder = _copy(vectors, _HTTP, tmp_path)
    own = json.loads((folder / "keys.json").read_bytes())["ed25519"]
    key = SigningKey.from_raw(urlsafe_b64decode(own["jwk"]["d"] + "="), own["label"])
    body = json.dumps({"actor": actor}).encode()
    request = Request(
        "POST",
        "https://node.acme.example/inbox",
        Headers([("Content-Type", "application/activity+json")]),
        body,
    )
    signed = signatures.sign_request(request, key, created=1_795_446_120, nonce="x" * 16)
    (signature,) = signatures.signatures(signed)
    vector = {
        "profile": "peer ed25519",
        "expect": expected,
        "now": 1_795_446_120,
        "request": {
            "method": "POST",
            "target": "/inbox",
            "authority": "node.acme.example",
            "headers": [list(pair) for pair in signed.headers],
            "body_utf8": body.decode(),
        },
        "signature_base": signatures.signature_base(
            signed, signature.components, signature.parameters
        ).decode(),
    }
    (folder / "owner.json").write_text(json.dumps(vector))
    assert Result("owner.json", "passed") in list(conformance.run(folder))


def test_the_bytes_in_hex_may_be_absent(vectors: Path, tmp_path: Path) -> None:
    folder = _copy(vectors, "rfc8785-jcs", tmp_path)
    shutil.rmtree(folder / "outhex")
    assert Result("input/french.json", "passed") in list(conformance.run(folder))


def _result(folder: Path, name: str, vector: Any) -> Result:
    (folder / name).write_text(json.dumps(vector))
    return next(result for result in conformance.run(folder) if result.file == name)


def test_a_receipt_counts_for_the_activity_that_it_names(vectors: Path, tmp_path: Path) -> None:
    folder = _copy(vectors, _PEERING, tmp_path)
    good = json.loads((folder / "08-receipt-processed.json").read_bytes())
    other = json.loads((folder / "10-recall.json").read_bytes())["erasure_receipt"]
    assert _result(folder, "good.json", {"receipt": good, "expect": "accept"}).outcome == "passed"
    assert "accepted" in _result(folder, "good.json", {"receipt": good, "expect": "reject"}).reason
    assert _result(folder, "other.json", {"receipt": other, "expect": "reject"}).outcome == "passed"


def test_an_offer_alone_may_be_good(vectors: Path, tmp_path: Path) -> None:
    folder = _copy(vectors, _PEERING, tmp_path)
    offer = json.loads((folder / "03-agreement.json").read_bytes())["offer"]
    assert _result(folder, "offer.json", {"offer": offer, "expect": "accept"}).outcome == "passed"


def test_a_folder_without_its_keys_is_one_failure(vectors: Path, tmp_path: Path) -> None:
    folder = _copy(vectors, _PEERING, tmp_path)
    (folder / "keys.json").unlink()
    (result,) = conformance.run(folder)
    assert (result.outcome, result.file) == ("failed", _PEERING)


def test_a_public_half_of_a_key_is_enough(vectors: Path, tmp_path: Path) -> None:
    folder = _copy(vectors, _PEERING, tmp_path)
    keys = json.loads((folder / "keys.json").read_bytes())
    keys["keys"].append({**keys["keys"][0], "label": "https://west.example/actor#ed25519", "jwk": {}})
    (folder / "keys.json").write_text(json.dumps(keys))
    assert {result.outcome for result in conformance.run(folder)} == {"passed"}


def _by_owner(vector: Any) -> None:
    vector["state"]["objects"][0]["attributedTo"] = vector["activity"]["actor"]


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        (_by_owner, "failed"),
        (
            _put("state", "spaces", 0, "moderators", to=["https://node.cyan.example/users/eve"]),
            "passed",
        ),  # may only hide
        (_put("state", "spaces", 0, "host", to="https://node.bolt.example/actor"), "passed"),
        (_put("state", "spaces", 0, "members", to=["https://node.cyan.example/users/eve"]), "passed"),
    ],
)
def test_one_broken_rule_is_what_refuses_a_deletion(
    change: Callable[[Any], None], outcome: str, vectors: Path, tmp_path: Path
) -> None:
    folder = _copy(vectors, _PEERING, tmp_path)
    vector = json.loads((folder / "10n-delete-by-stranger.json").read_bytes())
    change(vector)
    assert _result(folder, "changed.json", vector).outcome == outcome


ORIGINS = "own-origin-security"
SPACE = "https://node.acme.example/spaces/bridge"
EVE = "https://evil.example/users/eve#main-key"


@pytest.mark.parametrize(
    ("file", "change", "reason"),
    [
        ("update-by-owner.json", _put("expect", to="reject"), "outcome: processed"),
        ("update-by-stranger.json", _put("expect", to="accept"), "outcome: "),
        ("closed-mode-non-peer.json", _put("delivery", "http_signature_valid_for_keyId", to=EVE), ""),
        ("delete-by-owner.json", _put("expect", to="reject-403"), "answered 200"),
        ("duplicate-delivery.json", _put("local_state", "seen_activities", to=["x"]), ""),
        ("duplicate-delivery.json", _put("local_state", to=lambda _: {"seen_activities": [], "x": 1}), ""),
        (
            "join-accept-flow.json",
            _put("delivery", "activity", "instrument", to="https://x.example/i"),
            "outcome",
        ),
        (
            "moderator-remove-ok.json",
            _put("remote_world", f"{SPACE}/moderators", "body", "orderedItems", to=[]),
            "outcome",
        ),
        ("space-member-removed.json", _put("local_state", to={}), "outcome: processed"),
        ("space-member-removed.json", _put("expect", to="nonsense"), "unknown form"),
    ],
)
def test_a_changed_file_of_origins_is_noticed(
    file: str, change: Callable[[Any], None], reason: str, vectors: Path, tmp_path: Path
) -> None:
    folder = tmp_path / ORIGINS
    folder.mkdir()
    document = json.loads((vectors / ORIGINS / file).read_bytes())
    change(document)
    (folder / file).write_text(json.dumps(document))
    (result,) = conformance.run(folder)
    assert (result.outcome, reason in result.reason) == ("failed" if reason else "passed", True)
