"""The pages where administrators keep the people of the organisation."""

from __future__ import annotations

import re

import pytest

from federation.authn import SignIn
from node.config import Provider
from node.identity.services.people import Claims, Person, Role
from node.identity.services.sessions import Begun
from node.identity.services.tokens import Scope
from tests.node.identity.houses import ORIGIN, PASSWORD, Browser, MakeNode, Node

PEOPLE = "/admin/people"
LOGIN = Provider(
    name="login",
    label="Aubier’s own sign-in",
    issuer="https://login.aubier.example",
    client_id="parvis",
    client_secret="s",
    creates_people=False,
)
NEW = {"name": "Inès Le Goff", "account": "", "way": "", "subject": "", "role": "member"}


def of(person: Person, act: str = "") -> str:
    return f"{PEOPLE}/{person.wire_id}{act}"


def admin_of(node: Node) -> Browser:
    """The browser of Ada, who administers the node."""
    browser = node.browser()
    browser.sign_in(node.person("Ada", Role.ADMIN))
    return browser


def found(node: Node, handle: str) -> Person:
    with node.ground.database.reading() as db:
        return node.identity.people.by_handle(db, handle)


def names(text: str) -> list[str]:
    return re.findall(r'href="/admin/people/[\w-]{22}">([^<]+)</a>', text)


@pytest.mark.parametrize(
    ("method", "act"),
    [
        ("get", None),
        ("get", "/new"),
        ("get", ""),
        ("post", "/new"),
        ("post", "/role"),
        ("post", "/close"),
        ("post", "/open"),
        ("post", "/link"),
    ],
)
def test_a_member_finds_nothing_here_and_changes_nothing(node: Node, method: str, act: str | None) -> None:
    ines, browser = node.person("Inès"), node.browser()
    browser.sign_in(ines)
    path = PEOPLE if act is None else PEOPLE + act if act == "/new" else of(ines, act)
    answer = (
        browser.get(path) if method == "get" else browser.post(path, {**NEW, "role": "admin"}, page="/me")
    )
    nothing = browser.get("/admin/nothing-of-the-kind")
    assert (answer.status_code, nothing.status_code) == (404, 404)
    assert found(node, "ines") == ines
    assert node.count("person") == 1
    assert browser.is_in()
    assert PEOPLE not in browser.get("/me").text


def test_a_visitor_is_led_to_the_door(node: Node) -> None:
    answer = node.browser().get(PEOPLE)
    assert (answer.status_code, answer.location) == (303, "/signin?next=%2Fadmin%2Fpeople")


def test_a_token_of_an_administrator_opens_no_page(node: Node) -> None:
    ada = node.person("Ada", Role.ADMIN)
    secret, _token = node.identity.create_token(ada.id, "script", [Scope.PEOPLE_ADMIN])
    assert node.browser().get(PEOPLE, {"Authorization": f"Bearer {secret}"}).status_code == 404


@pytest.mark.parametrize("act", ["/role", "/close", "/open", "/link"])
@pytest.mark.parametrize("forged", [{"csrf_token": "x"}, {"csrf_token": ""}])
def test_refuses_a_form_of_another_site(node: Node, act: str, forged: dict[str, str]) -> None:
    ines, browser = node.person("Inès"), admin_of(node)
    answer = browser.post(of(ines, act), {**forged, "role": "admin"}, page="/me")
    assert answer.status_code in {400, 403}
    assert found(node, "ines") == ines
    assert node.count("one_time_link") == 2  # those of Inès and Ada


def test_an_administrator_sees_everybody_with_role_state_and_last_sign_in(node: Node) -> None:
    browser = admin_of(node)
    closed = node.person("Bo")
    node.identity.add_person("Inès Le Goff", Role.MEMBER)
    node.identity.disable(closed.id)
    page = browser.get(PEOPLE)
    assert names(page.text) == ["Ada", "Bo", "Inès Le Goff"]
    for words in (
        "administrator",
        "no password yet",
        "closed",
        "There is one administrator",
        "/admin/people",
    ):
        assert words in page.text
    assert page.text.count("<time ") == 1  # Ada alone has signed in


def test_the_entry_of_the_left_column_is_there_for_administrators(node: Node) -> None:
    page = admin_of(node).get("/me").text
    assert re.search(r'<li><a href="/admin/people" data-go="u">', page)
    assert 'class="button quiet small dockless" href="/admin/people"' in page


@pytest.mark.parametrize(
    ("query", "seen"),
    [
        ("?q=goff", ["Inès Le Goff"]),
        ("?q=INÈS", ["Inès Le Goff"]),
        ("?q=Ines", ["Inès Le Goff"]),
        ("?q=ines.le", ["Inès Le Goff"]),
        ("?q=%25", []),
        ("?q=_", []),
        ("?only=admin", ["Ada"]),
        ("?only=closed", ["Bo"]),
        ("?only=open", ["Ada", "Inès Le Goff"]),
        ("?only=nonsense", ["Ada", "Bo", "Inès Le Goff"]),
        ("?q=a&only=closed", []),
        ("?after=ada", ["Bo", "Inès Le Goff"]),
    ],
)
def test_the_list_is_narrowed(node: Node, query: str, seen: list[str]) -> None:
    browser = admin_of(node)
    node.identity.disable(node.person("Bo").id)
    node.identity.add_person("Inès Le Goff", Role.MEMBER)
    page = browser.get(PEOPLE + query).text
    assert names(page) == seen
    assert ("No one matches" in page) is not bool(seen)


def test_a_long_list_goes_on(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.identity.people_web.PER_PAGE", 2)
    browser = admin_of(node)
    for name in ("Bo", "Cy", "Di"):
        node.identity.add_person(name, Role.MEMBER)
    first = browser.get(PEOPLE).text
    assert names(first) == ["Ada", "Bo"]
    assert 'rel="prev"' not in first
    second = browser.get(f"{PEOPLE}?after=bo").text
    assert f'rel="next" href="{PEOPLE}?after=bo"' in first
    assert names(second) == ["Cy", "Di"]
    assert 'rel="next"' not in second
    assert f'rel="prev" href="{PEOPLE}"' in second


def test_a_new_account_shows_its_link_once(node: Node) -> None:
    browser = admin_of(node)
    made = browser.post(f"{PEOPLE}/new", NEW, page=f"{PEOPLE}/new")
    assert made.status_code == 200
    assert "no-store" in made.headers["Cache-Control"]
    link = re.search(rf'value="{ORIGIN}(/welcome/[\w-]+)"', made.text)
    assert link is not None
    ines = found(node, "ines.le.goff")
    assert ines.role is Role.MEMBER
    assert "/welcome/" not in browser.get(of(ines)).text
    hers, password = node.browser(), f"{link[1]}/password"
    assert hers.post(password, {"password": PASSWORD}, page=password).status_code == 303
    assert hers.is_in()
    assert any(line.startswith("person.added") for line in node.audited())


def test_a_new_administrator_with_an_account_name_of_choice(node: Node) -> None:
    browser = admin_of(node)
    browser.post(f"{PEOPLE}/new", {**NEW, "account": "ilg", "role": "admin"}, page=f"{PEOPLE}/new")
    assert found(node, "ilg").is_admin
    assert "There is one administrator" not in browser.get(PEOPLE).text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": ""}, "can’t be used"),
        ({"name": "x" * 121}, "can’t be used"),
        ({"account": "Inès"}, "small letters"),
        ({"account": "a" * 33}, "small letters"),
        ({"role": "root"}, "can’t be used"),
        ({"way": "other"}, "Choose one of these"),
        ({"way": "login"}, "it is called “sub”"),
        ({"way": "login", "subject": "  "}, "it is called “sub”"),
        ({"way": "login", "subject": "x" * 256}, "can’t be used"),
    ],
)
def test_refuses_what_does_not_fit_and_keeps_what_was_typed(
    make_node: MakeNode, change: dict[str, str], words: str
) -> None:
    node = make_node(providers=(LOGIN,))
    browser = admin_of(node)
    answer = browser.post(f"{PEOPLE}/new", {**NEW, **change}, page=f"{PEOPLE}/new")
    assert answer.status_code == 422
    assert words in answer.text
    assert f'value="{change.get("name", NEW["name"])}"' in answer.text
    assert node.count("person") == 1


def test_expects_a_person_of_a_provider_once(make_node: MakeNode) -> None:
    node = make_node(providers=(LOGIN,))
    browser, typed = admin_of(node), {**NEW, "way": "login", "subject": "42"}
    made = browser.post(f"{PEOPLE}/new", typed, page=f"{PEOPLE}/new")
    assert made.status_code == 303
    page = browser.get(made.location).text
    assert "can sign in now" in page
    assert LOGIN.label in page
    assert "/welcome/" not in page
    assert "link" not in re.findall(r"/admin/people/[\w-]{22}/(\w+)", page)
    with node.ground.database.reading() as db:
        claims = Claims(LOGIN.issuer, "42")
        known = node.identity.people.person_of(db, claims, creates=False, now=node.clock.now())
    assert known.preferred_username == "ines.le.goff"
    again = browser.post(f"{PEOPLE}/new", {**typed, "name": "Eve"}, page=f"{PEOPLE}/new")
    assert again.status_code == 409
    assert "has this identifier already" in again.text
    assert node.count("person") == 2


def test_offers_only_ways_that_are_open(make_node: MakeNode) -> None:
    both = admin_of(make_node(providers=(LOGIN,))).get(f"{PEOPLE}/new").text
    assert both.count('name="way"') == 2
    ours = admin_of(make_node("nord")).get(f"{PEOPLE}/new").text
    assert 'name="way"' not in ours
    assert 'name="subject"' not in ours


def test_without_accounts_of_its_own_a_node_makes_none(make_node: MakeNode) -> None:
    node = make_node(providers=(LOGIN,), builtin_accounts="false")
    ines, ada, browser = node.person("Inès"), node.person("Ada", Role.ADMIN), node.browser()
    with node.ground.database.writing() as db:
        begun = Begun(ada.id, "a browser", SignIn(ORIGIN))
        browser.put("parvis", node.identity.sessions.begin(db, begun, node.clock.now()))
    assert browser.get(f"{PEOPLE}/new").text.count('name="way"') == 1
    assert browser.post(f"{PEOPLE}/new", NEW, page=f"{PEOPLE}/new").status_code == 422
    assert browser.post(of(ines, "/link"), page=of(ines)).status_code == 404


def test_a_role_is_given_and_taken_back(node: Node) -> None:
    ines, browser = node.person("Inès"), admin_of(node)
    assert browser.post(of(ines, "/role"), {"role": "admin"}, page=of(ines)).location == of(ines)
    assert "may administer this node now" in browser.get(of(ines)).text
    assert found(node, "ines").is_admin
    browser.post(of(ines, "/role"), {"role": "member"}, page=of(ines))
    assert not found(node, "ines").is_admin
    assert browser.post(of(ines, "/role"), {"role": "root"}, page=of(ines)).status_code == 422


def test_closing_is_asked_twice_and_ends_all_access(node: Node) -> None:
    ines, browser, hers = node.person("Inès"), admin_of(node), node.browser()
    hers.sign_in(ines)
    page = browser.get(of(ines)).text
    assert re.search(r'<details class="sure"><summary[^>]*>.*?Close the account', page, re.DOTALL)
    assert browser.get(of(ines, "/close")).status_code == 405
    assert hers.is_in()
    assert browser.post(of(ines, "/close"), page=of(ines)).location == of(ines)
    assert not hers.is_in()
    closed = browser.get(of(ines)).text
    assert "Open the account again" in closed
    assert browser.post(of(ines, "/link"), page=of(ines)).status_code == 404
    browser.post(of(ines, "/open"), page=of(ines))
    assert found(node, "ines").disabled_at is None
    assert hers.sign_in(ines).status_code == 303


def test_a_new_link_is_shown_once_and_ends_the_older_one(node: Node) -> None:
    ines, browser = node.person("Inès"), admin_of(node)
    shown = [browser.post(of(ines, "/link"), page=of(ines)).text for _ in range(2)]
    old, new = (re.findall(r'value="http[^"]+(/welcome/[\w-]+)"', text)[0] for text in shown)
    assert node.browser().get(old).status_code == 404
    assert node.browser().get(new).status_code == 303
    assert "/welcome/" not in browser.get(of(ines)).text


@pytest.mark.parametrize(("act", "data"), [("/role", {"role": "member"}), ("/close", {})])
def test_nobody_locks_oneself_out(node: Node, act: str, data: dict[str, str]) -> None:
    browser = admin_of(node)
    node.person("Bo", Role.ADMIN)
    ada = found(node, "ada")
    page = browser.get(of(ada)).text
    assert of(ada, act) not in page
    assert of(ada, "/link") in page
    answer = browser.post(of(ada, act), data, page=of(ada))
    assert answer.status_code == 409
    assert found(node, "ada") == ada


def test_an_unknown_person_is_absent(node: Node) -> None:
    browser = admin_of(node)
    assert browser.get(f"{PEOPLE}/{'x' * 22}").status_code == 404
    assert browser.post(f"{PEOPLE}/{'x' * 22}/close", page="/me").status_code == 404


def test_speaks_french(node: Node) -> None:
    browser = admin_of(node)
    node.identity.prefer(found(node, "ada").id, language="fr")
    assert "Ajouter quelqu’un" in browser.get(PEOPLE).text
    assert "Nom, tel que les autres le voient" in browser.get(f"{PEOPLE}/new").text
