"""A member of a partner's organisation signs in at home, and is known next door; and who is refused at the door."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from node.core.clock import SetClock
from node.relations.services.desk import By
from node.visitors.services import visiting
from tests.node.relations.peers import rows_of
from tests.node.spaces.world import House, opened
from tests.node.visitors.travel import Traveller


@pytest.fixture
def claire(partners: tuple[House, House]) -> Traveller:
    """Somebody of Nord Acier, before Aubier's door."""
    aubier, nord = partners
    traveller = Traveller(home=nord, host=aubier)
    traveller.sign_in_at_home()
    return traveller


def test_who_comes_from_home_lands_on_the_page_and_sees_what_membership_shows(claire: Traveller) -> None:
    aubier, nord = claire.host, claire.home
    marie, admin = aubier.person("Marie"), nord.person("Chef")
    key = aubier.space(marie, "Passerelle")
    aubier.space(marie, "Entre nous")
    iri = opened(aubier, nord, key, marie, admin)
    nord.join(claire.person, iri, aubier)
    people = aubier.count("person")

    landed = claire.arrive(f"/spaces/{key}")
    assert (landed.status_code, landed.headers["Location"]) == (303, f"/spaces/{key}")
    assert claire.there.get(f"/spaces/{key}").status_code == 200
    listed = claire.there.get("/spaces").text
    assert "Passerelle" in listed
    assert "Entre nous" not in listed
    assert aubier.count("person") == people, "a visitor is no account"
    for path in (
        "/admin/people",
        "/admin/audit",
        "/admin/keys",
        "/spaces/new",
        "/spaces/ask",
        "/partners",
        "/recalls",
    ):
        assert claire.there.get(path).status_code == 404, path
    posted = claire.there.post(f"/spaces/{key}/threads", {"title": "x", "text": "y"}, page="/me")
    assert posted.status_code == 404
    assert "Nord Acier" in claire.there.get("/me").text
    assert claire.there.get("/").headers["Location"] == "/spaces"
    assert "visit.began" in " ".join(aubier.audited())


def test_who_is_in_no_space_sees_an_empty_list(claire: Traveller) -> None:
    key = claire.host.space(claire.host.person("Marie"), "Entre nous")
    claire.arrive()
    assert claire.is_in()
    assert claire.there.get(f"/spaces/{key}").status_code == 404


@pytest.mark.parametrize(
    "address", ["claire@unheard-of.example", "unheard-of.example", "x y z", "@", "a" * 300]
)
def test_partners_are_not_listed_and_strangers_learn_nothing(claire: Traveller, address: str) -> None:
    claire.host.relations.suspend(claire.host.partner(claire.home).key, "incident", "en", By("", "Marie"))
    suspended = claire.knock()
    unknown = claire.knock(address)
    assert (suspended.status_code, unknown.status_code) == (422, 422)
    assert "Nord Acier" not in suspended.text + unknown.text
    assert "Refresh" not in {*suspended.headers.keys(), *unknown.headers.keys()}


def _changed(answer: Any, **changes: str | None) -> str:
    address = urlsplit(answer.headers["Refresh"].partition("url=")[2])
    said = {name: values[0] for name, values in parse_qs(address.query).items()} | changes
    return f"{address.path}?{urlencode({name: value for name, value in said.items() if value is not None})}"


@pytest.mark.parametrize(
    "changes",
    [
        {"state": "another"},
        {"state": None},
        {"iss": "http://evil.localhost:8101"},
        {"iss": None},
        {"code": "another"},
        {"code": None},
        {"error": "access_denied", "code": None},
    ],
)
def test_an_answer_that_was_changed_on_its_way_is_refused(
    claire: Traveller, changes: dict[str, str | None]
) -> None:
    answer = claire.agree(claire.knock())
    refused = claire.there.get(_changed(answer, **changes))
    assert refused.status_code in {400, 403}
    assert not claire.is_in()
    again = claire.there.get(_changed(answer))
    assert again.status_code == 400, "a sign-in is good for one answer"
    assert claire.host.count("visit") == 0


def test_an_answer_counts_in_the_browser_that_asked_alone(claire: Traveller) -> None:
    answer = claire.agree(claire.knock())
    other = claire.host.browser()
    assert other.get(_changed(answer)).status_code == 400
    assert claire.come_back(answer).status_code == 303


def test_an_answer_from_another_partner_than_was_asked_is_refused(claire: Traveller) -> None:
    answer = claire.agree(claire.knock())
    elsewhere = _changed(answer).replace("/auth/callback/nord-acier", "/auth/callback/leroux")
    assert claire.there.get(elsewhere).status_code in {400, 404, 422}
    assert not claire.is_in()


def test_a_sign_in_takes_ten_minutes_at_most(claire: Traveller, clock: SetClock) -> None:
    led = claire.knock()
    clock.move(minutes=9, seconds=59)
    answer = claire.agree(led)
    clock.move(seconds=2)
    assert claire.come_back(answer).status_code == 400


def test_a_visit_ends_after_half_an_hour_unused_and_after_eight_hours(
    claire: Traveller, clock: SetClock
) -> None:
    claire.arrive()
    clock.move(minutes=29)
    assert claire.is_in()
    clock.move(minutes=30)
    assert not claire.is_in()
    claire.here.sign_in(claire.person)
    claire.arrive()
    for _ in range(17):
        clock.move(minutes=29)
        if not claire.is_in():
            break
    assert not claire.is_in()


def test_a_visit_holds_no_longer_than_the_agreement(claire: Traveller) -> None:
    claire.arrive()
    assert claire.is_in()
    claire.host.relations.suspend(claire.host.partner(claire.home).key, "incident", "en", By("", "Marie"))
    assert not claire.is_in()
    claire.host.relations.resume(claire.host.partner(claire.home).key, By("", "Marie"))
    assert not claire.is_in(), "whoever was turned away signs in anew"
    claire.arrive()
    assert claire.is_in()


@pytest.mark.parametrize("how", ["signs out", "is disabled", "home is away for a quarter of an hour"])
def test_a_visit_ends_when_home_says_so_or_nothing_any_more(
    claire: Traveller, clock: SetClock, how: str
) -> None:
    claire.arrive()
    for _ in range(3):
        visiting.ask_homes.run(claire.host.ground)
        assert claire.is_in(), "home has said so each time"
    if how == "signs out":
        claire.here.post("/signout", page="/me")
    elif how == "is disabled":
        claire.home.identity.disable(claire.person.id)
    else:
        claire.host.net.down.add(claire.home.origin)
        clock.move(minutes=14)
        visiting.ask_homes.run(claire.host.ground)
        assert claire.is_in()
        clock.move(minutes=1)
    visiting.ask_homes.run(claire.host.ground)
    assert not claire.is_in()
    assert "visit.ended-at-home" in " ".join(claire.host.audited())


def test_who_signs_out_here_is_out_here(claire: Traveller) -> None:
    claire.arrive()
    claire.there.post("/signout", page="/spaces")
    assert not claire.is_in()
    assert claire.here.is_in()


@pytest.mark.parametrize(
    "next_path", ["//evil.example", "https://evil.example", "/\\evil.example", "/signin"]
)
def test_the_way_on_stays_on_this_node(claire: Traveller, next_path: str) -> None:
    assert claire.arrive(next_path).headers["Location"] == "/"


def test_a_home_that_does_not_answer_is_said_so(claire: Traveller) -> None:
    claire.host.net.down.add(claire.home.origin)
    before = rows_of(claire.host)
    down = claire.knock()
    assert down.status_code == 503
    assert "Nord Acier" in down.text
    assert rows_of(claire.host) == before
