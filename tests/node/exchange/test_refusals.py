"""What a charter refuses, as people read it: in their language, with a next step."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask
from flask_babel import Babel, force_locale

import node
from federation import fence
from federation.errors import NAMESPACE, Malformed, NotMember, OutOfScope
from node.exchange import refusals

TRANSLATIONS = Path(node.__file__).parent / "translations"


def _said(problem: dict[str, object], language: str) -> str:
    app = Flask(__name__)
    app.config["BABEL_TRANSLATION_DIRECTORIES"] = str(TRANSLATIONS)
    Babel(app)
    with app.test_request_context(), force_locale(language):
        return str(refusals.sentence(problem))


@pytest.mark.parametrize("rule", [each.name for each in fence.RULES])
def test_every_row_of_the_fence_has_its_sentence_in_both_languages(rule: str) -> None:
    problem = OutOfScope("The wire's own words.", rule=rule).document()
    said = {_said(problem, language) for language in ("en", "fr")}
    assert len(said) == 2
    assert all(rule == "identity" or "." in each[:-1] for each in said)  # what is, then what one can do
    assert "The wire's own words." not in said


def test_a_refusal_without_a_row_is_said_by_its_type() -> None:
    assert "entrer" in _said(NotMember("x").document(), "fr")
    assert "charte" in _said(OutOfScope("x").document(), "fr")


def test_what_nobody_knows_keeps_the_words_of_who_refused() -> None:
    assert _said(Malformed("The post has another shape.").document(), "fr") == "The post has another shape."
    assert _said({"type": f"{NAMESPACE}#news", "title": "News", "rule": ["space"]}, "fr") == "News"
    assert _said({}, "fr") == ""


def test_whose_charter_it_was_is_named_and_no_more_of_it_than_a_name_takes() -> None:
    problem = OutOfScope("x", rule="space", organisationName="Leroux & Hart").document()
    assert _said(problem, "en").startswith("Leroux & Hart: The charter does not cover this space.")
    long = OutOfScope("x", rule="space", organisationName="L" * 5000).document()
    assert len(_said(long, "en")) < 300
    assert _said({**problem, "organisationName": 7}, "en").startswith("The charter")
