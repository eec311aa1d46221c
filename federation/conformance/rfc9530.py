"""`rfc9530-digests`: values of Content-Digest and of the Digest field before it."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from federation import digest
from federation.conformance.result import Result, expect, run_files, unknown_form
from federation.errors import Unauthentic


def _accepted(header: str, body: bytes) -> bool:
    try:
        digest.check_content_digest(header, body)
    except Unauthentic:
        return False
    return True


def _check(_path: Path, vector: Any) -> None:
    if "values" not in vector or "input" not in vector:
        raise unknown_form()
    body: bytes = vector["input"].encode("utf-8")
    ours = digest.content_digest(body)
    for algorithm, value in vector["values"].items():
        member = f"{algorithm}={value}"
        if algorithm == "sha-256":
            expect(member == ours, "our sha-256 is another")
            expect(not _accepted(member, body + b" "), "the digest of another body is accepted")
        else:
            expect(_accepted(f"{member}, {ours}", body), f"{algorithm} beside sha-256 is refused")
            other = digest.content_digest(body + b" ")
            expect(not _accepted(f"{member}, {other}", body + b" "), f"a wrong {algorithm} is accepted")
    for algorithm, value in vector.get("legacy_digest_header", {}).items():
        name = algorithm.lower().replace("-", "")
        raw = hashlib.new(name, body).digest()
        expect(value == f"{algorithm}={b64encode(raw).decode('ascii')}", f"the old {algorithm} is another")
    for algorithm in vector.get("must_ignore_for_security", []):
        expect(not _accepted(f"{algorithm}=:AA==:", body), f"{algorithm} alone is accepted")
        expect(_accepted(f"{algorithm}=:AA==:, {ours}", body), f"{algorithm} does not count as absent")


def run(folder: Path) -> Iterator[Result]:
    """Run a folder of this form."""
    return run_files(folder, _check)
