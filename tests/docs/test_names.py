"""What the documents at the root name exists: modules, functions, files, targets of make, links."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "FEDERATION.md")
DOTTED = re.compile(r"`((?:schemas|federation|node)(?:\.\w+)+)`")
PATH = re.compile(r"`((?:schemas|federation|node|tests|docs|deploy)/[\w./-]+)`")
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)(?:#[^)]*)?\)")
TARGET = re.compile(r"`?make ([a-z]+)")


def exists(name: str) -> bool:
    """Whether a dotted name leads to a module, or to something in one."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found: object = import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            found = getattr(found, part, None)
        return found is not None
    return False


def text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES)
def test_names_of_code_exist(page: str) -> None:
    assert [
        name for name in DOTTED.findall(text(page)) if not name.endswith((".py", ".md")) and not exists(name)
    ] == []


@pytest.mark.parametrize("page", PAGES)
def test_files_exist(page: str) -> None:
    assert [
        path for path in [*PATH.findall(text(page)), *LINK.findall(text(page))] if not (ROOT / path).exists()
    ] == []


@pytest.mark.parametrize("page", PAGES)
def test_targets_of_make_exist(page: str) -> None:
    known = set(re.findall(r"^([a-z]+):", text("Makefile"), re.MULTILINE))
    assert set(TARGET.findall(text(page))) <= known


def test_every_activity_type_is_told_to_the_fediverse() -> None:
    from federation.activities import ALL

    assert [kind.name for kind in ALL if f"`{kind.name}`" not in text("FEDERATION.md")] == []
