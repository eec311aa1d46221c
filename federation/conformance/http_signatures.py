"""`own-http-signatures`: requests and answers that are signed, or wrongly signed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from federation import documents, iris, signatures
from federation.conformance.result import (
    Differs,
    NotApplicable,
    Result,
    expect,
    load,
    run_files,
    unknown_form,
    vectors,
)
from federation.errors import RemoteError
from federation.http import Headers, Request, Response
from federation.keys import PublicKey, RsaPublicKey, Verifier, controller_of

_OPEN_DRAFT = "draft-cavage-12 as used by Mastodon"
_PEER = "peer ed25519"
_GENERIC = frozenset({"ed25519", "rsa-v1_5-sha256"})
_EXPECTED = {"accept": True, "reject": False, "reject-for-peer": True, "accept-compat": True}


# Signs the answer of this folder; only own-peering-profile lists it.
_ACME = {"https://node.acme.example/actor#ed25519": "z6MktahAQ2qzeqesjLJ73C1NLsXjgc2MsoAvC3YkGhUsdRge"}


class Keys:
    """The keys of a folder; a key that is not listed is the listed one of its kind."""

    def __init__(self, folder: Path) -> None:
        own = load(folder / "keys.json")
        self._rsa_pem: str = own["rsa"]["publicKeyPem"]
        self._ed25519: str = own["ed25519"]["publicKeyMultibase"]
        self._listed = {**_ACME, own["ed25519"]["label"]: self._ed25519}

    def node(self, key_id: str) -> PublicKey:
        return PublicKey.from_multibase(key_id, self._listed.get(key_id, self._ed25519))

    def of(self, key_id: str) -> Verifier:
        return (
            self.node(key_id) if key_id.endswith("#ed25519") else RsaPublicKey.from_pem(key_id, self._rsa_pem)
        )


def request_of(document: dict[str, Any]) -> Request:
    """The request of a vector, as the node `authority` sees it."""
    return Request(
        document["method"],
        f"https://{document['authority']}{document['target']}",
        Headers((name, value) for name, value in document["headers"]),
        document["body_utf8"].encode("utf-8"),
    )


def _response_of(document: dict[str, Any]) -> Response:
    return Response(
        document["status"],
        Headers((name, value) for name, value in document["headers"]),
        document["body_utf8"].encode("utf-8"),
    )


def _compare_base(
    expected: str, message: Request | Response, *, whole: bool, request: Request | None = None
) -> None:
    """Compare the base of the first signature; not `whole`: values may have changed since it was signed."""
    signature = signatures.signatures(message)[0]
    try:
        base = signatures.signature_base(
            message, signature.components, signature.parameters, request=request
        ).decode("ascii")
    except RemoteError:
        if whole:
            raise
        return
    if whole:
        expect(base == expected, "signature_base differs")
        return
    ours, theirs = base.split("\n"), expected.split("\n")
    expect(ours[-1] == theirs[-1], "the parameters of signature_base differ")
    expect(
        [line.partition(": ")[0] for line in ours] == [line.partition(": ")[0] for line in theirs],
        "the components of signature_base differ",
    )


def _check_owner(request: Request, key_id: str) -> None:
    """The key of a request with an activity belongs to its actor, or to a node of the actor's origin."""
    if not request.body:
        return
    actor = documents.id_of(documents.loads(request.body).get("actor"))
    owner = controller_of(key_id)
    if actor is None or (owner != actor and not iris.same_origin(owner, actor)):
        raise Differs("the key is of another origin than the actor")


def _peer_gate(request: Request, keys: Keys, now: int) -> None:
    signature = signatures.peer_signature(request)
    signatures.verify_request(request, signature, keys.node(signature.key_id), now)
    _check_owner(request, signature.key_id)


def _generic(request: Request, keys: Keys, now: int) -> None:
    found = signatures.signatures(request)
    key_id = found[0].text("keyid") if found else ""
    signatures.verify(request, keys.of(key_id), now)
    _check_owner(request, key_id)


def _refuses(gate: Callable[[Request, Keys, int], None], request: Request, keys: Keys, now: int) -> bool:
    try:
        gate(request, keys, now)
    except (RemoteError, Differs):
        return True
    return False


def _check_request(document: dict[str, Any], keys: Keys) -> None:
    request, now, profile = request_of(document["request"]), document["now"], document["profile"]
    expected = _EXPECTED[document["expect"]]
    if profile != _PEER:
        expect(_refuses(_peer_gate, request, keys, now), "the peer gate accepts it")
    if profile == _OPEN_DRAFT:
        raise NotApplicable("the drafts of HTTP signatures are not offered; the peer gate refuses them")
    if profile not in _GENERIC and profile != _PEER:
        raise unknown_form()
    gate = _peer_gate if profile == _PEER else _generic
    expect(_refuses(gate, request, keys, now) != expected, "the decision is the other one")
    _compare_base(document["signature_base"], request, whole=document["expect"] != "reject")


def _check_response(document: dict[str, Any], keys: Keys, requests: list[dict[str, Any]]) -> None:
    base = document["signature_base"]
    asked = next((r for r in requests if (_signature_value(r["request"]) or base + ".") in base), None)
    if asked is None:
        raise Differs("no file has the request that is answered")
    request, response = request_of(asked["request"]), _response_of(document["response"])
    _compare_base(base, response, whole=True, request=request)
    key = keys.node(signatures.signatures(response)[0].text("keyid"))
    signatures.verify_response(response, request, key, asked["now"])


def _signature_value(request: dict[str, Any]) -> str:
    """The bytes of the first signature of a request, as they stand in its field."""
    value = Headers((n, v) for n, v in request["headers"]).get("signature") or ""
    return value.partition("=")[2].partition(",")[0]


def _requests(folder: Path) -> list[dict[str, Any]]:
    """The vectors with a request; what cannot be read fails when its own turn comes."""
    found = []
    for path in vectors(folder):
        with suppress(ValueError):
            document = load(path)
            if "request" in document and "profile" in document:
                found.append(document)
    return found


def run(folder: Path) -> Iterator[Result]:
    """Run a folder of this form."""
    keys, requests = Keys(folder), _requests(folder)

    def check(_path: Path, vector: Any) -> None:
        if "request" in vector and "profile" in vector:
            _check_request(vector, keys)
        elif "response" in vector and "signature_base" in vector:
            _check_response(vector, keys, requests)
        elif "response" in vector and "client_rules" in vector:
            raise NotApplicable("answering Accept-Signature is not offered")
        else:
            raise unknown_form()

    return run_files(folder, check)
