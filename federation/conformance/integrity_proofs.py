"""`own-integrity-proofs`: documents with proofs that hold, or do not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from federation import documents, jcs, proofs
from federation.conformance.result import Differs, Result, expect, load, run_files, unknown_form
from federation.errors import BadProof
from federation.keys import PublicKey


def keys_of(folder: Path) -> dict[str, PublicKey]:
    """Key id -> key, of a `keys.json` with `keys` of `label` and `publicKeyMultibase`."""
    return {
        entry["label"]: PublicKey.from_multibase(entry["label"], entry["publicKeyMultibase"])
        for entry in load(folder / "keys.json")["keys"]
    }


def verify_owned(document: dict[str, Any], keys: Mapping[str, PublicKey], now: str | None = None) -> None:
    """The proof holds and its key belongs to `actor`, or to `attributedTo` where there is no actor."""
    proof = proofs.proof_of(document)
    if proof.verification_method not in keys:
        raise BadProof("The key is not known.")
    proofs.verify(document, keys[proof.verification_method], now)
    if proof.controller != documents.id_of(document.get("actor", document.get("attributedTo"))):
        raise BadProof("The proof is by another than the owner.")


def _holds(document: dict[str, Any], keys: Mapping[str, PublicKey], now: str | None = None) -> bool:
    try:
        verify_owned(document, keys, now)
    except BadProof:
        return False
    return True


def run(folder: Path) -> Iterator[Result]:
    """Run a folder of this form."""
    keys = keys_of(folder)

    def check(_path: Path, vector: Any) -> None:
        if "document" not in vector or "expect" not in vector:
            raise unknown_form()
        document = vector["document"]
        if "jcs_document" in vector:
            canonical = jcs.canonicalize(proofs.unsigned(document)).decode("utf-8")
            expect(canonical == vector["jcs_document"], "jcs_document differs")
        match vector["expect"]:
            case "valid":
                verify_owned(document, keys)
            case "valid-both":
                verify_owned(document, keys)
                verify_owned(document["object"], keys)
            case "invalid":
                expect(not _holds(document, keys), "the proof is accepted")
            case "invalid-when-now-after-expires":
                end = datetime.fromisoformat(document["proof"]["expires"])
                second = timedelta(seconds=1)
                expect(_holds(document, keys, (end - second).isoformat()), "refused before it expires")
                expect(not _holds(document, keys, (end + second).isoformat()), "accepted after it expired")
            case other:
                raise Differs(f"unknown form: expect {other}")

    return run_files(folder, check)
