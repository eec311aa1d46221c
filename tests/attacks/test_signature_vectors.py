"""Signatures, digests and proofs: every one that holds is accepted, and none that was changed in any one thing."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from federation import conformance
from federation.errors import FederationError, LocalError
from tests.attacks import signed

FOLDERS = (
    "rfc9421-appendix-b",
    "own-http-signatures",
    "own-integrity-proofs",
    "fep-vectors",
    "rfc9530-digests",
)


def test_at_least_sixty_that_hold_are_accepted() -> None:
    cases = list(signed.positive())
    assert len({name for name, _ in cases}) == len(cases) >= 60
    for name, accept in cases:
        try:
            accept()
        except FederationError as error:
            pytest.fail(f"{name}: {error}")


def test_at_least_four_hundred_that_do_not_are_refused() -> None:
    """By a refusal of the library, and by nothing else: what breaks in it would be an error of ours."""
    cases = list(signed.negative())
    assert len(cases) >= 400
    kinds = Counter(name.partition(":")[0] for name, _ in cases)
    assert kinds["request"] >= 200
    assert kinds["proof"] >= 150
    assert kinds["answer"] >= 25
    accepted = []
    for name, accept in cases:
        try:
            accept()
        except LocalError:
            assert "signed" in name, name  # the liar's own pen refuses to write it
        except FederationError:
            pass
        else:
            accepted.append(name)
    assert accepted == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_answers_of_the_specifications(folder: str, vectors: Path) -> None:
    results = list(conformance.run(vectors / folder))
    assert [each for each in results if each.outcome == "failed"] == []
