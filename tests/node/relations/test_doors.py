"""The same handshake by pages, by API and by commands."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from click.testing import CliRunner

from federation.delivery import Delivered
from node.core.clock import SetClock
from node.core.ground import Ground
from node.exchange.service import Health
from node.identity.services.people import Role
from node.identity.services.tokens import Scope
from node.relations.cli import relation_group
from node.relations.services.alike import alike, is_foreign_script
from tests.node.relations.peers import Browser, Net, Peer, api, peered, verified


@pytest.fixture(params=["en", "fr"])
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def signed_in(peer: Peer, role: Role = Role.ADMIN, language: str = "en") -> Browser:
    browser = peer.browser()
    person = peer.person("Marie Lenoir", role)
    peer.identity.prefer(person.id, language=language)
    browser.sign_in(person)
    return browser


def token_of(peer: Peer, *scopes: Scope, role: Role = Role.ADMIN) -> str:
    person = peer.person("Robot", role)
    secret, _token = peer.identity.create_token(person.id, "test", list(scopes), timedelta(days=1))
    return secret


def link_on(text: str) -> str:
    found = re.search(r"http://[^\"<\s]+/peering/invite#v=1[^\"<\s]+", text)
    assert found is not None
    return found[0].replace("&amp;", "&")


def test_two_administrators_peer_on_pages(aubier: Peer, nord: Peer, language: str) -> None:
    here, there = signed_in(aubier, language=language), signed_in(nord, language=language)
    made = here.post(
        "/partners/invite", {"domain": nord.host, "purpose": "Footbridge"}, page="/partners/invite"
    )
    assert made.status_code == 200
    accepted = there.post("/partners/accept", {"link": link_on(made.text)}, page="/partners/accept")
    assert accepted.status_code == 303, accepted.text
    aubier.settle_jobs()
    mine, theirs = f"/partners/{aubier.partner(nord).key}", accepted.headers["Location"]
    for browser, page, typed in ((there, theirs, nord.to_type(aubier)), (here, mine, aubier.to_type(nord))):
        before = browser.get(page).text
        assert browser.get(f"{page}/fingerprint.svg").status_code == 404
        assert not any(digits in before for digits in typed.values())
        form = {f"group-{number}": digits for number, digits in typed.items()}
        wrong = browser.post(f"{page}/verify", {**form, "channel": ""}, page=page)
        assert wrong.status_code == 422
        assert browser.post(f"{page}/verify", {**form, "channel": "phone"}, page=page).status_code == 303
        square = browser.get(f"{page}/fingerprint.svg")
        assert (square.status_code, square.mimetype) == (200, "image/svg+xml")
    assert aubier.partner(nord).state == "verified"
    form = {"purpose": "Footbridge", "keep_ours": "P1Y", "keep_theirs": "P90D", "onward": "none"}
    assert "Footbridge" in here.get(mine).text
    assert here.post(f"{mine}/charter", {**form, "ends": "2000-01-01"}, page=mine).status_code == 422
    assert here.post(f"{mine}/charter", form, page=mine).status_code == 303
    assert here.get(mine).status_code == 200
    shown = there.get(theirs).text
    assert {"en": "1 year", "fr": "1 an"}[language] in shown
    digest = re.search(r'name="digest" value="([^"]+)"', shown)
    assert digest is not None
    assert there.post(f"{theirs}/charter/agree", {"digest": "z0"}, page=theirs).status_code == 409
    assert there.post(f"{theirs}/charter/agree", {"digest": digest[1]}, page=theirs).status_code == 303
    assert isinstance(nord.deliver(aubier), Delivered)
    for browser, page in ((here, mine), (there, theirs), (here, "/partners"), (there, "/partners")):
        answer = browser.get(page)
        assert answer.status_code == 200
        assert {"en": "working", "fr": "en marche"}[language] in answer.text.lower() or page != "/partners"


def test_the_page_behind_a_link_is_the_same_for_everybody_and_learns_nothing(
    aubier: Peer, language: str
) -> None:
    browser = aubier.browser()
    answer = browser.get("/peering/invite", headers={"Accept-Language": language})
    assert answer.status_code == 200
    assert "invite.js" in answer.text
    assert browser.client.get_cookie("parvis", domain=browser.host) is None
    assert "<form" not in answer.text.partition("door-foot")[0]


@pytest.mark.parametrize(
    "path", ["/partners", "/partners/invite", "/partners/accept", "/partners/x", "/partners/x/verify"]
)
def test_partners_are_for_administrators_alone(aubier: Peer, path: str) -> None:
    browser = signed_in(aubier, Role.MEMBER)
    answer = browser.post(path, page="/me") if path.endswith("verify") else browser.get(path)
    assert answer.status_code == 404
    assert aubier.browser().get("/partners").status_code == 303


def test_a_partner_that_is_not_there_is_absent(aubier: Peer) -> None:
    assert signed_in(aubier).get("/partners/nobody").status_code == 404


def test_a_look_alike_is_asked_about_once(aubier: Peer, nord: Peer) -> None:
    peered(aubier, nord)
    browser = signed_in(aubier)
    typed = {"domain": "n0rd-acier.localhost"}
    asked = browser.post("/partners/invite", typed, page="/partners/invite")
    assert asked.status_code == 409
    assert "nord-acier.localhost" in asked.text
    sure = browser.post("/partners/invite", {**typed, "alike": "1"}, page="/partners/invite")
    assert "/peering/invite#v=1" in sure.text


def test_what_the_other_side_does_not_take_stands_on_the_page(aubier: Peer, nord: Peer, net: Net) -> None:
    nord.accept(aubier.invite())
    browser, page = signed_in(nord), f"/partners/{nord.partner(aubier).key}"
    net.down.add(aubier.origin)
    form = {f"group-{number}": digits for number, digits in nord.to_type(aubier).items()}
    browser.post(f"{page}/verify", {**form, "channel": "phone"}, page=page)
    assert "it goes again by itself" in browser.get(page).text


def test_an_open_invitation_can_be_seen_and_cancelled(aubier: Peer, clock: SetClock) -> None:
    browser = signed_in(aubier)
    browser.post("/partners/invite", {"domain": "nord-acier.localhost"}, page="/partners/invite")
    page = f"/partners/{aubier.relations.everybody()[0].key}"
    assert browser.get(page).status_code == 200
    assert browser.post(f"{page}/cancel", page=page).status_code == 303
    assert browser.get(page).status_code == 404
    browser.post("/partners/invite", {}, page="/partners/invite")
    clock.move(hours=73)
    assert aubier.relations.everybody()[0].state == "expired"


def test_scripts_peer_through_the_api(aubier: Peer, nord: Peer) -> None:
    both = (Scope.RELATIONS_READ, Scope.RELATIONS_ADMIN)
    here, there = token_of(aubier, *both), token_of(nord, *both)
    made = api(aubier, here, "POST", "/relations/invitations", {"host": nord.host})
    assert made.status_code == 201
    accepted = api(nord, there, "POST", "/relations/acceptances", {"link": made.json["link"]})
    assert accepted.status_code == 201
    keys = {aubier: made.json["key"], nord: accepted.json["key"]}
    for peer, token, other in ((nord, there, aubier), (aubier, here, nord)):
        typed = {str(number): digits for number, digits in peer.to_type(other).items()}
        body = {"groups": typed, "channel": "video"}
        answer = api(peer, token, "PUT", f"/relations/{keys[peer]}/confirmation", body)
        assert answer.status_code == 200, answer.json
        assert all(group["digits"] for group in answer.json["groups"])
    offered = api(aubier, here, "PUT", f"/relations/{keys[aubier]}/offer", {"onward": "allowed"})
    assert offered.json["state"] == "offered"
    digest = api(nord, there, "GET", f"/relations/{keys[nord]}").json["offer"]["digest"]
    agreed = api(nord, there, "PUT", f"/relations/{keys[nord]}/agreement", {"digest": digest})
    assert (agreed.json["state"], agreed.json["health"]["queued"]) == ("in-force", 1)
    again = api(nord, there, "PUT", f"/relations/{keys[nord]}/agreement", {"digest": digest})
    assert (again.status_code, again.content_type) == (409, "application/problem+json")
    line = api(nord, there, "GET", "/relations").json["items"][0]
    assert (line["id"], line["state"]) == (aubier.iri, "in-force")
    changed = {"contact": "Anne, ext. 12", "reviewOn": "2027-06-01"}
    assert (
        api(nord, there, "PUT", f"/relations/{keys[nord]}/register", changed).json["reviewOn"] == "2027-06-01"
    )


def test_an_open_offer_ends_through_the_api_from_both_sides(aubier: Peer, nord: Peer) -> None:
    verified(aubier, nord)
    both = (Scope.RELATIONS_READ, Scope.RELATIONS_ADMIN)
    here, there = token_of(aubier, *both), token_of(nord, *both)
    for peer, token, other in ((aubier, here, nord), (nord, there, aubier)):
        aubier.propose(nord)
        ended = api(peer, token, "DELETE", f"/relations/{peer.partner(other).key}/offer")
        assert ended.json["state"] == "verified"
        assert other.partner(peer).state == "verified"


def test_a_token_needs_the_scope_and_its_person_the_role(aubier: Peer, nord: Peer) -> None:
    peered(aubier, nord)
    reader = token_of(aubier, Scope.RELATIONS_READ)
    assert api(aubier, reader, "POST", "/relations/invitations", {}).status_code == 403
    member = token_of(aubier, Scope.RELATIONS_READ, role=Role.MEMBER)
    aubier.invite()
    assert [each["state"] for each in api(aubier, member, "GET", "/relations").json["items"]] == ["in-force"]
    assert api(aubier, member, "GET", f"/relations/{aubier.partner(nord).key}").status_code == 404
    assert api(aubier, "", "GET", "/relations").status_code == 401


def test_the_api_says_what_is_wrong_by_field(aubier: Peer, nord: Peer) -> None:
    nord.accept(aubier.invite())
    token = token_of(nord, Scope.RELATIONS_ADMIN)
    body = {"groups": {"1": "00000", "2": "00000"}, "channel": "phone"}
    answer = api(nord, token, "PUT", f"/relations/{nord.partner(aubier).key}/confirmation", body)
    assert (answer.status_code, set(answer.json["errors"])) == (422, {"group-1", "group-2"})
    assert api(nord, token, "POST", "/relations/acceptances", {"link": "x"}).status_code == 422


def stop(peer: Peer, other: Peer) -> str:
    """Has delivery from `peer` to `other` stopped; the key of the relation."""
    with peer.ground.database.writing() as session:
        session.connection().exec_driver_sql(
            "UPDATE lane SET state = 'stopped', failures = 3, reason = '410 The exchange is gone.'"
        )
    return peer.partner(other).key


def lane_of(peer: Peer) -> tuple[str, int, str]:
    with peer.ground.database.reading() as session:
        row = session.connection().exec_driver_sql("SELECT state, failures, reason FROM lane").one()
    return row.state, row.failures, row.reason


def resumed(peer: Peer) -> int:
    """How often the audit log has it."""
    with peer.ground.database.reading() as session:
        query = "SELECT count(*) FROM audit WHERE action = 'delivery.resumed'"
        return int(session.connection().exec_driver_sql(query).scalar_one())


def test_an_administrator_has_a_stopped_delivery_tried_again(aubier: Peer, nord: Peer, language: str) -> None:
    peered(aubier, nord)
    browser, page = signed_in(aubier, language=language), f"/partners/{stop(aubier, nord)}"
    words = {"en": ("Stopped.", "Try again now"), "fr": ("Arrêté.", "Réessayer maintenant")}[language]
    before = browser.get(page).text
    assert all(each in before for each in (*words, "410 The exchange is gone."))
    assert words[0].lower().rstrip(".") in browser.get("/partners").text
    assert browser.client.post(f"{page}/retry", base_url=aubier.origin).status_code == 403  # no csrf
    assert lane_of(aubier)[0] == "stopped"
    assert browser.post(f"{page}/retry", page=page).status_code == 303
    assert lane_of(aubier) == ("open", 0, "")
    assert resumed(aubier) == 1
    after = browser.get(page).text
    assert not any(each in after for each in words)


def test_a_member_has_nothing_tried_again(aubier: Peer, nord: Peer) -> None:
    peered(aubier, nord)
    key = stop(aubier, nord)
    assert signed_in(aubier, Role.MEMBER).post(f"/partners/{key}/retry", page="/me").status_code == 404
    reader, member = token_of(aubier, Scope.RELATIONS_READ), token_of(aubier, Scope.ME_READ, role=Role.MEMBER)
    for token, status in (("", 401), (reader, 403), (member, 404)):
        assert api(aubier, token, "POST", f"/relations/{key}/retry").status_code == status
    assert lane_of(aubier)[0] == "stopped"
    assert resumed(aubier) == 0


@pytest.mark.parametrize("state", ["refused", "disputed", "given-up"])
def test_the_page_says_what_is_wrong(aubier: Peer, nord: Peer, state: str, monkeypatch: Any) -> None:
    peered(aubier, nord)
    now = aubier.ground.clock.now()
    said, found = {
        "refused": ("takes nothing from us for now", Health(state="refused", since=now, next_attempt=now)),
        "disputed": ("contradicts what it had sent before", Health(disputed=now)),
        "given-up": ("2 messages from them were given up", Health(quarantined=2, held=1)),
    }[state]
    monkeypatch.setattr("node.exchange.service.health", lambda *_: found)
    shown = signed_in(aubier).get(f"/partners/{aubier.partner(nord).key}").text
    assert said in shown
    assert "Try again now" in shown


def test_scripts_have_it_tried_again(aubier: Peer, nord: Peer) -> None:
    peered(aubier, nord)
    key = stop(aubier, nord)
    token = token_of(aubier, Scope.RELATIONS_READ, Scope.RELATIONS_ADMIN)
    before = api(aubier, token, "GET", f"/relations/{key}").json["health"]
    assert (before["delivery"], before["reason"]) == ("stopped", "410 The exchange is gone.")
    answer = api(aubier, token, "POST", f"/relations/{key}/retry")
    assert (answer.status_code, answer.json["health"]["delivery"]) == (200, "open")
    assert api(aubier, token, "POST", "/relations/nobody/retry").status_code == 404


def test_nothing_is_tried_again_before_an_agreement(aubier: Peer, nord: Peer) -> None:
    verified(aubier, nord)
    token = token_of(aubier, Scope.RELATIONS_ADMIN)
    assert api(aubier, token, "POST", f"/relations/{aubier.partner(nord).key}/retry").status_code == 409


def test_operators_have_it_tried_again(aubier: Peer, nord: Peer) -> None:
    peered(aubier, nord)
    key = stop(aubier, nord)
    assert "stopped (410 The exchange is gone.)" in parvis(aubier, "show", key)
    assert parvis(aubier, "retry", key, "--json")["state"] == "in-force"
    assert lane_of(aubier) == ("open", 0, "")


def parvis(peer: Peer, *args: str, text: str = "") -> Any:
    """`parvis relation …` on the node of `peer`."""

    @contextmanager
    def opened() -> Iterator[Ground]:
        with peer.app.app_context():
            yield peer.ground

    ran = CliRunner().invoke(relation_group, args, obj=opened, input=text)
    assert ran.exit_code == 0, ran.output
    return json.loads(ran.output) if "--json" in args else ran.output


def test_operators_peer_by_commands(aubier: Peer, nord: Peer) -> None:
    link = parvis(aubier, "invite", "--host", nord.host, "--json")["link"]
    accepted = parvis(nord, "accept", "-", "--json", text=f"{link}\n")
    assert accepted["state"] == "keys-exchanged"
    for peer, other in ((nord, aubier), (aubier, nord)):
        read = parvis(other, "list", "--json")[0]["groups"]
        groups = [f"--group={each['number']}={each['digits']}" for each in read if each["read_by"] == "us"]
        parvis(peer, "confirm", parvis(peer, "list", "--json")[0]["key"], *groups, "--channel", "in-person")
    mine, theirs = (parvis(each, "list", "--json")[0]["key"] for each in (aubier, nord))
    assert "proposed by us" in parvis(aubier, "offer", mine, "--onward", "allowed", "--purpose", "Footbridge")
    assert parvis(nord, "agree", theirs, "--json")["state"] == "in-force"
    assert isinstance(nord.deliver(aubier), Delivered)
    assert "in-force" in parvis(aubier, "list")


def test_a_refused_command_says_why(aubier: Peer) -> None:
    @contextmanager
    def opened() -> Iterator[Ground]:
        with aubier.app.app_context():
            yield aubier.ground

    ran = CliRunner().invoke(relation_group, ["accept", "nonsense"], obj=opened)
    assert ran.exit_code == 1
    assert "not a whole invitation link" in ran.output


@pytest.mark.parametrize(
    "host",
    [
        "nordacler.example",
        "nord-acier.example",
        "n0rdacier.example",
        "norďacier.example",
        "nоrdacier.example",  # noqa: RUF001 - a Cyrillic o
        "xn--nrdacier-nbh.example",  # the same as an A-label
    ],
)
def test_alike(host: str) -> None:
    assert alike(host, ["aubier.example", "nordacier.example"]) == "nordacier.example"


def test_a_known_or_plainly_other_host_is_not_alike() -> None:
    assert alike("nordacier.example", ["nordacier.example"]) == ""
    assert alike("leroux.example", ["nordacier.example"]) == ""
    assert is_foreign_script("xn--nrdacier-nbh.example")
    assert not is_foreign_script("nordacier.example")


# -- the life of an agreement


def test_two_administrators_agree_on_another_version_on_pages(
    aubier: Peer, nord: Peer, language: str
) -> None:
    peered(aubier, nord)
    here, there = signed_in(aubier, language=language), signed_in(nord, language=language)
    mine, theirs = f"/partners/{aubier.partner(nord).key}", f"/partners/{nord.partner(aubier).key}"
    assert here.get(f"{mine}/charter").status_code == 200
    form = {"purpose": "Bridge <two>", "keep_ours": "P5Y", "keep_theirs": "P90D", "onward": "none"}
    wrong = here.post(f"{mine}/charter", {**form, "ends": "2000-01-01"}, page=mine)
    assert (wrong.status_code, "Bridge &lt;two&gt;" in wrong.text) == (422, True)
    assert here.post(f"{mine}/charter", form, page=mine).status_code == 303
    assert "/charter" in here.get(mine).text
    shown = there.get(f"{theirs}/charter").text
    more, less = {"en": ("allows more", "allows less"), "fr": ("permet plus", "permet moins")}[language]
    assert more in shown
    assert less in shown
    assert there.get("/partners").text.count({"en": "Answer the proposed", "fr": "Répondre"}[language]) == 1
    digest = re.search(r'name="digest" value="([^"]+)"', shown)
    assert digest is not None
    form = {"digest": digest[1], "approver": "Head of purchasing"}
    assert there.post(f"{theirs}/charter/agree", form, page=theirs).status_code == 303
    for browser, page in ((here, mine), (there, theirs)):
        text = browser.get(f"{page}/charter").text
        assert "Head of purchasing" in text
        assert "Version 2" in text
        assert browser.get(f"{page}/charter?revise=1").status_code == 200


WHOLE = {
    "whole": "true",
    "purpose": "Footbridge",
    "keep_ours": "P1Y",
    "keep_theirs": "P1Y",
    "spaces": "https://a.example/spaces/1 out partner\nhttps://a.example/spaces/2",
    "classes": "open partner",
    "activity_types": "Create Update Delete Announce Join Leave Add Remove Invite Accept",
    "object_types": "Note, Tombstone",
    "media_types": "image/* application/pdf",
    "max_object_kib": "64",
    "max_batch_kib": "512",
    "max_file_mib": "10",
    "sign_ins": "phr phrh",
    "sign_in_h": "12",
    "own_domains": "true",
    "leave_s": "30",
    "receipt": "received",
    "receipt_min": "60",
    "checkpoint_h": "12",
    "log_years": "7",
    "timestamps": "true",
    "recall_h": "2",
    "backup_days": "20",
    "after_end_days": "10",
    "notice_days": "90",
    "text_url": "https://a.example/charter.pdf",
    "text_type": "application/pdf",
    "text_digest": "zQmcpg34cFCFo7QAotwvPa3aKsfVh3137i25tfizL7TB3S4",
}


def test_the_form_of_a_charter_says_the_whole_document(aubier: Peer, nord: Peer, language: str) -> None:
    peered(aubier, nord)
    here, there = signed_in(aubier, language=language), signed_in(nord, language=language)
    mine, theirs = f"/partners/{aubier.partner(nord).key}", f"/partners/{nord.partner(aubier).key}"
    assert here.post(f"{mine}/charter", WHOLE, page=mine).status_code == 303
    offer = aubier.relation(nord).proposal
    assert offer is not None
    said = offer.agreement
    partner = {"class": "partner", "personalData": False, "retention": "P1Y", "afterEnd": "P10D"}
    assert said["scope"] | {"allowNewSpaces": "", "onwardTransfer": "", "publicAddressing": ""} == {
        "spaces": [
            {"id": "https://a.example/spaces/1", "direction": "out", "dataClass": "partner"},
            {"id": "https://a.example/spaces/2", "direction": "both"},
        ],
        "dataClasses": [{**partner, "class": "open"}, partner],
        "activityTypes": WHOLE["activity_types"].split(),
        "objectTypes": ["Note", "Tombstone"],
        "mediaTypes": ["image/*", "application/pdf"],
        "maxObjectBytes": 65_536,
        "maxBatchBytes": 524_288,
        "maxFileBytes": 10_485_760,
        "allowNewSpaces": "",
        "onwardTransfer": "",
        "publicAddressing": "",
    }
    assert said["identity"] == {
        "minAcr": ["phr", "phrh"],
        "maxAuthAge": 43_200,
        "emailDomains": "declared-only",
        "offboardingSeconds": 30,
    }
    assert said["evidence"] == {
        "originProof": "required",
        "receipt": "received",
        "receiptSeconds": 3600,
        "checkpoint": "PT12H",
        "logRetention": "P7Y",
        "timestamping": "optional-rfc3161",
    }
    assert said["recall"] == {"applySeconds": 7200, "backups": "P20D", "legalHold": "allowed-with-notice"}
    assert said["terms"] == {
        "notice": "P90D",
        "purpose": "Footbridge",
        "url": WHOLE["text_url"],
        "mediaType": "application/pdf",
        "digestMultibase": WHOLE["text_digest"],
    }
    shown = there.get(f"{theirs}/charter").text
    for words in ("phr phrh", "image/*", "https://a.example/charter.pdf"):
        assert words in shown
    form = here.get(f"{mine}/charter?revise=1").text
    assert 'value="phr phrh"' in form
    assert "https://a.example/spaces/1 out partner" in form
    assert there.post(f"{theirs}/charter/decline", {}, page=f"{theirs}/charter").status_code == 303


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sign_ins", "phr ü"),
        ("media_types", "pdf"),
        ("activity_types", "Create; Update"),
        ("spaces", "no-address"),
        ("spaces", "https://a.example/s sideways"),
        ("spaces", "https://a.example/s out partner more"),
        ("text_digest", "abc"),
        ("max_file_mib", "0"),
        ("receipt_min", "soon"),
    ],
)
def test_what_no_charter_can_say_is_told_beside_its_field(
    aubier: Peer, nord: Peer, field: str, value: str
) -> None:
    peered(aubier, nord)
    here, mine = signed_in(aubier), f"/partners/{aubier.partner(nord).key}"
    answer = here.post(f"{mine}/charter", {**WHOLE, field: value}, page=mine)
    assert answer.status_code == 422
    assert f'id="f-{field}-e"' in answer.text
    assert aubier.relation(nord).proposal is None


def test_a_class_that_is_not_listed_is_no_class_of_a_space(aubier: Peer, nord: Peer) -> None:
    peered(aubier, nord)
    here, mine = signed_in(aubier), f"/partners/{aubier.partner(nord).key}"
    answer = here.post(f"{mine}/charter", {**WHOLE, "classes": "open"}, page=mine)
    assert (answer.status_code, aubier.relation(nord).proposal) == (422, None)


def test_what_a_whole_form_leaves_empty_is_not_there(aubier: Peer, nord: Peer) -> None:
    peered(aubier, nord)
    here, mine = signed_in(aubier), f"/partners/{aubier.partner(nord).key}"
    gone = {
        "media_types",
        "sign_ins",
        "sign_in_h",
        "own_domains",
        "timestamps",
        "text_url",
        "text_type",
        "text_digest",
    }
    assert (
        here.post(
            f"{mine}/charter", {name: WHOLE[name] for name in WHOLE.keys() - gone}, page=mine
        ).status_code
        == 303
    )
    offer = aubier.relation(nord).proposal
    assert offer is not None
    assert "mediaTypes" not in offer.agreement["scope"]
    assert offer.agreement["terms"].keys() == {"notice", "purpose"}
    identity = offer.agreement["identity"]
    assert (identity["minAcr"], identity["maxAuthAge"], identity["emailDomains"]) == ([], None, "none")


def test_an_administrator_suspends_and_resumes_on_pages(aubier: Peer, nord: Peer, language: str) -> None:
    peered(aubier, nord)
    here, there = signed_in(aubier, language=language), signed_in(nord)
    mine, theirs = f"/partners/{aubier.partner(nord).key}", f"/partners/{nord.partner(aubier).key}"
    assert here.get(f"{mine}/suspend").status_code == 200
    assert here.post(f"{mine}/suspend", {"reason": "x" * 501}, page=mine).status_code == 422
    assert here.post(f"{mine}/suspend", {"reason": "Incident <7>"}, page=mine).status_code == 303
    for text in (here.get(mine).text, there.get(theirs).text):
        assert f'<blockquote lang="{language}"><p>Incident &lt;7&gt;</p>' in text
    assert there.post(f"{theirs}/resume", page=theirs).status_code == 409
    assert f"{theirs}/resume" not in there.get(theirs).text
    assert here.post(f"{mine}/resume", page=mine).status_code == 303
    assert aubier.partner(nord).state == nord.partner(aubier).state == "in-force"


def test_an_administrator_ends_the_relation_on_a_page(aubier: Peer, nord: Peer, language: str) -> None:
    peered(aubier, nord)
    here, mine = signed_in(aubier, language=language), f"/partners/{aubier.partner(nord).key}"
    assert here.get(f"{mine}/end").status_code == 200
    form = {"when": "now", "disposition": "purge-now", "reason": "Projet clos", "sure": "true"}
    for lacking in ({"sure": ""}, {"reason": ""}, {"disposition": "x"}, {"when": "on"}):
        assert here.post(f"{mine}/end", form | lacking, page=mine).status_code == 422
    assert aubier.partner(nord).state == "in-force"
    assert here.post(f"{mine}/end", form, page=mine).status_code == 303
    assert aubier.partner(nord).state == nord.partner(aubier).state == "terminated"
    assert here.get(mine).status_code == 200
    assert here.get(f"{mine}/end").status_code == 409


def test_the_life_of_an_agreement_through_the_api(aubier: Peer, nord: Peer) -> None:
    peered(aubier, nord)
    token = token_of(aubier, Scope.RELATIONS_READ, Scope.RELATIONS_ADMIN)
    other = token_of(nord, Scope.RELATIONS_READ, Scope.RELATIONS_ADMIN)
    mine, theirs = f"/relations/{aubier.partner(nord).key}", f"/relations/{nord.partner(aubier).key}"
    proposed = api(aubier, token, "PUT", f"{mine}/offer", {"keepOurs": "P5Y", "onward": "none"})
    assert proposed.status_code == 200
    offer = api(nord, other, "GET", theirs).get_json()["offer"]
    effects = {each["name"]: each["effect"] for each in offer["differences"]}
    assert (effects["onward"], effects["keep_theirs"], offer["version"]) == ("narrows", "widens", 2)
    agreed = {"digest": offer["digest"], "approvers": ["Board"]}
    assert api(nord, other, "PUT", f"{theirs}/agreement", agreed).status_code == 200
    versions = api(aubier, token, "GET", f"{mine}/versions").get_json()["items"]
    assert [each["version"] for each in versions] == [2, 1]
    assert versions[0]["approvers"] == ["Board"]
    suspended = api(aubier, token, "PUT", f"{mine}/suspension", {"reason": "IR-7", "language": "fr"})
    assert suspended.get_json()["state"] == "suspended"
    seen = api(nord, other, "GET", theirs).get_json()["suspensions"]
    assert [(each["byUs"], each["reason"], each["language"]) for each in seen] == [(False, "IR-7", "fr")]
    assert api(nord, other, "DELETE", f"{theirs}/suspension").status_code == 409
    assert api(aubier, token, "PUT", f"{mine}/suspension", {}).status_code == 409
    assert api(aubier, token, "DELETE", f"{mine}/suspension").get_json()["state"] == "in-force"
    notice = {"on": (aubier.clock.now() + timedelta(days=40)).date().isoformat(), "disposition": "purge-now"}
    assert api(aubier, token, "PUT", f"{mine}/end", notice | {"on": "2020-01-01"}).status_code == 422
    assert api(aubier, token, "PUT", f"{mine}/end", notice).get_json()["state"] == "terminating"
    assert api(nord, other, "GET", theirs).get_json()["ending"]["byUs"] is False
    reader = token_of(aubier, Scope.RELATIONS_READ)
    for method, path in (("PUT", "suspension"), ("DELETE", "suspension"), ("PUT", "end")):
        assert api(aubier, reader, method, f"{mine}/{path}", {}).status_code == 403


def test_the_life_of_an_agreement_by_command(aubier: Peer, nord: Peer) -> None:
    peered(aubier, nord)
    key, other = aubier.partner(nord).key, nord.partner(aubier).key
    assert parvis(aubier, "offer", key, "--onward", "none", "--json")["offer"]["by_us"]
    assert parvis(nord, "agree", other, "--approver", "Board", "--json")["agreement"]["version"] == 2
    assert [each["terms"]["version"] for each in parvis(aubier, "versions", key, "--json")] == [2, 1]
    assert parvis(aubier, "suspend", key, "--reason", "IR-7", "--json")["state"] == "suspended"
    assert parvis(aubier, "resume", key, "--json")["state"] == "in-force"
    ended = parvis(aubier, "end", key, "--disposition", "keep-per-law", "--reason", "done", "--yes", "--json")
    assert ended["state"] == "terminated"
