"""Runs vectors against this library: what `parvis conformance` and our own tests share.

Rule: a folder is known by its name, a file by its content; what nobody knows is a failure.
Source: FORMS.md beside the vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from federation.conformance import (
    exchange,
    fep,
    fep_8fcf,
    http_signatures,
    identity_tokens,
    integrity_proofs,
    origin_security,
    peering,
    rfc8785,
    rfc9162,
    rfc9421,
    rfc9530,
    vc_di_eddsa,
)
from federation.conformance.result import UNREADABLE, Outcome, Result, run_differences

__all__ = ["FORMS", "Outcome", "Result", "run"]

#: Name of a folder -> its runner. THE REGISTRATION: a new form is one module and one line here.
FORMS: dict[str, Callable[[Path], Iterator[Result]]] = {
    "own-exchange": lambda folder: run_differences(folder, exchange.is_form, exchange.check),
    "own-http-signatures": http_signatures.run,
    "own-identity-tokens": identity_tokens.run,
    "own-integrity-proofs": integrity_proofs.run,
    "own-origin-security": origin_security.run,
    "own-peering-profile": peering.run,
    "rfc9421-appendix-b": rfc9421.run,
    "rfc8785-jcs": rfc8785.run,
    "rfc9530-digests": rfc9530.run,
    "rfc9162-merkle": rfc9162.run,
    "w3c-vc-di-eddsa": vc_di_eddsa.run,
    "fep-vectors": fep.run,
    "fep-8fcf-digest": fep_8fcf.run,
}


def run(folder: Path) -> Iterator[Result]:
    """Run one folder by its form; a folder that nobody knows is one failure."""
    runner = FORMS.get(folder.name)
    if runner is None:
        yield Result(folder.name, "failed", "unknown form")
        return
    try:
        yield from runner(folder)
    except UNREADABLE as error:
        yield Result(folder.name, "failed", f"{type(error).__name__}: {error}")
