"""Whose language is spoken: the reader's in a request, the node's where nobody looks."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from node.app import create_app
from node.config import Settings
from node.core.errors import Absent
from node.core.http import rendering
from node.core.http.context import ground


@pytest.fixture
def app(make_settings: Callable[..., Settings]) -> Iterator[Flask]:
    app = create_app(make_settings(language="fr"), capabilities=[])
    yield app
    with app.app_context():
        ground().close()


def test_a_command_or_job_speaks_the_language_of_the_node(app: Flask) -> None:
    with app.app_context():
        assert rendering.language() == "fr"
        assert str(Absent().safe) == "Il n’y a rien à cette adresse, ou elle ne vous est pas ouverte."


@pytest.mark.parametrize(
    ("headers", "spoken"),
    [
        ({}, "fr"),
        ({"Accept-Language": "en-GB,en;q=0.9"}, "en"),
        ({"Accept-Language": "de"}, "fr"),
        ({"Accept-Language": "fr", "Cookie": "language=en"}, "en"),
        ({"Accept-Language": "en", "Cookie": "language=tlh"}, "en"),
    ],
)
def test_a_visitor_is_spoken_to_as_he_asks(app: Flask, headers: dict[str, str], spoken: str) -> None:
    with app.test_request_context(headers=headers):
        assert rendering.language() == spoken
