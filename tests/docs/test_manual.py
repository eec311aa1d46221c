"""The manual holds together: every page is in it, every link leads somewhere, every placeholder is filled."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from node.capabilities import CAPABILITIES
from node.cli.demo.story import ORGANISATIONS, SPACE
from node.identity.services.tokens import Scope
from schemas.api import spaces as shapes

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")
ROUTE = re.compile(r'^@api\.(\w+)\("([^"]+)"', re.MULTILINE)
TITLE = re.compile(r"^#+ (.+)$", re.MULTILINE)


def slug(title: str) -> str:
    """The anchor of a title, as mkdocs makes it."""
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", title).strip().lower())


def named(nav: Any) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    elif isinstance(nav, dict):
        yield from named(list(nav.values()))
    else:
        for each in nav:
            yield from named(each)


def test_every_page_is_in_the_table_of_contents() -> None:
    manual = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    apart = {"adr/0000-template.md"}
    assert set(named(manual["nav"])) == {str(page.relative_to(DOCS)) for page in PAGES} - apart


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for path, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        target = page.parent / path if path else page
        assert target.exists(), f"{page.name} -> {path}"
        if anchor:
            titles = TITLE.findall(target.read_text(encoding="utf-8"))
            assert anchor in {slug(title) for title in titles}, f"{page.name} -> {path}#{anchor}"


def test_every_scope_of_a_token_is_told() -> None:
    text = (DOCS / "api.md").read_text(encoding="utf-8")
    assert [scope.value for scope in Scope if f"`{scope.value}`" not in text] == []


def test_every_capability_stands_in_the_architecture() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    assert [each.name for each in CAPABILITIES if f"`{each.name}`" not in text] == []


def test_every_body_of_the_api_page_is_taken() -> None:
    text = (DOCS / "api.md").read_text(encoding="utf-8")
    bodies = re.findall(r"<!-- body: (\w+) -->\n```json\n(.*?)\n```", text, re.DOTALL)
    assert text.count("```json") == len(bodies) > 0
    for name, body in bodies:
        getattr(shapes, name)().loads(body)


def test_every_address_of_the_api_page_exists() -> None:
    text = (DOCS / "api.md").read_text(encoding="utf-8")
    known = {
        (method.upper(), re.sub(r"<[^>]*>", "KEY", path))
        for module in (ROOT / "node").glob("*/api.py")
        for method, path in ROUTE.findall(module.read_text(encoding="utf-8"))
    }
    named = re.findall(r"(GET|POST) /api/v1(/[\w/]+)", text)
    assert named
    assert [f"{method} {path}" for method, path in named if (method, path) not in known] == []


def test_the_readme_names_the_organisations_and_accounts_of_the_demo() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for organisation in ORGANISATIONS:
        assert f"| {organisation.name}, " in text
        assert f"`http://{organisation.slug}.localhost:{organisation.port}`" in text
        assert [each.handle for each in organisation.people if f"`{each.handle}`" not in text] == []
    assert SPACE in text
