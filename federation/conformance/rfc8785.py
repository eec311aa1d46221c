"""`rfc8785-jcs`: canonical JSON, and the text of numbers."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from federation import documents, jcs
from federation.conformance.result import Result, expect, load, run_file, unknown_form
from federation.errors import LocalError


def _number(bits: str) -> float:
    return float(struct.unpack(">d", bytes.fromhex(bits))[0])


def _check_document(folder: Path, name: str) -> None:
    value = documents.loads_any((folder / "input" / f"{name}.json").read_bytes(), floats=True)
    canonical = jcs.canonicalize(value)
    expect(canonical == (folder / "output" / f"{name}.json").read_bytes(), "the bytes differ")
    hexadecimal = folder / "outhex" / f"{name}.txt"
    if hexadecimal.is_file():
        expect(
            canonical == bytes.fromhex("".join(hexadecimal.read_text().split())), "the bytes in hex differ"
        )


def _check_numbers(vector: Any) -> None:
    if not isinstance(vector, dict) or "cases" not in vector:
        raise unknown_form()
    for bits, text in vector["cases"].items():
        expect(jcs.canonicalize(_number(bits)) == text.encode("ascii"), f"{bits} is not {text}")
    for bits in vector.get("invalid", []):
        try:
            jcs.canonicalize(_number(bits))
        except LocalError:
            continue
        expect(None, f"{bits} is accepted")


def run(folder: Path) -> Iterator[Result]:
    """Run a folder of this form: `input/X.json` against its outputs, and files of numbers beside them."""
    for path in sorted((folder / "input").glob("*.json")):
        yield run_file(f"input/{path.name}", partial(_check_document, folder, path.stem))
    for path in sorted(folder.glob("*.json")):
        yield run_file(path.name, lambda path=path: _check_numbers(load(path)))  # type: ignore[misc]
