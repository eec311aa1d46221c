"""The tables of the documents are those of the code, and leave nothing out."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pytest
from flask import Flask
from marshmallow import Schema

from federation import authority
from node import config
from node.app import create_app
from node.cli import wire_tables
from node.cli.manual import MIXED, problem_types
from node.core.http.context import ground
from schemas import as2
from tests.docs.examples import made, members

ROOT = Path(__file__).resolve().parents[2]
PAGES = [(ROOT / "docs" / "reference" / name).resolve() for name in MIXED]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    app = create_app(config.example(tmp_path_factory.mktemp("node")))
    yield app
    with app.app_context():
        ground().close()


@pytest.fixture(scope="module")
def parts(app: Flask) -> dict[str, str]:
    return wire_tables.parts(app) | {"members": members(made())}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_tables_of_a_page_are_fresh(page: Path, parts: dict[str, str]) -> None:
    text = page.read_text(encoding="utf-8")
    assert wire_tables.PART.search(text)
    assert wire_tables.filled(text, parts) == text, f"{page.name} is old; run: make manual"


def test_an_old_table_would_be_noticed(parts: dict[str, str]) -> None:
    page = "<!-- made: media-types -->\n\n| x |\n\n<!-- end -->\n"
    assert wire_tables.filled(page, parts) != page
    assert wire_tables.filled(wire_tables.filled(page, parts), parts) == wire_tables.filled(page, parts)


def test_every_table_stands_in_a_page_and_every_mark_names_one(parts: dict[str, str]) -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert {found["name"] for found in wire_tables.PART.finditer(text)} == set(parts)
    assert text.count("<!-- made: ") == text.count("<!-- end -->")


def test_every_activity_has_a_row_that_says_its_object(parts: dict[str, str]) -> None:
    rows = [row.split(" | ") for row in parts["activities"].splitlines()[2:]]
    assert len(rows) == len(authority.TABLE)
    assert all(row[1].strip() and row[2].strip() for row in rows)


def test_every_problem_type_has_a_row_with_its_status(parts: dict[str, str]) -> None:
    for kind in problem_types():
        assert f"| {kind.status} | [`#{kind.problem}`](problems/{kind.problem}.md) |" in parts["refusals"]


def test_every_shape_of_the_wire_is_told(parts: dict[str, str]) -> None:
    modules = [import_module(f"schemas.as2.{each.name}") for each in iter_modules(as2.__path__)]
    shapes = {
        kind
        for module in modules
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, Schema) and kind.__module__ == module.__name__
    }
    assert shapes == {kind for _, kind in wire_tables.SHAPES}
    for kind in shapes:
        for name, field in kind().fields.items():
            assert f"| `{field.data_key or name}` |" in parts["properties"]


def test_every_door_of_a_partner_is_told(app: Flask, parts: dict[str, str]) -> None:
    found = list(wire_tables.wire_endpoints(app))
    assert len(parts["endpoints"].splitlines()) == len(found) + 2
    assert {endpoint for _, _, endpoint, _ in found} >= {
        "wire.exchange",
        "wire.document",
        "files.for_partner",
    }
