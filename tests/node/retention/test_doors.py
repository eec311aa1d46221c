"""The doors of recalls and holds: pages, JSON, commands; who may pass."""

from __future__ import annotations

import json
import re
from contextlib import nullcontext
from datetime import timedelta

import pytest
from click.testing import CliRunner

from node.identity.services.people import Person, Role
from node.identity.services.tokens import Scope
from node.retention.cli import hold_group, recall_group
from node.retention.services import erasing
from node.threads.services import posting
from node.threads.services.posting import Wish
from tests.node.identity.houses import PASSWORD, Browser
from tests.node.spaces.world import House, opened
from tests.node.threads.talk import begin, seen
from tests.node.threads.test_api import ALL, Script


@pytest.fixture
def ines(aubier: House) -> Person:
    return aubier.person("Inès Le Goff", Role.ADMIN, PASSWORD)


@pytest.fixture
def paul(aubier: House) -> Person:
    return aubier.person("Paul Delmotte", Role.MEMBER, PASSWORD)


def signed_in(house: House, person: Person) -> Browser:
    browser = house.browser()
    assert browser.sign_in(person).status_code == 303
    return browser


def words(page: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())


def soon(house: House) -> str:
    return (house.clock.now() + timedelta(days=40)).date().isoformat()


def test_from_the_menu_of_a_message_to_the_letter(aubier: House, ines: Person) -> None:
    browser = signed_in(aubier, ines)
    said = begin(aubier, ines, aubier.space(ines), "kingfisher", title="Offre")
    thread = f"/threads/{said.thread}"
    assert f"/posts/{said.post}/recall" in browser.get(thread).text
    form = f"/posts/{said.post}/recall"
    page = words(browser.get(form).text)
    assert "Nobody can take back what somebody has read" in page
    refused = browser.post(form, {}, page=form)
    assert refused.status_code == 422
    assert "Choose a reason." in words(refused.text)
    done = browser.post(form, {"reason": "mistake"}, page=form)
    assert done.status_code == 303
    page = browser.get(thread).text
    assert "kingfisher" not in page
    assert "Called back: a mistake in it." in words(page)
    ledger = f"/posts/{said.post}/recalled"
    assert ledger in page
    assert "No answer since" in words(browser.get(ledger).text)
    erasing.settle.run(aubier.ground)
    shown = browser.get(ledger).text
    assert "Erased" in words(shown)
    letter = re.search(r"/recalls/[^/]+/letter", shown)
    assert letter is not None
    assert "has erased the message" in words(browser.get(letter[0]).text)
    receipts = browser.get(letter[0].replace("letter", "receipts"))
    assert json.loads(receipts.text.splitlines()[0])["outcome"] == "erased"
    assert "all have answered" in words(browser.get("/recalls").text)
    assert browser.get(form).status_code == 404


def test_the_ledger_is_the_authors_and_the_administrators(aubier: House, ines: Person, paul: Person) -> None:
    said = begin(aubier, paul, aubier.space(paul), "kingfisher")
    browser = signed_in(aubier, paul)
    form = f"/posts/{said.post}/recall"
    assert browser.post(form, {"reason": "mistake"}, page=form).status_code == 303
    zoe = aubier.person("Zoé Bréal", Role.MEMBER, PASSWORD)
    for person, status in ((paul, 200), (ines, 200), (zoe, 404)):
        assert signed_in(aubier, person).get(f"/posts/{said.post}/recalled").status_code == status
    assert "Nothing was called back" in words(signed_in(aubier, zoe).get("/recalls").text)
    assert "1 to come" in words(signed_in(aubier, ines).get("/recalls").text)


def test_the_first_page_says_who_does_not_answer(partners: tuple[House, House], ines: Person) -> None:
    aubier, nord = partners
    marie = nord.person("Marie Lenoir")
    iri = opened(aubier, nord, aubier.space(ines), ines, marie)
    said = begin(aubier, ines, aubier.key_of(iri), "kingfisher")
    posting.recall(aubier.ground, aubier.by(ines), said.post, Wish("mistake"))
    erasing.watch.run(aubier.ground)
    assert "has not said that it erased" not in words(signed_in(aubier, ines).get("/").text)
    aubier.clock.move(days=8)
    erasing.watch.run(aubier.ground)
    page = signed_in(aubier, ines).get("/").text
    assert "Nord Acier" in words(page)
    assert "has not said that it erased the message" in words(page)
    found = re.search(r'href="(/recalls/[^"/]+)"', page)
    assert found is not None
    ledger_page = words(signed_in(aubier, ines).get(found[1]).text)
    assert "overdue" in ledger_page
    assert "noted as unanswered" in ledger_page


def test_holds_are_administrators_own(aubier: House, ines: Person, paul: Person) -> None:
    said = begin(aubier, paul, aubier.space(paul), "kingfisher")
    member, admin = signed_in(aubier, paul), signed_in(aubier, ines)
    assert member.get("/admin/holds").status_code == 404
    form = {"basis": "Litige", "reference": "LH-1", "review_by": soon(aubier)}
    wrong = admin.post("/admin/holds", {**form, "on": "/threads/nowhere"}, page="/admin/holds")
    assert wrong.status_code == 422
    assert "There is nothing at this address." in words(wrong.text)
    past = admin.post(
        "/admin/holds",
        {**form, "on": f"/threads/{said.thread}", "review_by": "2020-01-01"},
        page="/admin/holds",
    )
    assert "Choose a day to come." in words(past.text)
    for address in (
        f"{aubier.origin}/threads/{said.thread}#post-{said.post}",
        f"/threads/{said.thread}",
        said.post,
    ):
        assert admin.post("/admin/holds", {**form, "on": address}, page="/admin/holds").status_code == 303
    page = admin.get("/admin/holds").text
    keys = re.findall(r"/admin/holds/([^/]+)/release", page)
    assert len(keys) == 3
    path = f"/admin/holds/{keys[0]}/release"
    assert member.post(path, {}, page="/").status_code == 404
    assert admin.post(path, {}, page="/admin/holds").status_code == 303
    assert len(re.findall(r"/admin/holds/[^/]+/release", admin.get("/admin/holds").text)) == 2
    acts = aubier.fact("SELECT count(*) FROM audit WHERE action IN ('hold.placed', 'hold.released')")
    assert acts == 4


def test_a_script_calls_back_and_holds(aubier: House, ines: Person, paul: Person) -> None:
    admin = Script(aubier, ines, (*ALL, Scope.RELATIONS_ADMIN))
    member = Script(aubier, paul)
    key = aubier.space(paul)
    said, other = begin(aubier, paul, key, "kingfisher"), begin(aubier, paul, key, "heron")
    assert member("GET", "/holds").status_code == 404
    new = {"on": f"/posts/{said.post}", "basis": "Litige", "reference": "LH-1", "reviewBy": soon(aubier)}
    assert member("POST", "/holds", new).status_code == 404
    assert admin("POST", "/holds", {**new, "on": "nowhere"}).status_code == 422
    hold = admin("POST", "/holds", new)
    assert hold.status_code == 201
    assert member("POST", f"/posts/{said.post}/recall", {"reason": "because"}).status_code == 422
    wish = {"reason": "mistake", "replacement": other.post}
    assert member("POST", f"/posts/{said.post}/recall", wish).status_code == 202
    assert admin("POST", f"/posts/{other.post}/recall", wish).status_code in {403, 404}
    erasing.settle.run(aubier.ground)
    [recall] = member("GET", "/recalls").json["items"]
    assert (recall["mode"], recall["post"], recall["answers"][0]["outcome"]) == (
        "replace",
        said.post,
        "retained",
    )
    assert (
        member("GET", f"/recalls/{recall['key']}").json["answers"][0]["receipt"]["hold"]["reference"]
        == "LH-1"
    )
    assert admin("GET", "/recalls").json["items"] == [recall]
    assert admin("GET", "/holds").json["items"][0]["kept"] == 1
    assert admin("DELETE", f"/holds/{hold.json['key']}").json == {"erased": 1}
    assert admin("DELETE", f"/holds/{hold.json['key']}").status_code == 404


def test_commands_do_the_same(aubier: House, ines: Person) -> None:
    said = begin(aubier, ines, aubier.space(ines), "kingfisher")

    def run(group: object, *arguments: str) -> tuple[int, str]:
        with aubier.app.app_context():
            result = CliRunner().invoke(group, arguments, obj=lambda: nullcontext(aubier.ground))  # type: ignore[arg-type]
        return result.exit_code, result.output

    placed = run(
        hold_group,
        "place",
        f"/threads/{said.thread}",
        "--basis=Litige",
        "--reference=LH-1",
        f"--review-by={soon(aubier)}",
    )
    assert placed[0] == 0, placed
    key = placed[1].strip()
    assert (
        run(hold_group, "place", "/threads/x", "--basis=a", "--reference=b", f"--review-by={soon(aubier)}")[0]
        == 1
    )
    assert run(recall_group, "begin", said.post, "--reason=mistake")[0] == 0
    assert run(recall_group, "begin", said.post, "--reason=mistake")[0] == 1
    erasing.settle.run(aubier.ground)
    listed = run(recall_group, "list")[1]
    assert "mistake: Aubier: retained" in listed
    receipt = json.loads(run(recall_group, "receipts", listed.split()[0])[1])
    assert receipt["hold"]["reference"] == "LH-1"
    assert "in force, keeps 1" in run(hold_group, "list")[1]
    assert "kingfisher" in run(hold_group, "export", key)[1]
    assert "1 kept messages" in run(hold_group, "release", key)[1]
    assert run(hold_group, "release", key)[0] == 1
    assert seen(aubier, ines)[0].state == "deleted"
