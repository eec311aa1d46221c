"""A post as it may come: one value or a list, a text or one in some language."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from marshmallow import ValidationError

from schemas.as2.note import NOTE

POST: dict[str, Any] = {
    "id": "https://south.example/o/1",
    "type": "Note",
    "attributedTo": "https://south.example/people/1",
    "audience": "https://north.example/spaces/1",
    "content": "<p>words</p>",
}


def test_what_is_missing_has_its_plain_value_and_what_is_unknown_is_left_out() -> None:
    read = NOTE.load({**POST, "unheard": 1})
    assert (read["tag"], read["attachment"], read["published"], read["name"]) == ([], [], None, "")
    assert "unheard" not in read


@pytest.mark.parametrize("kind", ["Note", ["Note"], ["Page", "Article"], ["Article", "Page"]])
def test_the_type_that_we_know_counts(kind: Any) -> None:
    assert NOTE.load({**POST, "type": kind})["type"] in {"Note", "Article"}


@pytest.mark.parametrize("kind", ["Page", [], None, 1])
def test_refuses_a_type_that_is_no_post(kind: Any) -> None:
    with pytest.raises(ValidationError):
        NOTE.load({**POST, "type": kind})


def test_a_text_in_one_language_is_the_text() -> None:
    post = {key: value for key, value in POST.items() if key != "content"}
    read = NOTE.load({**post, "contentMap": {"fr": "<p>mots</p>"}})
    assert (read["lang"], read["content"]) == ("fr", "<p>mots</p>")
    nothing: list[Any] = [{}, [], None]
    for empty in nothing:
        with pytest.raises(ValidationError):
            NOTE.load({**post, "contentMap": empty})


def test_mentions_are_read_by_their_iri_and_other_tags_left_out() -> None:
    mention = {"type": "Mention", "href": "https://south.example/people/2"}
    read = NOTE.load({**POST, "tag": [mention, {"type": "Mention"}, {"type": "Hashtag"}, "x"]})
    assert read["tag"] == ["https://south.example/people/2"]
    assert NOTE.load({**POST, "tag": mention})["tag"] == ["https://south.example/people/2"]


def test_a_moment_is_read_as_utc() -> None:
    read = NOTE.load({**POST, "published": "2026-11-24T09:00:00+01:00"})
    assert read["published"] == datetime(2026, 11, 24, 8, tzinfo=UTC)


@pytest.mark.parametrize("post", [[], "x", None, 1])
def test_refuses_what_is_no_object(post: Any) -> None:
    with pytest.raises(ValidationError):
        NOTE.load(post)
