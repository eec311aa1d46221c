"""`fep-8fcf-digest`: the digest of partial followers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from federation import digest
from federation.conformance.result import Result, expect, run_files, unknown_form


def _check(_path: Path, vector: Any) -> None:
    if "followers" not in vector or "digest" not in vector:
        raise unknown_form()
    part = digest.followers_of(vector["followers"], vector["authority"])
    expect(list(part) == vector["partial"], "the partial collection differs")
    expect(digest.followers_digest(part) == vector["digest"], "the digest differs")
    expect(
        digest.followers_digest([*part, *part]) == vector["digest"], "an id that stands twice counts twice"
    )
    expect(digest.followers_digest([]) == vector["empty_digest"], "the digest of none differs")
    header = digest.read_synchronization(vector["header"])
    expect(header.digest == vector["digest"], "the header reads as another")
    expect(f'collectionId="{header.collection_id}"' in vector["header"], "collectionId reads as another")
    expect(f'url="{header.url}"' in vector["header"], "url reads as another")


def run(folder: Path) -> Iterator[Result]:
    """Run a folder of this form."""
    return run_files(folder, _check)
