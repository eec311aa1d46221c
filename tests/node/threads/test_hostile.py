"""What strangers and members may not do: refused at the door of the host, without effect, and on record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from federation import authorship, delivery, documents
from federation import exchange as log
from federation.activity import new_id
from node.exchange import service as exchange
from node.identity.services.people import Person
from node.spaces.services import spaces as use
from node.threads import markdown
from tests.node.spaces.world import House, exchange_all, opened
from tests.node.threads.talk import begin, seen

MOMENT = "2026-11-24T08:00:00Z"

Talking = tuple[House, House, str, Person, Person]


@pytest.fixture
def talking(partners: tuple[House, House]) -> Talking:
    aubier, nord = partners
    ines, marie = aubier.person("Inès Le Goff"), nord.person("Marie Lenoir")
    iri = opened(aubier, nord, aubier.space(ines), ines, marie)
    nord.join(marie, iri, aubier)
    return aubier, nord, iri, ines, marie


def say(house: House, to: House, actor: str, document: dict[str, Any]) -> str:
    """Sends what no honest node would: past our own checks, straight into the log. The problem type, or nothing."""
    settings = exchange.settings_of(house.ground)
    with exchange.open_work(house.ground) as work:
        relation = work.peers.of_node(to.iri)
        assert relation is not None
        said = authorship.write(document, actor, work, settings)
        log.append(relation, said, work)
    verdict = house.deliver(to)
    assert isinstance(verdict, delivery.Delivered)
    problem = house.fact("SELECT problem FROM out_entry ORDER BY seq DESC LIMIT 1")
    return "" if problem is None else str(documents.loads(problem.encode())["type"]).rpartition("#")[2]


def note(author: str, iri: str, origin: str, **members: Any) -> dict[str, Any]:
    return {
        "id": f"{origin}/o/{new_id()}",
        "type": "Note",
        "attributedTo": author,
        "audience": iri,
        "content": "<p>Bonjour</p>",
        "published": MOMENT,
        **members,
    }


def create(author: str, iri: str, origin: str, **members: Any) -> dict[str, Any]:
    return {
        "type": "Create",
        "to": [iri],
        "audience": iri,
        "object": note(author, iri, origin, **members),
    }


def test_a_well_formed_post_of_a_member_passes(talking: Talking) -> None:
    aubier, nord, iri, _, marie = talking
    assert say(nord, aubier, marie.actor, create(marie.actor, iri, nord.origin)) == ""
    assert aubier.count("post") == 1


OTHER_SHAPES: list[tuple[dict[str, Any], str]] = [
    ({"content": 5}, "malformed"),
    ({"content": None}, "malformed"),
    ({"content": "x" * 200_001}, "malformed"),
    ({"name": "x" * 201}, "malformed"),
    ({"lang": "<script>"}, "malformed"),
    ({"context": 7}, "malformed"),
    ({"published": "yesterday"}, "malformed"),
    ({"attachment": [{"type": "Document", "name": "x"}]}, "out-of-scope"),
    ({"attachment": [{"type": "Document", "size": -1, "digestMultibase": "z" + "1" * 45}]}, "out-of-scope"),
    ({"attachment": [{"type": "Link"}]}, "out-of-scope"),
    ({"type": "Question"}, "out-of-scope"),
    ({"audience": "https://elsewhere.example/spaces/1"}, "out-of-scope"),
    ({"to": ["https://www.w3.org/ns/activitystreams#Public"]}, "out-of-scope"),
]


def test_a_post_of_another_shape_has_no_effect(talking: Talking) -> None:
    aubier, nord, iri, _, marie = talking
    before = aubier.fact("SELECT rev FROM space")
    for number, (members, problem) in enumerate(OTHER_SHAPES, 1):
        said = create(marie.actor, iri, nord.origin, **members)
        assert say(nord, aubier, marie.actor, said) == problem, members
        assert aubier.fact("SELECT count(*) FROM audit WHERE action LIKE 'exchange.%'") == number
    assert aubier.count("post") == 0
    assert aubier.fact("SELECT rev FROM space") == before


def test_who_is_no_member_says_nothing(talking: Talking) -> None:
    aubier, nord, iri, *_ = talking
    paul = nord.person("Paul Delmotte")
    with exchange.open_work(nord.ground) as work:
        from federation import sequencer

        relation = work.peers.of_node(aubier.iri)
        assert relation is not None
        sequencer.introduce(relation, [paul.actor], None, work, exchange.settings_of(nord.ground))
    assert say(nord, aubier, paul.actor, create(paul.actor, iri, nord.origin)) == "not-member"
    assert aubier.count("post") == 0


def test_nobody_touches_what_another_wrote(talking: Talking) -> None:
    aubier, nord, iri, ines, marie = talking
    begin(aubier, ines, aubier.key_of(iri), "Jeudi.")
    exchange_all(aubier, nord)
    target = seen(aubier, ines)[0].iri
    changed = note(marie.actor, iri, nord.origin) | {"id": target}
    for document in (
        {"type": "Update", "audience": iri, "object": changed},
        {"type": "Update", "audience": iri, "object": changed | {"attributedTo": ines.actor}},
        {"type": "Delete", "audience": iri, "object": target},
        {"type": "Create", "audience": iri, "object": changed},
    ):
        assert say(nord, aubier, marie.actor, document) in {"out-of-scope", "replay", "malformed"}
    assert seen(aubier, ines)[0].state == "accepted"
    assert seen(aubier, ines)[0].html == "<p>Jeudi.</p>\n"


def test_the_same_object_is_not_created_twice(talking: Talking) -> None:
    aubier, nord, iri, _, marie = talking
    said = create(marie.actor, iri, nord.origin)
    assert say(nord, aubier, marie.actor, said) == ""
    assert say(nord, aubier, marie.actor, said) == "replay"
    assert aubier.count("post") == 1


def test_a_manager_of_one_space_has_no_hand_in_another(talking: Talking) -> None:
    aubier, nord, iri, ines, marie = talking
    other = aubier.space(ines, "Entre nous")
    said = begin(aubier, ines, other, "Secret.")
    document = {"type": "Delete", "audience": iri, "object": said.iri}
    assert say(nord, aubier, marie.actor, document) == "out-of-scope"
    like = {"type": "Like", "audience": iri, "object": said.iri}
    assert say(nord, aubier, marie.actor, like) == "out-of-scope"
    assert aubier.count("post_like") == 0


def test_a_space_that_is_not_shared_is_not_there(talking: Talking) -> None:
    aubier, nord, _, ines, marie = talking
    other = aubier.iri_of(aubier.space(ines, "Entre nous"))
    unknown = f"{aubier.origin}/spaces/{new_id()}"
    there = say(nord, aubier, marie.actor, create(marie.actor, other, nord.origin))
    absent = say(nord, aubier, marie.actor, create(marie.actor, unknown, nord.origin))
    assert there == absent
    assert there in {"out-of-scope", "not-member"}
    assert aubier.count("post") == 0


def test_nobody_makes_himself_manager_or_adds_people(talking: Talking) -> None:
    aubier, nord, iri, _, marie = talking
    paul = nord.person("Paul Delmotte")
    add = {"type": "Add", "audience": iri, "object": paul.actor, "target": f"{iri}/members"}
    assert say(nord, aubier, marie.actor, add) == "out-of-scope"
    assert aubier.names(iri) == ["Inès Le Goff", "Marie Lenoir"]


def test_a_mention_of_a_stranger_is_words(talking: Talking) -> None:
    aubier, nord, iri, _, marie = talking
    tag = [{"type": "Mention", "href": "https://elsewhere.example/people/1"}]
    assert say(nord, aubier, marie.actor, create(marie.actor, iri, nord.origin, tag=tag)) == ""
    assert aubier.count("mention") == 0


def test_many_lines_of_which_one_is_poison(talking: Talking) -> None:
    aubier, nord, iri, _, marie = talking
    settings = exchange.settings_of(nord.ground)
    with exchange.open_work(nord.ground) as work:
        relation = work.peers.of_node(aubier.iri)
        assert relation is not None
        for number in range(10):
            content = 5 if number == 4 else f"<p>{number}</p>"
            document = create(marie.actor, iri, nord.origin, content=content)
            log.append(relation, authorship.write(document, marie.actor, work, settings), work)
    before = aubier.fact("SELECT rev FROM space")
    assert isinstance(nord.deliver(aubier), delivery.Delivered)
    assert aubier.count("post") == 9
    assert aubier.fact("SELECT rev FROM space") == before + 9
    assert aubier.fact("SELECT count(DISTINCT rev) FROM post") == 9
    assert aubier.fact("SELECT count(*) FROM out_entry WHERE problem IS NOT NULL") == 0


def vectors() -> list[str]:
    text = (Path(__file__).parent / "markup.txt").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("# ")]


@pytest.mark.parametrize("markup", vectors())
def test_no_markup_of_a_stranger_runs(markup: str) -> None:
    cleaned = markdown.clean(markup)
    assert markdown.clean(cleaned) == cleaned
    _assert_harmless(cleaned)


@pytest.mark.parametrize("markup", vectors())
def test_no_markup_that_is_typed_runs(markup: str) -> None:
    _assert_harmless(markdown.render(markup))


def test_what_is_kept_of_a_stranger_was_cleaned(talking: Talking) -> None:
    aubier, nord, iri, ines, marie = talking
    content = '<p onclick="x()">Bonjour<script>alert(1)</script><img src=x onerror=alert(2)></p>'
    assert say(nord, aubier, marie.actor, create(marie.actor, iri, nord.origin, content=content)) == ""
    assert seen(aubier, ines)[0].html == "<p>Bonjour</p>"
    use.leave(nord.ground, nord.by(marie), nord.key_of(iri))


def _assert_harmless(html: str) -> None:
    from html.parser import HTMLParser

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            assert tag in markdown.TAGS, tag
            for name, value in attrs:
                assert name in {"href", "rel", "class", "start", "scope"}, name
                if name == "href":
                    assert (value or "").lower().startswith(
                        ("http:", "https:", "mailto:", "/", "#", "?")
                    ) or (":" not in (value or "").split("/")[0]), value

        def handle_comment(self, data: str) -> None:
            raise AssertionError(data)

    reader = Reader(convert_charrefs=True)
    reader.feed(html)
    reader.close()
