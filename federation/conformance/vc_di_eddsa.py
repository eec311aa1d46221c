"""`w3c-vc-di-eddsa`: each step of eddsa-jcs-2022; other suites are refused."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from federation import jcs, multibase, multikey, proofs
from federation.conformance.result import Result, expect, load, run_file
from federation.errors import BadProof
from federation.keys import PublicKey, SigningKey


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8").strip()


def _check_steps(folder: Path, part: Path, suffix: str) -> None:
    pair = load(folder / "keyPair.json")
    own = part / f"unsigned{suffix}.json"
    document = load(own if own.is_file() else folder / "unsigned.json")
    options = load(part / f"proofConfig{suffix}.json")
    canonical, configuration = jcs.canonicalize(document), jcs.canonicalize(options)
    data = hashlib.sha256(configuration).digest() + hashlib.sha256(canonical).digest()
    key = SigningKey.from_raw(
        multikey.decode_secret(pair["privateKeyMultibase"]), options["verificationMethod"]
    )
    raw = key.sign(data)
    for role, value in {
        "canonDoc": canonical.decode("utf-8"),
        "docHash": data[32:].hex(),
        "proofCanon": configuration.decode("utf-8"),
        "proofHash": data[:32].hex(),
        "combinedHash": data.hex(),
        "sigHex": raw.hex(),
        "sigBTC58": multibase.encode(raw),
    }.items():
        expect(value == _text(part / f"{role}{suffix}.txt"), f"{role} differs")
    signed = load(part / f"signed{suffix}.json")
    expect(proofs.hash_data(document, options) == data, "hash_data differs")
    public = PublicKey.from_multibase(options["verificationMethod"], pair["publicKeyMultibase"])
    proofs.verify(signed, public)
    made = proofs.sign(document, key, options["created"])
    expect(jcs.canonicalize(made) == jcs.canonicalize(signed), "the signed document differs")


def _check_other_suite(path: Path) -> None:
    try:
        proofs.proof_of(load(path))
    except BadProof:
        return
    expect(None, "another suite is accepted")


def run(folder: Path) -> Iterator[Result]:
    """Run a folder of this form: sub-folders by their name, files by the beginning of theirs."""
    for path in sorted(folder.glob("*/signed*.json")):
        name = path.relative_to(folder).as_posix()
        if "jcs" in path.parent.name:
            yield run_file(name, partial(_check_steps, folder, path.parent, path.stem.removeprefix("signed")))
        else:
            yield run_file(name, partial(_check_other_suite, path))
