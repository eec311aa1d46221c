"""The door with a built-in account: who comes in, who does not, and what the browser holds afterwards."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from federation.authn import SignIn
from node.core.errors import Invalid
from node.identity.services.accounts import MAX_FAILURES, TooManyAttempts, WrongPassword, address_prefix
from node.identity.services.identity import Browser as SeenBrowser
from node.identity.services.people import AccountClosed, LastAdmin, Role
from tests.node.identity.houses import PASSWORD, MakeNode, Node


def test_the_right_password_opens_and_leads_on(node: Node) -> None:
    person, browser = node.person("Inès Le Goff"), node.browser()
    answer = browser.post("/signin", {"name": "ines.le.goff", "password": PASSWORD, "next": "/me?x=1"})
    assert (answer.status_code, answer.location) == (303, "/me?x=1")
    assert browser.is_in()
    assert any(line.startswith("signin.done") for line in node.audited())
    assert person.name in browser.get("/me").text


def test_the_cookie_is_closed_to_scripts_and_other_sites(node: Node) -> None:
    answer = node.browser().sign_in(node.person("Inès"))
    cookies = [field for field in answer.headers.getlist("Set-Cookie") if field.startswith("parvis=")]
    assert len(cookies) == 1
    assert "HttpOnly" in cookies[0]
    assert "SameSite=Lax" in cookies[0]
    assert "Path=/" in cookies[0]
    assert "Domain" not in cookies[0]


def test_a_style_leaves_the_cookie_alone(node: Node) -> None:
    browser = node.browser()
    browser.sign_in(node.person("Inès"))
    with browser.get("/static/parvis.css") as style:
        assert style.status_code == 200
        assert "Set-Cookie" not in style.headers
    assert browser.is_in()


def test_over_https_the_cookie_is_bound_to_the_host(make_node: MakeNode) -> None:
    node = make_node(origin="https://parvis.aubier.example", environment="production")
    answer = node.browser().sign_in(node.person("Inès"))
    cookie = next(field for field in answer.headers.getlist("Set-Cookie") if "parvis=" in field)
    assert cookie.startswith("__Host-parvis=")
    assert "Secure" in cookie


@pytest.mark.parametrize("name", ["ines", "nobody", "INES ", "' OR 1=1 --"])
def test_refuses_a_wrong_password_and_an_unknown_name_alike(node: Node, name: str) -> None:
    node.person("Inès")
    browser = node.browser()
    answer = browser.post("/signin", {"name": name, "password": "not this one at all"})
    assert answer.status_code == 403
    assert "The name or the password is not right." in answer.text
    assert browser.cookie() is None
    assert node.count("session") == 0
    assert any("signin.WrongPassword" in line for line in node.audited())


@pytest.mark.parametrize("form", [{}, {"name": "ines"}, {"password": PASSWORD}, {"name": "", "password": ""}])
def test_refuses_a_form_without_name_or_password(node: Node, form: dict[str, str]) -> None:
    assert node.browser().post("/signin", form).status_code == 422


def test_refuses_passwords_where_only_providers_count(make_node: MakeNode) -> None:
    node = make_node(builtin_accounts="no")
    node.person("Inès")
    answer = node.browser().client.get("/signin", base_url=node.origin)
    assert 'name="password"' not in answer.text
    browser = node.browser()
    token = {"csrf_token": browser.token("/welcome/" + node.identity.first_admin_link())}
    refused = browser.client.post(
        "/signin",
        base_url=node.origin,
        data={**token, "name": "ines", "password": PASSWORD},
        headers={"Origin": node.origin},
    )
    assert refused.status_code == 422
    assert not browser.is_in()


def test_ten_failures_close_the_door_for_the_name_and_for_the_address(node: Node) -> None:
    person, bruno = node.person("Inès"), node.person("Bruno")
    for number in range(MAX_FAILURES):
        seen = SeenBrowser("", f"192.0.2.{number}")
        with pytest.raises(WrongPassword):
            node.identity.sign_in_with_password("ines", "not this one at all", seen)
    with pytest.raises(TooManyAttempts):
        node.identity.sign_in_with_password("ines", PASSWORD, SeenBrowser("", "198.51.100.9"))
    one_place = SeenBrowser("", "2001:db8:1:2::7")
    for number in range(MAX_FAILURES):
        with pytest.raises(WrongPassword):
            node.identity.sign_in_with_password(f"name{number}", "not this one at all", one_place)
    with pytest.raises(TooManyAttempts):
        node.identity.sign_in_with_password(
            bruno.preferred_username, PASSWORD, SeenBrowser("", "2001:db8:1:2:ffff::1")
        )
    node.clock.move(minutes=15, seconds=1)
    assert node.identity.sign_in_with_password("ines", PASSWORD, one_place).person == person
    assert node.count("sign_in_attempt") == 0


def test_the_eleventh_failure_is_answered_429_with_a_time(node: Node) -> None:
    node.person("Inès")
    browser = node.browser()
    form = {"name": "ines", "password": "not this one at all"}
    assert [browser.post("/signin", form).status_code for _ in range(11)] == [403] * 10 + [429]


def test_a_success_forgets_the_failures_of_that_name_only(node: Node) -> None:
    node.person("Inès")
    here = SeenBrowser("", "192.0.2.1")
    for name in ("ines", "ines", "bruno"):
        with pytest.raises(WrongPassword):
            node.identity.sign_in_with_password(name, "not this one at all", here)
    node.identity.sign_in_with_password("ines", PASSWORD, here)
    assert node.count("sign_in_attempt") == 1


def test_an_address_counts_as_its_network() -> None:
    assert address_prefix("192.0.2.7") == "192.0.2.7"
    assert address_prefix("2001:db8::7") == "2001:db8::/64"
    assert address_prefix("") == ""


def test_a_sign_in_gives_a_new_session_whatever_the_browser_brought(node: Node) -> None:
    person = node.person("Inès")
    browser = node.browser()
    browser.put("parvis", "chosen-by-an-attacker-0123456789abcdef0123456")
    browser.sign_in(person)
    first = browser.cookie()
    assert first is not None
    assert "chosen" not in first
    browser.post("/signin", {"name": "ines", "password": PASSWORD}, page="/me")
    assert browser.cookie() != first
    other = node.browser()
    other.put("parvis", first)
    assert not other.is_in()


def test_a_nameless_cookie_is_no_session(node: Node) -> None:
    browser = node.browser()
    browser.sign_in(node.person("Inès"))
    secret = browser.cookie()
    answer = node.browser().get("/me", {"Cookie": f"=parvis={secret}"})
    assert answer.status_code == 303


def test_a_visitor_writes_nothing(node: Node) -> None:
    browser = node.browser()
    with node.ground.database.counting() as count:
        browser.get("/signin")
        browser.get("/me")
        browser.post("/me/preferences", {"language": "fr", "next": "/signin"})
    assert count.commits == 0


def test_reading_a_page_twice_in_a_minute_writes_nothing(node: Node) -> None:
    browser = node.browser()
    browser.sign_in(node.person("Inès"))
    with node.ground.database.counting() as count:
        browser.get("/me")
        node.clock.move(seconds=30)
        browser.get("/me")
    assert count.commits == 0


def test_a_session_ends_when_idle(node: Node) -> None:
    browser = node.browser()
    browser.sign_in(node.person("Inès"))
    for _ in range(4):
        node.clock.move(minutes=20)
        assert browser.is_in()
    node.clock.move(minutes=31)
    assert not browser.is_in()
    assert browser.cookie() is None


def test_a_session_ends_at_last_however_busy(node: Node) -> None:
    browser = node.browser()
    browser.sign_in(node.person("Inès"))
    for _ in range(47):
        node.clock.move(minutes=15)
        assert browser.is_in()
    node.clock.move(minutes=15)
    assert not browser.is_in()


def test_signing_out_ends_the_session_on_our_side(node: Node) -> None:
    browser, thief = node.browser(), node.browser()
    browser.sign_in(node.person("Inès"))
    thief.put("parvis", browser.cookie() or "")
    assert thief.is_in()
    browser.post("/signout", page="/me")
    assert browser.cookie() is None
    assert not thief.is_in()


def test_signing_out_without_a_session_does_nothing(node: Node) -> None:
    assert node.browser().post("/signout").status_code == 303


def test_one_may_end_ones_own_sessions_and_no_others(node: Node) -> None:
    ines, bruno = node.person("Inès"), node.person("Bruno")
    desk, phone, his = node.browser(), node.browser(), node.browser()
    for browser, person in ((desk, ines), (phone, ines), (his, bruno)):
        browser.sign_in(person)
    with node.ground.database.reading() as db:
        mine = [each.id for each in node.identity.sessions.of_person(db, ines.id, node.clock.now())]
        other = node.identity.sessions.of_person(db, bruno.id, node.clock.now())[0].id
    assert desk.post(f"/me/sessions/{other}/end", page="/me").status_code == 404
    assert his.is_in()
    phones = max(mine)
    assert phone.post(f"/me/sessions/{phones}/end", page="/me").status_code == 404
    assert desk.post(f"/me/sessions/{phones}/end", page="/me").status_code == 303
    assert not phone.is_in()
    phone.sign_in(ines)
    assert desk.post("/me/sessions/end", page="/me").status_code == 303
    assert desk.is_in()
    assert not phone.is_in()


def test_a_closed_account_loses_everything_at_once_and_stays_closed(node: Node) -> None:
    admin, person = node.person("Ada", Role.ADMIN), node.person("Inès")
    browser = node.browser()
    browser.sign_in(person)
    link = node.identity.password_link(person.id)
    secret, _token = node.identity.create_token(person.id, "script", list(node_scopes()))
    node.identity.disable(person.id, by=admin.actor)
    assert not browser.is_in()
    assert node.browser().sign_in(person).status_code == 403
    assert node.browser().get(f"/welcome/{link}").status_code == 404
    bearer = {"Authorization": f"Bearer {secret}"}
    assert node.browser().get("/api/v1/me", bearer).status_code == 401
    with pytest.raises(AccountClosed):
        node.identity.password_link(person.id)
    node.identity.enable(person.id, by=admin.actor)
    assert not browser.is_in()
    assert node.browser().get("/api/v1/me", bearer).status_code == 401
    assert node.browser().sign_in(person).status_code == 303


def node_scopes() -> list[Any]:
    from node.identity.services.tokens import Scope

    return [Scope.ME_READ]


def test_a_new_password_ends_every_session_and_token(node: Node) -> None:
    person, browser = node.person("Inès"), node.browser()
    browser.sign_in(person)
    secret, _token = node.identity.create_token(person.id, "script", node_scopes())
    node.identity.set_password(person.id, "une autre phrase de passe")
    assert not browser.is_in()
    assert node.browser().get("/api/v1/me", {"Authorization": f"Bearer {secret}"}).status_code == 401
    assert node.browser().sign_in(person).status_code == 403


def test_the_last_administrator_stays(node: Node) -> None:
    ada = node.person("Ada", Role.ADMIN)
    with pytest.raises(LastAdmin):
        node.identity.disable(ada.id)
    with pytest.raises(LastAdmin):
        node.identity.give_role(ada.id, Role.MEMBER)
    node.person("Bea", Role.ADMIN)
    assert node.identity.give_role(ada.id, Role.MEMBER).role is Role.MEMBER


def test_a_lost_role_is_lost_in_the_running_session(node: Node) -> None:
    ada = node.person("Ada", Role.ADMIN)
    node.person("Bea", Role.ADMIN)
    browser = node.browser()
    browser.sign_in(ada)
    assert browser.get("/api/v1/people").status_code == 200
    node.identity.give_role(ada.id, Role.MEMBER)
    answer = browser.client.post(
        "/api/v1/people",
        base_url=node.origin,
        json={"name": "X"},
        headers={"X-CSRF-Token": browser.token("/me")},
    )
    assert answer.status_code == 404


@pytest.mark.parametrize(
    "password", ["", "short", "aaaaaaaaaaaaaaaa", "ines.le.goff 2026", "x" * 257, "ababababababab"]
)
def test_refuses_a_weak_password(node: Node, password: str) -> None:
    person = node.person("Inès Le Goff")
    with pytest.raises(Invalid):
        node.identity.set_password(person.id, password)


def test_passwords_are_kept_as_argon2id(node: Node) -> None:
    from sqlalchemy import text

    node.person("Inès")
    with node.ground.database.reading() as db:
        kept = db.scalar(text("SELECT password_hash FROM credential"))
    assert str(kept).startswith("$argon2id$v=19$m=19456,t=2,p=1$")


def test_an_unknown_name_takes_as_long_as_a_known_one(node: Node) -> None:
    from time import perf_counter

    node.person("Inès")
    times: dict[str, list[float]] = {"ines": [], "nobody": []}
    for number in range(8):
        for name, taken in times.items():
            started = perf_counter()
            with pytest.raises(WrongPassword):
                node.identity.sign_in_with_password(
                    name, "not this one at all", SeenBrowser("", f"192.0.2.{number}")
                )
            taken.append(perf_counter() - started)
            node.clock.move(minutes=15)
    known, unknown = (sorted(taken)[3] for taken in times.values())
    assert abs(known - unknown) < max(known, unknown) / 2


def test_the_page_speaks_the_readers_language(node: Node) -> None:
    browser = node.browser()
    assert 'lang="en"' in browser.get("/signin").text
    browser.post("/me/preferences", {"language": "fr", "next": "/signin"})
    assert 'lang="fr"' in browser.get("/signin").text
    person = node.person("Inès")
    browser.sign_in(person)
    browser.post(
        "/me/preferences",
        {"language": "en", "theme": "dark", "shortcuts_asked": "1"},
        page="/me",
    )
    page = browser.get("/me").text
    assert 'lang="en" data-theme="dark"' in page
    assert 'data-shortcuts="off"' in page


def test_long_polls_do_not_keep_a_session_alive(node: Node) -> None:
    from node.core.http.guards import guarded
    from node.identity.browser import unattended

    @guarded()
    def poll() -> str:
        unattended()
        return ""

    node.app.add_url_rule("/poll", "poll", poll)
    browser = node.browser()
    browser.sign_in(node.person("Inès"))
    for _ in range(2):
        node.clock.move(minutes=14)
        assert browser.get("/poll").status_code == 200
    node.clock.move(minutes=3)
    assert not browser.is_in()


def test_what_a_page_keeps_stays_in_the_session(node: Node) -> None:
    person, browser = node.person("Inès"), node.browser()
    browser.sign_in(person)
    secret = node.identity.sign_in_with_password("ines", PASSWORD, SeenBrowser("", "192.0.2.1")).secret
    with node.ground.database.writing() as db:
        live = node.identity.sessions.find(db, secret, node.clock.now())
        assert live is not None
        node.identity.sessions.keep(db, live.id, {"seen": ["a"]})
        renewed = node.identity.sessions.renew(db, live.id)
        assert node.identity.sessions.find(db, secret, node.clock.now()) is None
        again = node.identity.sessions.find(db, renewed, node.clock.now())
        assert again is not None
        assert again.kept == {"seen": ["a"]}
        with pytest.raises(ValueError, match="4096"):
            node.identity.sessions.keep(db, live.id, {"much": "x" * 5000})


def test_ended_sessions_are_forgotten_after_a_month(node: Node) -> None:
    person = node.person("Inès")
    node.browser().sign_in(person)
    node.clock.move(days=31)
    node.browser().sign_in(person)
    assert node.count("session") == 1
    assert node.identity.sessions.lifetimes.absolute == timedelta(hours=12)


def test_hashing_in_many_threads_keeps_no_memory() -> None:
    """A node idles in 100 MiB; each hash takes 19 MiB while it runs."""
    import subprocess
    import sys

    program = """
import threading
from node.identity.services.accounts import hash_password
def resident():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmRSS"))
hash_password("the first one loads the library")
before = resident()
for number in range(8):
    thread = threading.Thread(target=lambda: [hash_password("a password") for _ in range(3)])
    thread.start()
    thread.join()
print(resident() - before)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 8 * 1024


def test_who_has_left_is_refused_by_each_check_alone(node: Node) -> None:
    from sqlalchemy import text

    from node.identity.services.people import Claims
    from node.identity.services.sessions import Begun

    claims = Claims("https://login.example", "7", "Inès")
    person, browser = node.identity.expect_person(claims, Role.MEMBER), node.browser()
    node.identity.set_password(person.id, PASSWORD)
    browser.sign_in(person)
    assert browser.is_in()
    with node.ground.database.writing() as db:
        db.execute(text("UPDATE person SET disabled_at = created_at"))
    assert not browser.is_in()
    now = node.clock.now()
    with node.ground.database.writing() as db:
        with pytest.raises(AccountClosed):
            node.identity.sessions.begin(db, Begun(person.id, "", SignIn(node.origin)), now)
        with pytest.raises(AccountClosed):
            node.identity.people.person_of(db, claims, creates=True, now=now)
    with pytest.raises(WrongPassword):
        node.identity.sign_in_with_password("ines", PASSWORD, SeenBrowser("", "192.0.2.1"))
