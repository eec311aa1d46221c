"""What a partner may do and what not, beyond the failures of shared channels: the rest of class C, at the door.

Source: SECURITY 1.C.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from sqlalchemy import text

from federation import authorship, digest, proofs, roster
from federation.activity import CONTEXT, Document, new_id
from federation.delivery import Delivered
from federation.http import Headers
from federation.keys import SigningKey
from federation.ports import MemberNode, Role, State
from node.exchange import service as exchange
from node.relations import records
from node.spaces.services import spaces as use
from tests.attacks.fence import Fence
from tests.attacks.peer import Liar, Said
from tests.attacks.test_advisories_a import everything
from tests.node.threads.talk import begin


def state(fence: Fence, of: Liar, name: State) -> None:
    """The relation with this partner stands so from now on."""
    ground, relation = fence.victim.ground, int(fence.victim.relation(of.house).id)
    with ground.database.writing() as session:
        records.change(session, ground, relation, state=name)
    fence.look()


@pytest.mark.advisory("C15")
@pytest.mark.parametrize("name", [State.KEYS_EXCHANGED, State.VERIFIED, State.OFFERED, State.TERMINATED])
def test_cve_2026_27468_a_partner_without_agreement_says_nothing(fresh: Fence, name: State) -> None:
    """Nothing goes through the exchange, and nothing is read, before there is an agreement and after it."""
    state(fresh, fresh.liar, name)
    for verb, members in everything(fresh, fresh.marie):
        said = fresh.liar.says(verb, actor=fresh.marie, **{"audience": fresh.bridge, **members})
        fresh.turns_away(403, said, "no-agreement")
    for path in _places(fresh):
        fresh.hides(path)


@pytest.mark.advisory("C15", "C16")
def test_cve_2026_23961_a_suspended_partner_says_nothing_through_the_exchange(fresh: Fence) -> None:
    state(fresh, fresh.liar, State.SUSPENDED)
    for verb, members in everything(fresh, fresh.marie):
        said = fresh.liar.says(verb, actor=fresh.marie, **{"audience": fresh.bridge, **members})
        fresh.turns_away(403, said, "agreement-suspended")
    for path in _places(fresh):
        fresh.hides(path)


def _places(fence: Fence) -> list[str]:
    paths = [fence.bridge, f"{fence.bridge}/roster", fence.posts["ines"], fence.ines, fence.nords]
    return [each.removeprefix(fence.victim.origin) for each in paths if each.startswith(fence.victim.origin)]


@pytest.mark.advisory("C16")
def test_words_of_a_suspended_partner_do_not_enter_through_another(fresh: Fence) -> None:
    """The liar takes Leroux into its space, with Leroux's real key, and announces what Owen really wrote there."""
    liar, owen = fresh.liar, fresh.other
    assert _takes_in(fresh, owen).outcome == "processed"
    note = owen.note(fresh.owen, fresh.nords)
    genuine = owen.writes("Create", actor=fresh.owen, audience=fresh.nords, object=note)
    state(fresh, owen, State.SUSPENDED)
    fresh.refuses("agreement-suspended", _announced(fresh, genuine))
    state(fresh, owen, State.IN_FORCE)
    assert liar.delivers(liar.announces(fresh.nords, genuine, _rev(fresh) + 1)).outcome == "processed"


def _rev(fence: Fence) -> int:
    return int(fence.victim.fact("SELECT rev FROM space WHERE iri = :iri", iri=fence.nords))


def _announced(fence: Fence, inner: Document, **members: Any) -> Said:
    return fence.liar.delivers(fence.liar.announces(fence.nords, inner, _rev(fence) + 1, **members))


def _held(fence: Fence) -> Document:
    """The roster of the liar's space, as we hold it."""
    document: Document = json.loads(
        fence.victim.fact("SELECT roster FROM space WHERE iri = :iri", iri=fence.nords)
    )
    return document


def _roster(
    fence: Fence, *, version: int | None = None, previous: str | None = "", key: Any = None
) -> Document:
    """The next roster of the liar's space, as its host would write it; or one that lies."""
    liar, held = fence.liar, _held(fence)
    nodes = [
        MemberNode(each["node"], each["name"], each["key"], each["role"], each["since"])
        for each in held["nodes"]
    ]
    members = [roster.Member(each["actor"], Role(each["role"])) for each in held["members"]]
    return roster.write(
        fence.nords,
        held["version"] + 1 if version is None else version,
        digest.digest(held) if previous == "" else previous,
        nodes,
        members,
        key or liar.key(liar.node),
        liar.moment,
    ).document


def _takes_in(fence: Fence, other: Liar) -> Said:
    """A roster with one organisation more."""
    document = proofs.unsigned(_roster(fence))
    key = other.key(other.node).public.multibase
    document["nodes"].append(
        {"node": other.node, "name": "Leroux", "key": key, "role": "member", "since": fence.liar.moment}
    )
    document["members"].append({"actor": fence.owen, "role": "member"})
    return _says_roster(fence, document)


def _says_roster(fence: Fence, document: Document, *, key: Any = None) -> Said:
    liar = fence.liar
    signed = proofs.sign(proofs.unsigned(document), key or liar.key(liar.node), liar.moment)
    update = liar.writes("Update", actor=fence.nords, audience=fence.nords, object=signed)
    return _announced(fence, update)


@pytest.mark.advisory("C17")
def test_cve_2025_49090_a_roster_that_forks_or_goes_back_is_refused(fresh: Fence) -> None:
    liar = fresh.liar
    fresh.may_leave = frozenset({"spaces.keep-fork"})
    version = _held(fresh)["version"]
    for number, previous in ((version, ""), (version - 1, ""), (version + 2, ""), (version + 1, None)):
        fresh.refuses(
            "roster-outdated", _says_roster(fresh, _roster(fresh, version=number, previous=previous))
        )
    fork = _roster(fresh, previous="zQm" + "1" * 43)
    said = _says_roster(fresh, fork)
    fresh.refuses("roster-outdated", said)
    said = _says_roster(fresh, _roster(fresh), key=liar.key(fresh.nords))
    fresh.refuses("bad-proof", said)
    assert _says_roster(fresh, _roster(fresh)).outcome == "processed"


@pytest.mark.advisory("C17")
def test_a_space_has_one_host(fence: Fence) -> None:
    """Neither does another partner speak for it, nor does its host for one of ours."""
    liar = fence.liar
    post = liar.writes(
        "Create", actor=fence.marie, audience=fence.nords, object=liar.note(fence.marie, fence.nords)
    )
    by = fence.other
    said = by.says(
        "Announce", actor=fence.nords, audience=fence.nords, rev=99, object=post, key=by.key(by.node)
    )
    fence.refuses("bad-proof", said, by=by)
    said = by.says("Announce", audience=fence.nords, rev=99, object=post)
    fence.refuses("out-of-scope", said, by=by)
    for space in (fence.bridge, fence.quiet, fence.side):
        said = liar.says("Announce", actor=fence.nords, audience=space, rev=99, object=post)
        fence.refuses("out-of-scope", said)


@pytest.mark.advisory("C17")
def test_a_host_gives_no_role_by_words_and_takes_none_back_in_the_past(fence: Fence) -> None:
    """Of a replica: nobody whom the roster does not make a manager acts as one, also by announcement."""
    liar, members = fence.liar, f"{fence.nords}/members"
    stranger = liar.new("people")
    for verb, actor, person in (("Add", fence.ines, fence.ines), ("Remove", stranger, fence.ines)):
        inner = liar.writes(verb, actor=actor, audience=fence.nords, object=person, target=members)
        said = _announced(fence, inner)
        assert said.outcome == "rejected"
        fence.refuses(said.problem, said)
    for rev in (0, -1, "5", None, True):
        inner = liar.writes(
            "Create", actor=fence.marie, audience=fence.nords, object=liar.note(fence.marie, fence.nords)
        )
        said = liar.says("Announce", actor=fence.nords, audience=fence.nords, rev=rev, object=inner)
        assert said.outcome == "rejected", rev
        fence.refuses(said.problem, said)


@pytest.mark.advisory("C1", "C17")
def test_a_host_announces_nothing_of_ours_again(fence: Fence) -> None:
    """What one of our people said once takes its place once, and never with other words."""
    liar = fence.liar
    ours = next(
        json.loads(line)["object"] if b'"Announce"' in line[:400] else json.loads(line)
        for origin, request, _ in fence.net.heard
        if origin == liar.origin
        for line in request.body.split(b"\n")
        if fence.posts["ines at nord"].encode() in line and line.startswith(b'{"@context"')
    )
    said = liar.delivers(liar.announces(fence.nords, ours, _rev(fence) + 1))
    fence.refuses("replay", said)
    fence.refuses("bad-proof", _announced(fence, {**ours, "summary": "x"}))


@pytest.mark.advisory("C1", "C17")
def test_a_host_does_not_bring_back_what_we_changed_since(fresh: Fence) -> None:
    """Two Updates of ours, announced in their order; then the first once more, under a new place."""
    victim, liar = fresh.victim, fresh.liar
    updates = []
    with exchange.open_work(victim.ground) as work:
        settings = exchange.settings_of(victim.ground)
        for words in ("once", "twice"):
            note = liar.note(
                fresh.ines, fresh.nords, id=fresh.posts["ines at nord"], content=f"<p>{words}</p>"
            )
            members = {"type": "Update", "to": [f"{fresh.nords}/members"], "audience": fresh.nords}
            updates.append(authorship.write({**members, "object": note}, fresh.ines, work, settings))
    for each in updates:
        assert _announced(fresh, json.loads(each.raw)).outcome == "processed"
    fresh.look()
    fresh.refuses("replay", _announced(fresh, json.loads(updates[0].raw)))
    shown = victim.fact("SELECT content FROM post WHERE iri = :iri", iri=fresh.posts["ines at nord"])
    assert shown == "<p>twice</p>"


@pytest.mark.advisory("C19")
def test_cve_2022_39374_what_was_refused_stays_refused(fence: Fence) -> None:
    """Said again, also to the other door, and brought by the host of a space."""
    liar = fence.liar
    document = liar.writes("Delete", actor=fence.marie, audience=fence.bridge, object=fence.posts["ines"])
    for _ in range(3):
        fence.refuses("out-of-scope", liar.delivers(document))
    assert liar.posts(document).response.status in {403, 422}
    fence.recorded()
    fence.refuses("out-of-scope", _announced(fence, document))
    changed = liar.writes("Delete", actor=fence.marie, audience=fence.nords, object=fence.posts["ines"])
    fence.refuses("out-of-scope", _announced(fence, changed))


@pytest.mark.advisory("C20")
def test_cve_2023_42453_a_receipt_names_the_entry_that_it_is_for(fence: Fence) -> None:
    """A late receipt by the wrong one, for another entry, with another hash, or of another log."""
    liar = fence.liar
    with fence.victim.ground.database.reading() as session:
        query = (
            "SELECT seq, iri, stream.iri AS log FROM out_entry JOIN activity ON activity.id = activity_id "
            "JOIN stream ON stream.id = stream_id JOIN lane ON lane.id = lane_id WHERE node = :node"
        ).replace("seq, iri,", "out_entry.seq AS number, activity.iri AS said,")
        known = session.execute(text(query), {"node": liar.node}).mappings().first()
    assert known is not None
    plain = {
        "@context": list(CONTEXT),
        "id": liar.new("r"),
        "type": "DeliveryReceipt",
        "attributedTo": liar.node,
        "stream": known["log"],
        "agreement": liar.agreement,
        "seq": known["number"],
        "object": known["said"],
        "entryHash": "zQm" + "1" * 43,
        "outcome": "rejected",
        "problem": {"type": "about:blank", "title": "Never came"},
        "published": liar.moment,
        "received": liar.moment,
    }
    lies: list[Document] = [
        {},
        {"seq": 10**6},
        {"seq": 0},
        {"object": fence.posts["ines"]},
        {"stream": "x:y"},
    ]
    for lie in lies:
        receipt = proofs.sign({**plain, **lie}, liar.key(liar.node), liar.moment)
        said = liar.says("Create", object=receipt)
        assert said.outcome == "rejected", lie
        fence.refuses(said.problem, said)
    other = proofs.sign(plain, fence.other.key(fence.other.node), liar.moment)
    said = liar.says("Create", object=other)
    assert said.outcome == "rejected"
    fence.refuses(said.problem, said)


LIES: dict[str, dict[str, Any]] = {
    "another entry": {"entryHash": "zQm" + "1" * 43},
    "another range": {"to": 10**6},
    "another log": {"stream": "http://nord-acier.localhost:8101/streams/x"},
    "another body": {"contentDigest": "sha-256=:" + "A" * 43 + "=:"},
    "another agreement": {"agreement": "http://nord-acier.localhost:8101/agreements/x"},
    "another node": {"attributedTo": "http://leroux.localhost:8101/actor"},
    "no outcome": {"outcome": None},
    "an exception elsewhere": {"exceptions": [{"seq": 10**6, "outcome": "rejected"}]},
    "no proof of its own": {"key": SigningKey.generate("http://nord-acier.localhost:8101/actor#ed25519")},
}


@pytest.mark.advisory("C20")
def test_an_answer_that_lies_confirms_nothing(fresh: Fence) -> None:
    victim, liar, ines = fresh.victim, fresh.liar, fresh.world.ines
    begin(victim, ines, victim.key_of(fresh.bridge), "Est-ce arrivé ?")
    for lie in LIES.values():
        fresh.disbelieves(partial(liar.answers, **lie))
    fresh.disbelieves(lambda _request, honest: replace(honest, headers=Headers(())))
    assert isinstance(victim.deliver(liar.house), Delivered)


@pytest.mark.advisory("C21")
def test_what_a_page_does_not_offer_is_not_taken_by_its_form_either(fresh: Fence) -> None:
    """A member of ours who is no manager sends the forms of managers and administrators."""
    victim = fresh.victim
    paul = victim.person("Paul Delmotte", password="une phrase de passe longue")
    name = paul.actor.rpartition("/")[2]
    use.add_member(victim.ground, victim.by(fresh.world.ines), victim.key_of(fresh.bridge), name)
    browser = victim.browser()
    browser.sign_in(paul)
    fresh.look()
    key = victim.key_of(fresh.bridge)
    person = victim.fact("SELECT key FROM participant WHERE iri = :iri", iri=fresh.ines)
    post = fresh.world.first.post
    fields = {"person": name, "partner": person, "node": fresh.other.node, "audience": "x"}
    for path in (
        f"/spaces/{key}/members",
        f"/spaces/{key}/members/{person}/role",
        f"/spaces/{key}/members/{person}/remove",
        f"/spaces/{key}/share",
        f"/spaces/{key}/organisations/remove",
        f"/spaces/{key}/withdraw",
        f"/posts/{post}/delete",
        f"/posts/{post}/hide",
        f"/posts/{post}/edit",
        "/partners/invite",
        "/partners/accept",
        "/admin/people/new",
    ):
        answer = browser.post(path, {"role": "manager", "text": "x", **fields}, page="/me")
        assert answer.status_code in {403, 404}, (path, answer.status_code)
    fresh.reads()


@pytest.mark.advisory("C22", "C23")
def test_what_comes_from_a_partner_is_cleaned_here_and_no_browser_asks_it_for_anything(fresh: Fence) -> None:
    evil = "http://evil.localhost:8101"
    content = (
        f'<p onclick="x()">Bonjour<script src="{evil}/s"></script><img src="{evil}/i"><video src="{evil}/v"></video>'
        f'<svg><image href="{evil}/g"/></svg><a href="javascript:x()">a</a><style>@import "{evil}/c"</style>'
        f'<iframe src="{evil}/f"></iframe><object data="{evil}/o"></object><link href="{evil}/l" rel="stylesheet"></p>'
    )
    said = fresh.liar.creates(fresh.marie, fresh.bridge, name="Lies", content=content)
    fresh.takes(said, stream=3, activity=2, out_entry=2, space=1, turn=1, thread=1, post=1)
    victim = fresh.victim
    victim.identity.set_password(fresh.world.ines.id, "une phrase de passe longue")
    browser = victim.browser()
    browser.sign_in(fresh.world.ines)
    fresh.look()
    answer = browser.get(
        f"/threads/{victim.fact('SELECT key FROM thread WHERE title = :title', title='Lies')}"
    )
    fresh.reads()
    assert "Bonjour" in answer.text
    assert "evil" not in answer.text
    assert "javascript:" not in answer.text
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "img-src 'self'" in policy


@pytest.mark.advisory("C8")
def test_an_answer_to_a_request_of_another_space_changes_nothing(fence: Fence) -> None:
    said = fence.liar.says(
        "Reject",
        actor=fence.nords,
        audience=fence.nords,
        object={"id": f"{fence.victim.origin}/a/{new_id()}", "type": "Join", "actor": fence.ines},
    )
    fence.refuses("out-of-scope", said)
