"""`rfc9162-merkle`: roots of trees and inclusion paths."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from federation import merkle
from federation.conformance.result import Result, expect, run_files, unknown_form


def _check(_path: Path, vector: Any) -> None:
    if "leaves_hex" not in vector:
        raise unknown_form()
    leaves = [bytes.fromhex(text) for text in vector["leaves_hex"]]
    for size, root in vector["roots_hex_by_size"].items():
        expect(merkle.root(leaves[: int(size)]).hex() == root, f"the root of {size} leaves differs")
    for case in vector["inclusion"]:
        size, index = case["size"], case["index"]
        path = [bytes.fromhex(text) for text in case["path_hex"]]
        root = bytes.fromhex(vector["roots_hex_by_size"][str(size)])
        expect(merkle.inclusion_path(leaves[:size], index) == path, f"the path of {index} in {size} differs")
        expect(
            merkle.verify_inclusion(leaves[index], index, size, path, root), f"{index} in {size} is refused"
        )
        for i, beside in enumerate(path):
            changed = [*path[:i], bytes([beside[0] ^ 1]) + beside[1:], *path[i + 1 :]]
            expect(
                not merkle.verify_inclusion(leaves[index], index, size, changed, root),
                f"a changed path of {index} in {size} is accepted",
            )


def run(folder: Path) -> Iterator[Result]:
    """Run a folder of this form."""
    return run_files(folder, _check)
