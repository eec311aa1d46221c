"""The JSON API of spaces, threads, files and what is new."""

from __future__ import annotations

import threading
import time
from io import BytesIO
from typing import Any

import pytest

from node.identity.services.people import Person, Role
from node.identity.services.tokens import Scope
from node.spaces.services import spaces as use
from tests.node.spaces.world import House, exchange_all

ALL = (
    Scope.SPACES_READ,
    Scope.SPACES_WRITE,
    Scope.POSTS_READ,
    Scope.POSTS_WRITE,
    Scope.FILES_READ,
    Scope.FILES_WRITE,
)


class Script:
    """A script with a token."""

    def __init__(self, house: House, person: Person, scopes: tuple[Scope, ...] = ALL) -> None:
        self.house = house
        self.secret, _ = house.identity.create_token(person.id, "test", scopes)

    def __call__(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.secret}", **options.pop("headers", {})}
        if body is not None:
            options["json"] = body
        return self.house.app.test_client().open(
            f"/api/v1{path}", method=method, base_url=self.house.origin, headers=headers, **options
        )

    def space(self, name: str = "Passerelle") -> str:
        return str(self("POST", "/spaces", {"name": name}).json["key"])


@pytest.fixture
def ines(aubier: House) -> Script:
    return Script(aubier, aubier.person("Inès Le Goff", Role.ADMIN))


def test_a_script_does_what_a_person_does(aubier: House, ines: Script) -> None:
    key = ines.space()
    assert [each["name"] for each in ines("GET", "/spaces").json] == ["Passerelle"]
    assert ines("GET", f"/spaces/{key}").json["organisations"] == [
        {"node": aubier.iri, "name": "Aubier", "people": 1}
    ]
    said = ines("POST", f"/spaces/{key}/threads", {"title": "Grue", "text": "Jeudi.", "lang": "fr"})
    assert said.status_code == 201
    again = ines("POST", f"/threads/{said.json['thread']}/posts", {"text": "Vendredi."})
    assert again.status_code == 201
    thread = ines("GET", f"/threads/{said.json['thread']}").json
    assert thread["thread"]["title"] == "Grue"
    assert [each["content"] for each in thread["items"]] == ["<p>Vendredi.</p>\n"]
    assert [each["rev"] for each in ines("GET", f"/spaces/{key}/posts").json["items"]] == [3, 2]
    assert ines("PUT", f"/posts/{said.json['post']}/like").status_code == 202
    assert ines("GET", f"/posts/{said.json['post']}").json["likes"] == 1
    edit = {"title": "Grue", "text": "Samedi."}
    assert ines("PATCH", f"/posts/{said.json['post']}", edit).status_code == 200
    assert [each["content"] for each in ines("GET", f"/posts/{said.json['post']}/versions").json] == [
        "<p>Samedi.</p>\n",
        "<p>Jeudi.</p>\n",
    ]
    assert ines("DELETE", f"/posts/{again.json['post']}").status_code == 202
    assert ines("GET", f"/posts/{again.json['post']}").json["state"] == "deleted"


def test_members_come_and_go(aubier: House, ines: Script) -> None:
    key, bruno = ines.space(), aubier.person("Bruno Maillard")
    assert ines("POST", f"/spaces/{key}/members", {"person": bruno.wire_id}).status_code == 204
    members = {each["name"]: each for each in ines("GET", f"/spaces/{key}/members").json}
    assert set(members) == {"Inès Le Goff", "Bruno Maillard"}
    path = f"/spaces/{key}/members/{members['Bruno Maillard']['key']}"
    assert ines("PATCH", path, {"role": "manager"}).status_code == 204
    assert ines("DELETE", path).status_code == 204
    assert ines("DELETE", path).status_code == 404
    assert ines("POST", f"/spaces/{key}/leave").status_code == 409


def test_if_match_holds_a_post_to_its_readers(aubier: House, ines: Script) -> None:
    key, bruno = ines.space(), aubier.person("Bruno Maillard")
    token = ines("GET", f"/spaces/{key}/audience").json["token"]
    aubier.clock.move(seconds=2)
    ines("POST", f"/spaces/{key}/members", {"person": bruno.wire_id})
    new = {"title": "Grue", "text": "Jeudi."}
    refused = ines("POST", f"/spaces/{key}/threads", new, headers={"If-Match": f'"{token}"'})
    assert refused.status_code == 409
    assert refused.content_type == "application/problem+json"
    assert refused.json["came"] == ["Bruno Maillard"]
    assert aubier.count("post") == 0
    token = ines("GET", f"/spaces/{key}/audience").json["token"]
    assert ines("POST", f"/spaces/{key}/threads", new, headers={"If-Match": f'"{token}"'}).status_code == 201


def test_a_ticket_is_for_who_brought_the_file(aubier: House, ines: Script) -> None:
    key, bruno = ines.space(), aubier.person("Bruno Maillard")
    use.add_member(
        aubier.ground, aubier.by(aubier.identity.people.active(_session(aubier))[1]), key, bruno.wire_id
    )
    sent = ines(
        "POST",
        "/files",
        data={"file": (BytesIO(b"%PDF-1.7 plan"), "plan.pdf")},
        content_type="multipart/form-data",
    )
    assert sent.status_code == 201, sent.text
    ticket = sent.json["ticket"]
    other = Script(aubier, bruno)
    new = {"title": "Plan", "text": "Voici.", "files": [ticket]}
    assert other("POST", f"/spaces/{key}/threads", new).status_code == 422
    said = ines("POST", f"/spaces/{key}/threads", new)
    assert said.status_code == 201
    file = ines("GET", f"/posts/{said.json['post']}").json["files"][0]
    assert (file["name"], file["state"]) == ("plan.pdf", "here")
    forged = {**new, "files": [ticket[:-4] + "AAAA"]}
    assert ines("POST", f"/spaces/{key}/threads", forged).status_code == 422


def _session(house: House) -> Any:
    with house.ground.database.reading() as session:
        return session


def test_each_door_asks_for_its_scope(aubier: House, ines: Script) -> None:
    key = ines.space()
    reader = Script(
        aubier, aubier.identity.people.active(_session(aubier))[0], (Scope.SPACES_READ, Scope.POSTS_READ)
    )
    assert reader("GET", f"/spaces/{key}/posts").status_code == 200
    for method, path, body in (
        ("POST", "/spaces", {"name": "X"}),
        ("POST", f"/spaces/{key}/threads", {"title": "Grue", "text": "Jeudi."}),
        ("POST", f"/spaces/{key}/leave", None),
    ):
        assert reader(method, path, body).status_code == 403
    assert aubier.count("post") == 0


def test_strangers_get_the_same_nothing(aubier: House, ines: Script) -> None:
    key = ines.space()
    said = ines("POST", f"/spaces/{key}/threads", {"title": "Grue", "text": "Jeudi."}).json
    paul = Script(aubier, aubier.person("Paul Delmotte"))
    nothing = "A" * 22
    for method, path, body in (
        ("GET", "/spaces/{space}", None),
        ("GET", "/spaces/{space}/members", None),
        ("GET", "/spaces/{space}/audience", None),
        ("GET", "/spaces/{space}/threads", None),
        ("GET", "/spaces/{space}/posts", None),
        ("GET", "/spaces/{space}/live", None),
        ("GET", "/spaces/{space}/invitations", None),
        ("POST", "/spaces/{space}/threads", {"title": "Grue", "text": "Jeudi."}),
        ("POST", "/spaces/{space}/join", None),
        ("POST", "/spaces/{space}/leave", None),
        ("POST", "/spaces/{space}/invitations", {"partner": "x"}),
        ("GET", "/threads/{thread}", None),
        ("POST", "/threads/{thread}/posts", {"text": "Jeudi."}),
        ("GET", "/posts/{post}", None),
        ("GET", "/posts/{post}/versions", None),
        ("PATCH", "/posts/{post}", {"text": "Jeudi."}),
        ("DELETE", "/posts/{post}", None),
        ("POST", "/posts/{post}/hide", None),
        ("PUT", "/posts/{post}/like", None),
    ):
        there = paul(method, path.format(space=key, thread=said["thread"], post=said["post"]), body)
        absent = paul(method, path.format(space=nothing, thread=nothing, post=nothing), body)
        assert there.status_code == absent.status_code == 404, (method, path, there.text)
        assert there.data == absent.data


def test_what_is_new_wakes_who_waits(aubier: House, ines: Script) -> None:
    key = ines.space()
    said = ines("POST", f"/spaces/{key}/threads", {"title": "Grue", "text": "Jeudi."}).json
    cursor = ines("GET", f"/spaces/{key}/live?wait=false").json["cursor"]
    took: list[float] = []

    def wait() -> None:
        answer = ines("GET", f"/spaces/{key}/live?after={cursor}")
        took.append(time.monotonic())
        assert [each["content"] for each in answer.json["posts"]] == ["<p>Vendredi.</p>\n"]

    waiting = threading.Thread(target=wait)
    waiting.start()
    time.sleep(0.3)
    assert not took
    ines("POST", f"/threads/{said['thread']}/posts", {"text": "Vendredi."})
    posted = time.monotonic()
    waiting.join(5)
    assert took
    assert took[0] - posted < 1


def test_a_reader_without_a_place_is_answered_at_once(make_house: Any) -> None:
    house = make_house("aubier", live_slots="0")
    script = Script(house, house.person("Inès Le Goff"))
    answer = script("GET", f"/spaces/{script.space()}/live")
    assert answer.headers["Retry-After"] == "3"
    assert answer.json["posts"] == []


def test_changes_come_again(aubier: House, ines: Script) -> None:
    key = ines.space()
    said = ines("POST", f"/spaces/{key}/threads", {"title": "Grue", "text": "Jeudi."}).json
    cursor = ines("GET", f"/spaces/{key}/live?wait=false").json["cursor"]
    assert ines("GET", f"/spaces/{key}/live?wait=false&after={cursor}").json["posts"] == []
    ines("PUT", f"/posts/{said['post']}/like")
    answer = ines("GET", f"/spaces/{key}/live?wait=false&after={cursor}").json
    assert [each["likes"] for each in answer["posts"]] == [1]
    assert ines("GET", f"/spaces/{key}/live?wait=false&after={answer['cursor']}").json["posts"] == []


def test_two_nodes_share_a_space_by_script_alone(partners: tuple[House, House]) -> None:
    aubier, nord = partners
    ines, marie = (
        Script(aubier, aubier.person("Inès Le Goff", Role.ADMIN)),
        Script(nord, nord.person("Marie Lenoir", Role.ADMIN)),
    )
    key = ines.space()
    share = {"partner": aubier.partner(nord).key, "history": "all"}
    assert ines("POST", f"/spaces/{key}/invitations", share).status_code == 202
    exchange_all(aubier, nord)
    offer = marie("GET", "/invitations").json[0]
    assert marie("POST", f"/invitations/{offer['key']}", {"accept": True}).status_code == 202
    exchange_all(aubier, nord)
    aubier.settle_jobs()
    exchange_all(aubier, nord)
    joinable = marie("GET", "/joinable").json
    assert marie("POST", f"/spaces/{joinable[0]['space']}/join").status_code == 202
    exchange_all(aubier, nord)
    said = marie("POST", f"/spaces/{joinable[0]['space']}/threads", {"title": "Acier", "text": "Prêt."})
    exchange_all(aubier, nord)
    assert marie("GET", f"/posts/{said.json['post']}").json["delivery"][0]["state"] == "delivered"
    assert [each["content"] for each in ines("GET", f"/spaces/{key}/posts").json["items"]] == [
        "<p>Prêt.</p>\n"
    ]
    assert ines("GET", f"/spaces/{key}/invitations").json[0]["state"] == "done"
