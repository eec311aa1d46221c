"""The pages of spaces and threads, as a browser without script walks them."""

from __future__ import annotations

import re
from datetime import timedelta
from io import BytesIO

import pytest
from sqlalchemy import insert, text, update
from werkzeug.test import TestResponse

from node.exchange.tables import Lane
from node.identity.services.people import Person, Role
from node.spaces.services import spaces as use
from node.spaces.tables import MissingRev
from tests.node.identity.houses import PASSWORD, Browser
from tests.node.spaces.world import House, exchange_all, opened, peered
from tests.node.threads.talk import begin, reply, texts


@pytest.fixture
def ines(aubier: House) -> Person:
    return aubier.person("Inès Le Goff", Role.ADMIN, PASSWORD)


@pytest.fixture
def browser(aubier: House, ines: Person) -> Browser:
    opened_ = aubier.browser()
    assert opened_.sign_in(ines).status_code == 303
    return opened_


def field(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]+)"', page)
    assert found is not None, name
    return found[1]


def words(page: str) -> str:
    """A page as one hears it."""
    return " ".join(re.sub(r"<[^>]*>", "", page).split())


def write(browser: Browser, page: str, path: str, **values: object) -> TestResponse:
    """What the composer of a page sends."""
    return browser.post(path, {"audience": field(browser.get(page).text, "audience"), **values}, page=page)


def test_from_a_new_space_to_a_reply(aubier: House, browser: Browser) -> None:
    assert "Nothing to read yet" in browser.get("/").text
    made = browser.post("/spaces/new", {"name": "Passerelle", "purpose": "Acier"}, page="/spaces/new")
    assert made.status_code == 303
    space = made.location
    page = browser.get(space).text
    assert "1 person, Aubier only" in page
    posted = write(
        browser, space, f"{space}/threads", title="Grue", text="La grue vient **jeudi**.", lang="fr"
    )
    assert posted.status_code == 303, posted.text
    thread = posted.location
    replied = write(browser, thread, f"{thread}/posts", text="Vendredi, plutôt.")
    assert replied.status_code == 303
    page = browser.get(thread).text
    assert "<strong>jeudi</strong>" in page
    assert "Vendredi, plutôt." in page
    assert "Grue" in browser.get("/").text
    assert "1 reply" in browser.get(space).text


def test_both_languages_and_every_page(aubier: House, ines: Person, browser: Browser) -> None:
    key = aubier.space(ines)
    said = begin(aubier, ines, key, "Jeudi.")
    paths = [
        "/",
        "/?only=partners",
        "/spaces",
        "/spaces/new",
        "/spaces/invitations",
        f"/spaces/{key}",
        f"/spaces/{key}/members",
        f"/spaces/{key}/share",
        f"/threads/{said.thread}",
        f"/threads/{said.thread}?reply_to={said.post}",
        f"/posts/{said.post}/edit",
        f"/posts/{said.post}/history",
    ]
    for language, word in (("fr", "Espaces"), ("en", "Spaces")):
        aubier.identity.prefer(ines.id, language=language)
        for path in paths:
            answer = browser.get(path)
            assert answer.status_code == 200, path
            assert f'<html lang="{language}"' in answer.text
        assert word in browser.get("/spaces").text


def test_a_changed_audience_is_told_and_the_text_kept(aubier: House, ines: Person, browser: Browser) -> None:
    key, bruno = aubier.space(ines), aubier.person("Bruno Maillard")
    token = field(browser.get(f"/spaces/{key}").text, "audience")
    aubier.clock.move(seconds=2)
    use.add_member(aubier.ground, aubier.by(ines), key, bruno.wire_id)
    sent = {"title": "Grue", "text": "Entre nous : jeudi.", "audience": token}
    answer = browser.post(f"/spaces/{key}/threads", sent, page=f"/spaces/{key}")
    assert answer.status_code == 409
    assert "Entre nous : jeudi." in answer.text
    assert "Bruno Maillard has come." in words(answer.text)
    assert "Nothing has been sent." in answer.text
    assert aubier.count("post") == 0
    again = {**sent, "audience": field(answer.text, "audience")}
    assert browser.post(f"/spaces/{key}/threads", again, page=f"/spaces/{key}").status_code == 303


def test_the_audience_is_asked_for_while_one_writes(aubier: House, ines: Person, browser: Browser) -> None:
    key, bruno = aubier.space(ines), aubier.person("Bruno Maillard")
    token = field(browser.get(f"/spaces/{key}").text, "audience")
    assert browser.get(f"/spaces/{key}/audience?id=composer-to&token={token}").status_code == 204
    aubier.clock.move(seconds=2)
    use.add_member(aubier.ground, aubier.by(ines), key, bruno.wire_id)
    fragment = browser.get(f"/spaces/{key}/audience?id=composer-to&token={token}")
    assert fragment.status_code == 200
    assert "2 people instead of 1." in words(fragment.text)
    assert "<html" not in fragment.text


def test_like_edit_and_delete_from_the_page(aubier: House, ines: Person, browser: Browser) -> None:
    key = aubier.space(ines)
    said = begin(aubier, ines, key, "Jeudi.")
    thread = f"/threads/{said.thread}"
    assert browser.post(f"/posts/{said.post}/like", page=thread).status_code == 303
    assert "you like it" in browser.get(thread).text
    fragment = browser.post(
        f"/posts/{said.post}/like", {"undo": "1"}, page=thread, headers={"HX-Request": "true"}
    )
    assert "<article" in fragment.text
    assert "you like it" not in fragment.text
    edited = write(
        browser, f"/posts/{said.post}/edit", f"/posts/{said.post}/edit", title="Grue", text="Vendredi."
    )
    assert edited.status_code == 303
    assert "Vendredi." in browser.get(thread).text
    assert "Jeudi." in browser.get(f"/posts/{said.post}/history").text
    assert browser.post(f"/posts/{said.post}/delete", page=thread).status_code == 303
    assert "Deleted by its author." in browser.get(thread).text
    assert browser.get(f"/posts/{said.post}/history").status_code == 404


def test_a_file_is_attached_served_as_a_download_and_kept_from_others(
    aubier: House, ines: Person, browser: Browser
) -> None:
    key = aubier.space(ines)
    drawing = BytesIO(b"%PDF-1.7\nplan de la passerelle")
    answer = write(
        browser,
        f"/spaces/{key}",
        f"/spaces/{key}/threads",
        title="Plan",
        text="Voici le plan.",
        files=(drawing, "plan é.pdf"),
    )
    assert answer.status_code == 303, answer.text
    link = re.search(r'href="(/files/[^"]+)"', browser.get(answer.location).text)
    assert link is not None
    file = browser.get(link[1])
    assert file.data == b"%PDF-1.7\nplan de la passerelle"
    assert file.headers["Content-Disposition"] == "attachment; filename*=UTF-8''plan%20%C3%A9.pdf"
    assert file.headers["Content-Type"] == "application/octet-stream"
    assert file.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in file.headers["Content-Security-Policy"]
    file.close()
    paul = aubier.person("Paul Delmotte", Role.MEMBER, PASSWORD)
    other = aubier.browser()
    other.sign_in(paul)
    assert other.get(link[1]).status_code == 404
    assert aubier.browser().get(link[1], headers={"Accept": "*/*"}).status_code == 401


def test_a_file_of_a_kind_that_is_not_exchanged_is_refused_and_the_text_kept(
    aubier: House, ines: Person, browser: Browser
) -> None:
    key = aubier.space(ines)
    for name, data in (("outil.exe", b"MZ..."), ("plan.pdf", b"MZ\x90\x00"), ("vide.pdf", b"")):
        answer = write(
            browser,
            f"/spaces/{key}",
            f"/spaces/{key}/threads",
            title="Plan",
            text="Voici le plan.",
            files=(BytesIO(data), name),
        )
        assert answer.status_code == 422
        assert name in answer.text
        assert "Voici le plan." in answer.text
    assert aubier.count("post") == 0


def test_absent_and_forbidden_are_the_same_page(aubier: House, ines: Person, browser: Browser) -> None:
    paul = aubier.person("Paul Delmotte", Role.MEMBER, PASSWORD)
    other = aubier.browser()
    other.sign_in(paul)
    key = aubier.space(ines)
    said = begin(aubier, ines, key, "Jeudi.")
    nothing = "A" * 22
    pairs = [
        (f"/spaces/{key}", f"/spaces/{nothing}"),
        (f"/spaces/{key}/members", f"/spaces/{nothing}/members"),
        (f"/spaces/{key}/share", f"/spaces/{nothing}/share"),
        (f"/threads/{said.thread}", f"/threads/{nothing}"),
        (f"/posts/{said.post}/edit", f"/posts/{nothing}/edit"),
        (f"/posts/{said.post}/history", f"/posts/{nothing}/history"),
        (f"/live?space={key}&after=0.0", f"/live?space={nothing}&after=0.0"),
        (f"/live?thread={said.thread}&after=0.0", f"/live?thread={nothing}&after=0.0"),
    ]
    for there, absent in pairs:
        one, two = (
            other.get(there, headers={"Accept": "application/json"}),
            other.get(absent, headers={"Accept": "application/json"}),
        )
        assert one.status_code == two.status_code == 404, there
        assert one.data == two.data


def test_the_two_sides_see_each_other_marked_as_external(partners: tuple[House, House]) -> None:
    aubier, nord = partners
    ines, marie = (
        aubier.person("Inès Le Goff", Role.ADMIN, PASSWORD),
        nord.person("Marie Lenoir", Role.ADMIN, PASSWORD),
    )
    iri = opened(aubier, nord, aubier.space(ines), ines, marie)
    guest = nord.browser()
    guest.sign_in(marie)
    assert "Passerelle" in guest.get("/spaces/invitations").text
    assert guest.post(f"/spaces/{nord.key_of(iri)}/join", page="/spaces/invitations").status_code == 303
    exchange_all(nord, aubier)
    begin(aubier, ines, aubier.key_of(iri), "Bonjour.")
    exchange_all(nord, aubier)
    page = guest.get(f"/spaces/{nord.key_of(iri)}").text
    assert "2 people of 2 organisations will read this" in page
    assert "(external)" in page
    assert texts(nord, marie) == ["Bonjour."]
    host = aubier.browser()
    host.sign_in(ines)
    thread = re.search(r'href="(/threads/[^"]+)"', host.get(f"/spaces/{aubier.key_of(iri)}").text)
    assert thread is not None
    assert "Nord Acier: received" in host.get(thread[1]).text


def test_what_is_new_comes_to_an_open_page(aubier: House, ines: Person, browser: Browser) -> None:
    key = aubier.space(ines)
    said = begin(aubier, ines, key, "Jeudi.")
    live = re.search(r'data-live="([^"]+)"', browser.get(f"/threads/{said.thread}").text)
    assert live is not None
    begin(aubier, ines, key, "Autre chose.", "Peinture")
    reply(aubier, ines, said.thread, "Vendredi.")
    answer = browser.get(live[1].replace("&amp;", "&"))
    assert answer.status_code == 200
    assert "Vendredi." in answer.text
    assert "Autre chose." not in answer.text
    assert answer.headers["X-Live"].startswith("/live?thread=")


def test_a_partner_who_is_away_is_named_where_it_lacks_what_follows(partners: tuple[House, House]) -> None:
    aubier, nord = partners
    ines, marie = aubier.person("Inès Le Goff", Role.ADMIN, PASSWORD), nord.person("Marie Lenoir")
    iri = opened(aubier, nord, aubier.space(ines), ines, marie)
    said = begin(aubier, ines, aubier.key_of(iri), "Un.")
    exchange_all(aubier, nord)
    aubier.clock.move(minutes=10)
    for said_then in ("Deux.", "Trois."):
        reply(aubier, ines, said.thread, said_then)
    with aubier.ground.database.writing() as session:
        away = aubier.clock.now() - timedelta(minutes=5)
        session.execute(update(Lane).values(since=away))
    browser = aubier.browser()
    browser.sign_in(ines)
    page = words(browser.get(f"/threads/{said.thread}").text)
    assert "Nord Acier has not received what follows (2 messages, since" in page
    assert page.index("Un.") < page.index("has not received") < page.index("Deux.")
    assert "Its node does not answer" in words(browser.get("/").text)
    exchange_all(aubier, nord)
    with aubier.ground.database.writing() as session:
        session.execute(update(Lane).values(since=None))
    assert "has not received" not in browser.get(f"/threads/{said.thread}").text


def test_what_is_missing_here_is_marked_where_it_would_stand(partners: tuple[House, House]) -> None:
    aubier, nord = partners
    ines, marie = aubier.person("Inès Le Goff"), nord.person("Marie Lenoir", Role.ADMIN, PASSWORD)
    iri = opened(aubier, nord, aubier.space(ines), ines, marie)
    nord.join(marie, iri, aubier)
    said = begin(aubier, ines, aubier.key_of(iri), "Un.")
    exchange_all(aubier, nord)
    reply(aubier, ines, said.thread, "Deux.")
    exchange_all(aubier, nord)
    with nord.ground.database.writing() as session:
        row = session.execute(text("SELECT space_id, rev FROM post ORDER BY rev DESC LIMIT 1")).one()
        session.execute(text("UPDATE post SET rev = rev + 1 WHERE rev = :rev"), {"rev": row.rev})
        hole = {"space_id": row.space_id, "rev": row.rev, "since": nord.clock.now()}
        session.execute(insert(MissingRev), hole)
    browser = nord.browser()
    browser.sign_in(marie)
    key = nord.fact("SELECT key FROM thread")
    page = words(browser.get(f"/threads/{key}").text)
    assert "1 message of Aubier is missing here" in page
    assert page.index("Un.") < page.rindex("is missing here") < page.index("Deux.")


def test_what_was_recalled_is_offered_no_change(aubier: House, ines: Person, browser: Browser) -> None:
    said = begin(aubier, ines, aubier.space(ines), "Jeudi.")
    thread, edit = f"/threads/{said.thread}", f"/posts/{said.post}/edit"
    assert edit in browser.get(thread).text
    opened_before = field(browser.get(edit).text, "audience")
    assert browser.post(f"/posts/{said.post}/delete", {}, page=thread).status_code == 303
    assert edit not in browser.get(thread).text
    assert browser.get(edit).status_code == 404
    late = {"audience": opened_before, "title": "Grue", "text": "Vendredi."}
    assert browser.post(edit, late, page=thread).status_code == 404
    assert "Vendredi" not in browser.get(thread).text


def test_every_reader_has_a_stone_though_we_know_nothing_of_the_organisation(
    aubier: House, nord: House, leroux: House
) -> None:
    peered(aubier, nord)
    peered(aubier, leroux)
    ines, owen = aubier.person("Inès Le Goff"), leroux.person("Owen Hart")
    marie = nord.person("Marie Lenoir", Role.ADMIN, PASSWORD)
    key = aubier.space(ines)
    iri = opened(aubier, nord, key, ines, marie)
    nord.join(marie, iri, aubier)
    opened(aubier, leroux, key, ines, owen)
    leroux.join(owen, iri, aubier)
    exchange_all(aubier, nord, leroux)
    there = nord.browser()
    there.sign_in(marie)
    page = there.get(f"/spaces/{nord.key_of(iri)}").text
    rows = re.findall(r'<span class="stones" aria-hidden="true">(.*?)</span></span>', page, re.DOTALL)
    assert rows
    for row in rows:
        assert row.count("<i>") == 3
        assert len(re.findall(r"<span( class=\"us\"| data-hue=\"\d\"|)>", row)) == 3


def test_a_partner_is_taken_out_and_a_house_leaves_by_the_members_page(
    aubier: House, nord: House, browser: Browser, ines: Person
) -> None:
    peered(aubier, nord)
    marie = nord.person("Marie Lenoir", Role.ADMIN, PASSWORD)
    luc = nord.person("Luc Petit", password=PASSWORD)
    key = aubier.space(ines)
    iri = opened(aubier, nord, key, ines, marie)
    for person in (marie, luc):
        nord.join(person, iri, aubier)
    here, there = f"/spaces/{key}", f"/spaces/{nord.key_of(iri)}"
    pages = {person.name: nord.browser() for person in (marie, luc)}
    for person in (marie, luc):
        pages[person.name].sign_in(person)
    assert f"{there}/withdraw" not in pages["Luc Petit"].get(f"{there}/members").text
    assert f"{here}/withdraw" not in browser.get(f"{here}/members").text
    refused = pages["Luc Petit"].post(f"{there}/withdraw", {}, page=f"{there}/members")
    assert refused.status_code == 404
    refused = pages["Marie Lenoir"].post(
        f"{there}/organisations/remove", {"node": aubier.iri}, page=f"{there}/members"
    )
    assert refused.status_code == 403
    assert "Leave with the whole organisation" in words(pages["Marie Lenoir"].get(f"{there}/members").text)
    left = pages["Marie Lenoir"].post(f"{there}/withdraw", {}, page=f"{there}/members")
    assert left.status_code == 303
    exchange_all(aubier, nord)
    aubier.settle_jobs()
    assert (nord.sees(marie), nord.sees(luc), aubier.names(iri)) == ([], [], ["Inès Le Goff"])

    opened(aubier, nord, key, ines, marie)
    assert f"{there}/withdraw" in pages["Marie Lenoir"].get("/spaces/invitations").text
    assert f"{there}/withdraw" not in pages["Luc Petit"].get("/spaces/invitations").text
    nord.join(marie, iri, aubier)
    assert "Take Nord Acier out" in words(browser.get(f"{here}/members").text)
    for node, status in ((aubier.iri, 404), ("https://nobody.example/actor", 404), (nord.iri, 303)):
        answer = browser.post(f"{here}/organisations/remove", {"node": node}, page=f"{here}/members")
        assert answer.status_code == status, node
    exchange_all(aubier, nord)
    assert (nord.sees(marie), aubier.names(iri)) == ([], ["Inès Le Goff"])
