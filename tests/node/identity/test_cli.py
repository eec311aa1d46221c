"""The commands of identity, as an operator types them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text

from node.cli import main
from node.identity.services.token_keys import Kind, token_keys_of
from tests.node.identity.houses import ORIGIN, Browser, Node


class Parvis:
    """`parvis …` in the environment of one node."""

    def __init__(self, node: Node) -> None:
        self.node = node

    def __call__(self, *words: str) -> Result:
        settings = self.node.ground.settings
        environment = {
            "PARVIS_ORIGIN": settings.origin,
            "PARVIS_ORGANISATION": settings.organisation,
            "PARVIS_ENVIRONMENT": "development",
            "PARVIS_DATA_DIR": str(settings.data_dir),
            "PARVIS_SECRET_KEY": settings.secret_key,
        }
        return CliRunner().invoke(main, list(words), env=environment)


@pytest.fixture
def parvis(node: Node, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Parvis:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("node.core.migrations.require_current", lambda _settings: None)
    return Parvis(node)


def test_person_add_prints_a_link_that_works(parvis: Parvis) -> None:
    done = parvis("person", "add", "Inès Le Goff", "--admin")
    assert done.exit_code == 0, done.output
    link = re.search(rf"{ORIGIN}(/welcome/\S+)", done.output)
    assert link is not None
    assert Browser(parvis.node).get(link[1]).status_code == 303
    assert "ines.le.goff\tadmin\tInès Le Goff" in parvis("person", "list").output


def test_token_create_prints_the_token_alone(parvis: Parvis) -> None:
    parvis.node.person("Inès")
    done = parvis("token", "create", "--person", "ines", "--scope", "me:read", "--scope", "posts:write")
    assert re.fullmatch(r"parvis_[\w-]{43}\n", done.output)
    answer = Browser(parvis.node).get("/api/v1/me", {"Authorization": f"Bearer {done.output.strip()}"})
    assert answer.json is not None
    assert answer.json["scopes"] == ["me:read", "posts:write"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("token", "create", "--person", "nobody", "--scope", "me:read"), "There is nothing at this address"),
        (("token", "create", "--person", "ines", "--scope", "all"), "is not one of"),
        (("token", "create", "--person", "ines", "--scope", "audit:read"), "The token was not made"),
        (("person", "disable", "ada"), "at least one administrator"),
        (("person", "role", "ada", "member"), "at least one administrator"),
        (("person", "link", "nobody"), "There is nothing at this address"),
        (("person", "add", "X", "--issuer", "https://login.example"), "go together"),
        (
            ("person", "add", "X", "--issuer", "https://login.example", "--subject", "1"),
            "not a configured provider",
        ),
    ],
)
def test_refuses_with_a_sentence(parvis: Parvis, words: tuple[str, ...], says: str) -> None:
    from node.identity.services.people import Role

    parvis.node.person("Ada", Role.ADMIN)
    parvis.node.person("Inès")
    done = parvis(*words)
    assert done.exit_code != 0
    assert says in done.output
    assert "Traceback" not in done.output


def test_people_come_and_go(parvis: Parvis) -> None:
    person, browser = parvis.node.person("Inès"), parvis.node.browser()
    browser.sign_in(person)
    assert "signed out everywhere" in parvis("person", "disable", "ines").output
    assert not browser.is_in()
    assert "(closed)" in parvis("person", "list").output
    assert "can sign in again" in parvis("person", "enable", "ines").output
    assert "is admin now" in parvis("person", "role", "ines", "admin").output
    assert ORIGIN in parvis("person", "link", "ines").output


def test_initialise_says_who_the_node_is_and_prints_the_first_link(parvis: Parvis) -> None:
    from node.identity import capability

    assert capability.initialise is not None
    said = list(capability.initialise(parvis.node.ground, True))
    assert said[0].startswith(f"Node: {ORIGIN}/actor, key z6Mk")
    link = said[-1].removeprefix(ORIGIN)
    assert "You are the first one in" in parvis.node.browser().get(link).text
    assert len(list(capability.initialise(parvis.node.ground, False))) == 1


def test_keys_rotate_changes_the_keys_of_tokens_alone(parvis: Parvis) -> None:
    node = parvis.node
    others = text("SELECT key_id FROM actor_key WHERE use <> 'token' AND state = 'current'")
    with node.ground.database.reading() as db:
        before = db.execute(others).all()
    first, second = (parvis("keys", "rotate", "--tokens") for _ in range(2))
    assert (first.exit_code, second.exit_code) == (0, 0), second.output
    with node.ground.database.reading() as db:
        tokens = token_keys_of(node.ground)
        signing = {tokens.signing(db, kind).id for kind in Kind}
        assert set(second.output.split()) == signing
        assert {each.id for each in tokens.published(db)} == signing | set(first.output.split())
        assert db.execute(others).all() == before != []


@pytest.mark.parametrize("other", [("--rehearse",), ("--go-on",), ("--actor", "x")])
def test_keys_rotate_does_one_thing(parvis: Parvis, other: tuple[str, ...]) -> None:
    with parvis.node.ground.database.reading() as db:
        before = db.execute(text("SELECT key_id, state FROM actor_key ORDER BY key_id")).all()
    assert parvis("keys", "rotate", "--tokens", *other).exit_code == 2
    with parvis.node.ground.database.reading() as db:
        assert db.execute(text("SELECT key_id, state FROM actor_key ORDER BY key_id")).all() == before
