"""What administrators see of both logs: a page, the API, a file to take along."""

from __future__ import annotations

import json

import pytest

from federation.verify import verify
from node.exchange import histories
from node.identity.services.people import Role
from node.identity.services.tokens import Scope
from tests.node.exchange.talk import Talk
from tests.node.exchange.test_histories import rewrite
from tests.node.identity.houses import Browser
from tests.node.relations.peers import api
from tests.node.relations.test_doors import token_of
from tests.node.spaces.world import House


def _admin(house: House, language: str = "en", role: Role = Role.ADMIN) -> Browser:
    browser = house.browser()
    browser.sign_in(house.person("Nora Lind", role, "correct horse battery"), "correct horse battery")
    browser.put("language", language)
    return browser


def _path(house: House, other: House) -> str:
    return f"/partners/{house.partner(other).key}"


def test_an_administrator_compares_now_and_takes_evidence_along(talk: Talk) -> None:
    talk.from_guest("one")
    talk.settle()
    browser, path = _admin(talk.nord), _path(talk.nord, talk.aubier)
    assert f"{path}/history" in browser.get(path).text
    page = browser.get(f"{path}/history")
    assert page.status_code == 200
    assert "Nothing was compared yet" in page.text
    assert browser.post(f"{path}/history/compare", {}, page=f"{path}/history").status_code == 303
    assert "the same on both sides" in browser.get(f"{path}/history").text
    file = browser.get(f"{path}/evidence.json")
    assert file.headers["Content-Disposition"].startswith("attachment")
    assert [why for _, why in verify.findings(file.data) if why] == []
    assert json.loads(file.data)["items"]
    empty = browser.get(f"{path}/evidence.json?from=2020-01-01&to=2020-01-02")
    assert json.loads(empty.data)["items"] == []
    assert browser.get(f"{path}/evidence.json?from=yesterday").status_code == 422
    for action in ("exchange.compared", "exchange.evidence"):
        assert talk.nord.fact(f"SELECT count(*) FROM audit WHERE action = '{action}'")


def test_a_partner_that_is_away_is_said_so(talk: Talk) -> None:
    browser, path = _admin(talk.nord), _path(talk.nord, talk.aubier)
    talk.nord.net.down.add(talk.aubier.origin)
    browser.post(f"{path}/history/compare", {}, page=f"{path}/history")
    assert "gives no answer now" in browser.get(f"{path}/history").text


def test_both_versions_stand_side_by_side(talk: Talk) -> None:
    talk.from_guest("one")
    talk.settle()
    last = talk.fact(talk.nord, "SELECT max(seq) FROM out_entry")
    rewrite(talk.nord, last)
    talk.from_guest("two")
    talk.nord.deliver(talk.aubier)
    histories.search(talk.aubier.ground)
    browser, path = _admin(talk.aubier), _path(talk.aubier, talk.nord)
    page = browser.get(f"{path}/history").text
    assert f"The first entry that differs: {last}" in page
    assert "2026-01-01T00:00:00Z" in page
    assert f"{path}/history" in browser.get(path).text


def test_a_script_reads_the_same(talk: Talk) -> None:
    house = talk.nord
    token = token_of(house, Scope.RELATIONS_READ, Scope.RELATIONS_ADMIN)
    key = house.partner(talk.aubier).key
    compared = api(house, token, "POST", f"/relations/{key}/history/compare")
    assert compared.status_code == 200
    assert [each["agreed"] for each in compared.json["checkpoints"]] == [True]
    assert api(house, token, "GET", f"/relations/{key}/history").json == compared.json
    file = api(house, token, "GET", f"/relations/{key}/evidence?from=2020-01-01")
    assert [why for _, why in verify.findings(file.data) if why] == []


@pytest.mark.parametrize("what", ["history", "evidence.json"])
def test_only_administrators_see_it(talk: Talk, what: str) -> None:
    member, path = _admin(talk.nord, role=Role.MEMBER), _path(talk.nord, talk.aubier)
    assert member.get(f"{path}/{what}").status_code in {403, 404}
    assert talk.nord.browser().get(f"{path}/{what}").status_code in {302, 303, 401}
