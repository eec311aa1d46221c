"""Integrity proofs of documents: FEP-8b32 with the suite eddsa-jcs-2022, and no other.

Rule: the whole document is covered but `proof` and the legacy `signature`; the proof names the document's own
`@context`, neither less nor more. Whose key it is and whether that actor may speak, others decide.
Source: FEP-8b32; W3C vc-di-eddsa, section 3.3; PROTOCOL 1.4; SECURITY TH-09, A8.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from federation import jcs, multibase
from federation.errors import BadProof, Malformed
from federation.keys import PublicKey, SigningKey, controller_of
from federation.limits import CLOCK_SKEW_S

SUITE = "eddsa-jcs-2022"
TYPE = "DataIntegrityProof"
PURPOSE = "assertionMethod"

_UNSIGNED = frozenset({"proof", "signature"})
_SIGNATURE_BYTES = 64
_SKEW = timedelta(seconds=CLOCK_SKEW_S)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof as its document gives it: well-formed, not verified. Times are RFC 3339."""

    verification_method: str
    created: str | None
    expires: str | None
    raw: bytes
    options: Mapping[str, Any]

    @property
    def controller(self) -> str:
        """The actor that the key belongs to by its id."""
        return controller_of(self.verification_method)


def unsigned(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document without its own `proof` and `signature`; what is embedded keeps its own."""
    return {key: value for key, value in document.items() if key not in _UNSIGNED}


def hash_data(document: Mapping[str, Any], options: Mapping[str, Any]) -> bytes:
    """What is signed, 64 bytes: SHA-256(JCS(options without proofValue)) || SHA-256(JCS(document))."""
    configuration = {key: value for key, value in options.items() if key != "proofValue"}
    return (
        hashlib.sha256(jcs.canonicalize(configuration)).digest()
        + hashlib.sha256(jcs.canonicalize(unsigned(document))).digest()
    )


def sign(document: Mapping[str, Any], key: SigningKey, created: str) -> dict[str, Any]:
    """The document with its one proof, made at `created` (RFC 3339); an earlier proof is replaced."""
    plain = unsigned(document)
    options: dict[str, Any] = {"@context": plain["@context"]} if "@context" in plain else {}
    options |= {
        "type": TYPE,
        "cryptosuite": SUITE,
        "created": created,
        "verificationMethod": key.key_id,
        "proofPurpose": PURPOSE,
    }
    options["proofValue"] = multibase.encode(key.sign(hash_data(plain, options)))
    plain["proof"] = options
    return plain


def _moment(options: Mapping[str, Any], name: str) -> str | None:
    value = options.get(name)
    if value is None and name not in options:
        return None
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        raise BadProof(f"{name} of the proof is no moment of RFC 3339.")
    return value


def proof_of(document: Mapping[str, Any]) -> Proof:
    """The one proof of a document, read without crypto; raises BadProof.

    Refused: none or several, another type, suite or purpose, a verification method that is no text, an
    `@context` other than the document's, times that are none, and a value that is not 64 bytes in base58btc.
    """
    options = document.get("proof")
    if not isinstance(options, dict):
        raise BadProof("Exactly one proof is wanted.")
    if options.get("type") != TYPE or options.get("cryptosuite") != SUITE:
        raise BadProof(f"Only the suite {SUITE} is known.")
    if options.get("proofPurpose") != PURPOSE:
        raise BadProof(f"Only the purpose {PURPOSE} is known.")
    method, value = options.get("verificationMethod"), options.get("proofValue")
    if not isinstance(method, str) or not isinstance(value, str):
        raise BadProof("A proof names its key and has a value, both texts.")
    if "@context" in options and options["@context"] != document.get("@context"):
        raise BadProof("The proof is of another @context.")
    try:
        raw = multibase.decode(value)
    except Malformed as error:
        raise BadProof("proofValue is not base58btc.") from error
    if len(raw) != _SIGNATURE_BYTES:
        raise BadProof(f"A signature has {_SIGNATURE_BYTES} bytes.")
    return Proof(method, _moment(options, "created"), _moment(options, "expires"), raw, options)


def _check_times(proof: Proof, now: str) -> None:
    here = datetime.fromisoformat(now)
    try:
        if proof.created and datetime.fromisoformat(proof.created) > here + _SKEW:
            raise BadProof("The proof is of the future.")
        if proof.expires and datetime.fromisoformat(proof.expires) < here:
            raise BadProof("The proof has expired.")
    except ValueError as error:
        raise BadProof("A time of the proof is on no calendar.") from error


def holds(document: Mapping[str, Any], key: PublicKey, proof: Proof) -> bool:
    """Whether `proof`, which `proof_of` gave for this document, is by this key; times are left alone."""
    return proof.verification_method == key.key_id and key.verify(
        proof.raw, hash_data(document, proof.options)
    )


def verify(
    document: Mapping[str, Any], key: PublicKey, now: str | None = None, *, proof: Proof | None = None
) -> None:
    """Verify the one proof of a document with this key; `now` is RFC 3339, None leaves times alone.

    `proof` is what `proof_of` gave for this document, so that it is read once.
    Raises BadProof: as `proof_of`, for another key or signature, for `expires` before `now`, and for
    `created` more than 300 s after it.
    """
    proof = proof_of(document) if proof is None else proof
    if proof.verification_method != key.key_id:
        raise BadProof("The proof names another key.")
    if now is not None:
        _check_times(proof, now)
    if not key.verify(proof.raw, hash_data(document, proof.options)):
        raise BadProof("The proof does not fit the document.")
