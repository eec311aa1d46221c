"""Every act that the code puts on record has its sentence, in both languages."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask_babel import Babel, force_locale

from node.admin import sentences
from node.exchange.course import Standing

ROOT = Path(__file__).resolve().parents[3]
RECORDERS = {"Act", "note", "_note", "_record", "record"}
ACTION = re.compile(r"[a-z]+(?:-[a-z]+)*\.[a-z]+(?:-[a-z]+)*")


def constants(value: ast.expr | None) -> Iterator[str]:
    """The strings that an expression may be; those behind `*` for a part that is made at run time."""
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        yield value.value
    elif isinstance(value, ast.IfExp):
        yield from constants(value.body)
        yield from constants(value.orelse)
    elif isinstance(value, ast.JoinedStr):
        yield from (f"{each}*" for each in constants(value.values[0]))


def recorded(tree: ast.AST) -> Iterator[str]:
    """The actions that a module records: as an argument, or by a name assigned in the same function."""
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef):
            continue
        assigned: dict[str, list[str]] = {}
        for each in ast.walk(function):
            if isinstance(each, ast.Assign) and isinstance(each.targets[0], ast.Name):
                assigned.setdefault(each.targets[0].id, []).extend(constants(each.value))
        for call in ast.walk(function):
            if not isinstance(call, ast.Call):
                continue
            name = getattr(call.func, "attr", getattr(call.func, "id", ""))
            if name not in RECORDERS:
                continue
            for argument in call.args[:3]:
                found = (
                    assigned.get(argument.id, []) if isinstance(argument, ast.Name) else constants(argument)
                )
                yield from found


def all_recorded() -> set[str]:
    found: set[str] = set()
    for folder in ("federation", "node"):
        for path in (ROOT / folder).rglob("*.py"):
            if "adapters" not in path.parts:
                said = recorded(ast.parse(path.read_text(encoding="utf-8")))
                found |= {each for each in said if ACTION.fullmatch(each) or each.endswith(".*")}
    return found


def test_every_recorded_act_has_a_sentence() -> None:
    known = {*sentences.SENTENCES, *sentences.REFUSALS}
    missing = {
        each
        for each in all_recorded()
        if each not in known
        and not (each.endswith("*") and any(one.startswith(each.removesuffix("*")) for one in known))
    }
    assert not missing


def test_every_standing_of_delivery_has_a_sentence() -> None:
    for standing in Standing:
        assert standing is Standing.OPEN or f"delivery.{standing.value}" in sentences.REFUSALS


def test_no_act_is_both_done_and_refused() -> None:
    assert not set(sentences.SENTENCES) & set(sentences.REFUSALS)


def test_every_act_is_in_one_family() -> None:
    for action in (*sentences.SENTENCES, *sentences.REFUSALS):
        beginnings = [
            one for _, all_ in sentences.FAMILIES.values() for one in all_ if action.startswith(one)
        ]
        assert len(beginnings) == 1, action


@pytest.mark.parametrize("language", ["en", "fr"])
def test_every_sentence_is_said_without_its_details(language: str) -> None:
    app = Flask(__name__)
    Babel(app, default_translation_directories=str(ROOT / "node" / "translations"))
    with app.test_request_context(), force_locale(language):
        for action, sentence in {**sentences.SENTENCES, **sentences.REFUSALS}.items():
            said = sentences.sentence_of(action, {})
            assert said
            assert "%(" not in said
            assert language == "en" or str(sentence) != sentence._args[0], action


def test_an_act_without_a_sentence_is_its_code() -> None:
    assert sentences.sentence_of("later.thing", {}) == "later.thing"
