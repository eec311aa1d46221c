"""`rfc9421-appendix-b`: the examples of the RFC."""

from __future__ import annotations

from base64 import urlsafe_b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from federation import signatures
from federation.conformance.result import NotApplicable, Result, expect, load, run_files, unknown_form
from federation.http import Headers, Request, Response
from federation.keys import PublicKey, RsaPublicKey, SigningKey, Verifier


def _raw(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _message(document: dict[str, Any], signature_input: str, signature: str) -> Request | Response:
    pairs = [*document["headers"], ("Signature-Input", signature_input), ("Signature", signature)]
    headers, body = Headers((name, value) for name, value in pairs), document["body"].encode("utf-8")
    if "status" in document:
        return Response(document["status"], headers, body)
    url = f"{document['scheme']}://{document['authority']}{document['target']}"
    return Request(document["method"], url, headers, body)


def _key(algorithm: str, key_id: str, key: dict[str, Any]) -> Verifier:
    if algorithm == "ed25519":
        return PublicKey(key_id, _raw(key["jwk"]["x"]))
    if algorithm == "rsa-v1_5-sha256":
        return RsaPublicKey.from_pem(key_id, key["publicKeyPem"])
    raise NotApplicable(f"the base is right; {algorithm} is not offered")


def run(folder: Path) -> Iterator[Result]:
    """Run a folder of this form."""
    messages, keys = load(folder / "messages.json"), load(folder / "keys.json")["keys"]

    def check(_path: Path, vector: Any) -> None:
        if "signature_input" not in vector or "signature_base" not in vector:
            raise unknown_form()
        message = _message(messages[vector["message"]], vector["signature_input"], vector["signature"])
        (signature,) = signatures.signatures(message)
        base = signatures.signature_base(message, signature.components, signature.parameters)
        expect(base.decode("ascii") == vector["signature_base"], "signature_base differs")
        key = _key(vector["alg"], vector["keyid"], keys[vector["keyid"]])
        expect(key.verify(signature.raw, base), "the signature does not verify")
        if vector["deterministic"] and vector["alg"] == "ed25519":
            signing = SigningKey.from_raw(_raw(keys[vector["keyid"]]["jwk"]["d"]), vector["keyid"])
            expect(signing.sign(base) == signature.raw, "signing gives another signature")

    return run_files(folder, check)
