"""The failures of Mattermost's shared channels, each said to our door by a partner with a good key and a good proof.

Each is the same sentence: the remote is known, but nobody asked whether this remote may touch this space, this person,
this post. Source: SECURITY 1.C.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event, text

from federation import proofs
from federation.activity import CONTEXT, new_id
from node.core import hot
from node.exchange import service
from node.spaces.services import reading, sharing
from tests.attacks.fence import Fence
from tests.attacks.peer import Said
from tests.node.identity.houses import Browser

#: What a document of a person of ours says.
KNOWN_OF_A_PERSON = frozenset(
    {
        "@context",
        "id",
        "type",
        "name",
        "preferredUsername",
        "inbox",
        "outbox",
        "assertionMethod",
        "org",
        "proof",
    }
)


@pytest.mark.advisory("C1")
def test_cve_2024_41144_a_partner_writes_into_a_space_that_is_not_shared_with_it(fence: Fence) -> None:
    liar, marie, side = fence.liar, fence.marie, fence.side
    changed = liar.note(marie, side, id=fence.posts["side"])
    fence.refuses("out-of-scope", liar.creates(marie, side))
    fence.refuses("out-of-scope", liar.says("Update", actor=marie, audience=side, object=changed))
    fence.refuses("out-of-scope", liar.says("Delete", actor=marie, audience=side, object=fence.posts["side"]))
    fence.refuses("out-of-scope", liar.says("Delete", audience=side, object=fence.posts["side"]))
    fence.refuses("out-of-scope", liar.says("Like", actor=marie, audience=side, object=fence.posts["side"]))
    fence.refuses("out-of-scope", liar.says("Join", actor=marie, audience=side, object=side))


@pytest.mark.advisory("C1")
def test_a_space_named_by_the_object_alone_is_not_the_space_of_the_activity(fence: Fence) -> None:
    liar, marie = fence.liar, fence.marie
    elsewhere = liar.note(marie, fence.side)
    fence.refuses("out-of-scope", liar.says("Create", actor=marie, audience=fence.bridge, object=elsewhere))
    fence.refuses(
        "out-of-scope", liar.says("Delete", actor=marie, audience=fence.bridge, object=fence.posts["quiet"])
    )
    fence.refuses(
        "out-of-scope", liar.says("Like", actor=marie, audience=fence.bridge, object=fence.posts["side"])
    )


@pytest.mark.advisory("C1")
def test_cve_2024_39837_a_partner_makes_no_space_at_our_house(fence: Fence) -> None:
    """Neither of a name on our origin, nor by speaking as one; nor do its own come in by being named."""
    liar = fence.liar
    for space in (f"{fence.victim.origin}/spaces/{new_id()}", liar.new("spaces")):
        group = {"id": space, "type": "Group", "name": "Made here", "attributedTo": liar.node}
        for verb, members in (
            ("Create", {"object": group}),
            ("Create", {"object": group, "audience": fence.bridge}),
            ("Announce", {"object": group, "audience": space, "rev": 1}),
            ("Add", {"object": fence.ines, "target": f"{space}/members", "audience": space}),
            ("Join", {"object": space, "audience": space}),
        ):
            for actor in (liar.node, fence.marie):
                said = liar.says(verb, actor=actor, **members)
                assert said.problem in {"out-of-scope", "malformed"}, (verb, actor)
                fence.refuses(said.problem, said)


@pytest.mark.advisory("C1")
def test_cve_2024_29977_a_partner_reacts_to_nothing_that_it_does_not_see(fence: Fence) -> None:
    """To a post of another space, whatever space it says; and in nobody's name but its people's."""
    liar, marie = fence.liar, fence.marie
    for post in ("side", "quiet"):
        for space in (fence.bridge, fence.side, fence.quiet, fence.nords):
            said = liar.says("Like", actor=marie, audience=space, object=fence.posts[post])
            fence.refuses("out-of-scope", said)
    for actor in (fence.ines, fence.owen):
        like = {"audience": fence.bridge, "object": fence.posts["marie"]}
        fence.refuses("bad-proof", liar.says("Like", actor=actor, key=liar.key(liar.node), **like))
        undone = {"id": liar.new("a"), "type": "Like", "actor": actor, "object": fence.posts["marie"]}
        fence.refuses("out-of-scope", liar.says("Undo", actor=marie, audience=fence.bridge, object=undone))


@pytest.mark.advisory("C2")
def test_cve_2026_4274_who_is_in_one_space_hears_of_no_other(fence: Fence) -> None:
    """Nothing that was ever sent to a partner, or answered, names a space that it is not in, or what stands there."""
    kept = (fence.quiet, fence.side, fence.posts["quiet"], fence.posts["side"])
    secret = [each.rpartition("/")[2].encode() for each in kept] + [b"Entre nous", "À côté".encode()]
    sent = [request.body for origin, request, _ in fence.net.heard if origin == fence.liar.origin]
    answered = [
        response.body
        for origin, request, response in fence.net.heard
        if origin == fence.victim.origin and fence.liar.origin in str(request.headers.get("signature-input"))
    ]
    assert any(fence.bridge.encode() in each for each in sent)
    assert answered
    assert [word for word in secret for each in (*sent, *answered) if word in each] == []


@pytest.mark.advisory("C2")
def test_cve_2024_39274_a_local_space_is_answered_like_one_that_is_not_there(fence: Fence) -> None:
    absent = f"{fence.victim.origin}/spaces/{new_id()}"
    for verb in ("Create", "Join", "Leave", "Follow", "Delete"):
        words = [_words(_in_space(fence, verb, space)) for space in (fence.quiet, fence.side, absent)]
        if verb != "Follow":  # to knock, the name of a space is enough
            assert words[0] == words[1] == words[2], words
        fence.look()


def _in_space(fence: Fence, verb: str, space: str) -> Said:
    liar, marie = fence.liar, fence.marie
    if verb == "Create":
        return liar.creates(marie, space)
    return liar.says(
        verb, actor=marie, audience=space, object=fence.posts["quiet"] if verb == "Delete" else space
    )


def _words(said: Said) -> Any:
    (refused,) = json.loads(said.response.body)["exceptions"] or [{}]
    return {name: value for name, value in refused.get("problem", {}).items() if name != "instance"}


def _person(fence: Fence, actor: str, **members: Any) -> dict[str, Any]:
    """A document of this person as the liar would like it."""
    key = fence.liar.key(actor)
    node = fence.liar.key(fence.liar.node)
    plain = {
        "@context": list(CONTEXT),
        "id": actor,
        "type": "Person",
        "name": "Somebody else",
        "preferredUsername": "somebody",
        "assertionMethod": [
            {
                "id": key.key_id,
                "type": "Multikey",
                "controller": actor,
                "publicKeyMultibase": key.public.multibase,
            }
        ],
        **members,
    }
    return proofs.sign(plain, node, fence.liar.moment)


@pytest.mark.advisory("C3")
def test_cve_2024_36492_a_partner_changes_people_of_ours(fence: Fence) -> None:
    for actor in (fence.ines, fence.owen, fence.victim.iri, fence.world.leroux.iri):
        fence.refuses("out-of-scope", fence.liar.says("Update", object=_person(fence, actor)))


@pytest.mark.advisory("C3")
def test_a_space_of_a_partner_introduces_nobody_of_ours(fence: Fence) -> None:
    for actor in (fence.ines, fence.owen):
        said = fence.liar.says(
            "Announce", actor=fence.nords, audience=fence.nords, object=_person(fence, actor)
        )
        fence.refuses("out-of-scope", said)


@pytest.mark.advisory("C4")
def test_cve_2024_41926_the_home_of_a_person_is_its_origin_and_nothing_it_says(fresh: Fence) -> None:
    liar, paul = fresh.liar, fresh.liar.new("people")
    lies = {
        "node": fresh.victim.iri,
        "homeNode": fresh.victim.iri,
        "organisation": "Aubier",
        "url": fresh.ines,
    }
    _comes_in(fresh, _person(fresh, paul, name="Paul", **lies))
    home = fresh.victim.fact(
        "SELECT node FROM organisation JOIN participant ON organisation.id = organisation_id WHERE iri = :iri",
        iri=paul,
    )
    assert home == liar.node
    assert fresh.victim.fact("SELECT person_id FROM participant WHERE iri = :iri", iri=paul) is None


def _comes_in(fence: Fence, person: dict[str, Any]) -> None:
    """Whom the liar makes known by this document joins the bridge: one more person there, and nothing else."""
    liar, bridge = fence.liar, fence.bridge
    said = liar.says("Update", object=person)
    fence.takes(said, stream=1, activity=1, remote_actor=1, remote_key=1)
    said = liar.says("Join", actor=person["id"], audience=bridge, object=bridge)
    of_the_space = {"stream": 3, "activity": 4, "out_entry": 4, "space": 1, "turn": 1}
    fence.takes(said, introduction=1, participant=1, member=1, **of_the_space)


@pytest.mark.advisory("C5")
def test_cve_2024_39839_a_name_of_ours_is_shown_with_the_domain_it_came_from(fresh: Fence) -> None:
    handle = f"ines@{fresh.victim.host}"
    twin = fresh.liar.new("people")
    _comes_in(fresh, _person(fresh, twin, name="Inès Le Goff", preferredUsername=handle))
    page = _page(fresh, f"/spaces/{fresh.victim.key_of(fresh.bridge)}/members")
    twins = re.findall(r'class="who">Inès Le Goff(.*?)</th>', page, re.DOTALL)
    assert len(twins) == 2
    assert [("Nord Acier" in each, "(external)" in each) for each in twins] == [(False, False), (True, True)]
    assert handle not in page


def _page(fence: Fence, path: str) -> str:
    victim = fence.victim
    victim.identity.set_password(fence.world.ines.id, "une phrase de passe longue")
    browser = victim.browser()
    browser.sign_in(fence.world.ines)
    fence.look()
    shown = browser.get(path).text
    fence.reads()
    return shown


@pytest.mark.advisory("C6")
def test_cve_2024_39832_our_own_failure_costs_nothing_that_was_there(fresh: Fence) -> None:
    """A failure at each statement in turn that writes, of whatever a partner may say."""
    invited = _invitations(fresh)
    fresh.may_leave = frozenset({"retention.settle"})
    fresh.liar.take_over()
    fresh.look()
    for name, document in (*_in_our_space(fresh), *_in_its_space(fresh), *invited, *_of_people(fresh)):
        number = 0
        said, failed = _delivered(fresh, document, number)
        while failed:
            fresh.fails()
            fresh.liar.take_over()
            number += 1
            said, failed = _delivered(fresh, document, number)
        assert (said.outcomes, number >= 1) == ([("processed", "")], True), (name, number, said.outcomes)
        fresh.look()


def _in_our_space(fence: Fence) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each verb of a member of the bridge."""
    liar, marie, bridge, post = fence.liar, fence.marie, fence.bridge, fence.posts["marie"]
    like = liar.writes("Like", actor=marie, audience=bridge, object=fence.posts["ines"])
    undone = {name: like[name] for name in ("id", "type", "actor", "object")}
    said: tuple[tuple[str, dict[str, Any]], ...] = (
        ("Create", {"object": liar.note(marie, bridge)}),
        ("Update", {"object": liar.note(marie, bridge, id=post)}),
        ("Undo", {"object": undone}),
        ("Delete", {"object": post}),
        ("Leave", {"object": bridge}),
        ("Join", {"object": bridge}),
        ("Follow", {"object": fence.side, "audience": fence.side}),
    )
    yield "Like", like
    for verb, members in said:
        yield verb, liar.writes(verb, actor=marie, **{"audience": bridge, **members})


def _in_its_space(fence: Fence) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each verb as the host of a space announces it."""
    liar, marie, nords = fence.liar, fence.marie, fence.nords
    note = liar.note(marie, nords)
    like = liar.writes("Like", actor=marie, audience=nords, object=fence.posts["ines at nord"])
    undone = {name: like[name] for name in ("id", "type", "actor", "object")}
    inside = (
        liar.writes("Create", actor=marie, audience=nords, object=note),
        liar.writes("Update", actor=marie, audience=nords, object={**note, "content": "<p>Two</p>"}),
        like,
        liar.writes("Undo", actor=marie, audience=nords, object=undone),
        liar.writes("Delete", actor=marie, audience=nords, object=note["id"]),
    )
    first = int(fence.victim.fact("SELECT rev FROM space WHERE iri = :iri", iri=nords)) + 1
    for rev, each in enumerate(inside, first):
        yield f"Announce {each['type']}", liar.announces(nords, each, rev)


def _of_people(fence: Fence) -> Iterator[tuple[str, dict[str, Any]]]:
    """Somebody new, and somebody known with another name."""
    liar = fence.liar
    for actor in (liar.new("people"), fence.marie):
        yield "Update person", liar.writes("Update", object=_person(fence, actor))


def _invitations(fence: Fence) -> list[tuple[str, dict[str, Any]]]:
    """What the liar's house rightly says when it takes an invitation into a space of ours, and when it invites into
    one of its own: it said so to nobody yet.
    """
    victim, nord, marie = fence.victim, fence.world.nord, fence.world.marie
    victim.share(fence.world.ines, victim.key_of(fence.quiet), nord)
    with nord.ground.database.reading() as session:
        offer = reading.offered(session)[0]
        known = session.execute(text("SELECT max(id) FROM activity")).scalar_one()
    sharing.answer(nord.ground, nord.by(marie), offer.key, accept=True)
    space = nord.space(marie, "Neuf")
    sharing.share(nord.ground, nord.by(marie), space, nord.partner(victim).key, "all")
    with nord.ground.database.reading() as session:
        query = "SELECT iri FROM activity JOIN out_entry ON id = activity_id WHERE id > :known ORDER BY seq"
        new = session.execute(text(query), {"known": known}).scalars().all()
    with service.open_reading(nord.ground) as work:
        said = [work.journal.get(iri) for iri in new]
    return [(each.type, json.loads(each.raw)) for each in said if each is not None]


def _delivered(fence: Fence, document: dict[str, Any], number: int) -> tuple[Said, list[str]]:
    """What the liar is answered while the statement of this number fails; and that statement, if there was one."""
    with _failing(fence, number) as failed:
        return fence.liar.delivers(document), failed


@contextmanager
def _failing(fence: Fence, number: int) -> Iterator[list[str]]:
    """Inside, the statement of this number that writes fails, whichever way it goes; gives the one that did."""
    failed: list[str] = []
    counted = itertools.count()
    engine, form = fence.victim.ground.database.engine, hot.Hot._form

    def fail(statement: str) -> None:
        if statement.startswith(("INSERT", "UPDATE", "DELETE")) and next(counted) == number:
            failed.append(statement)
            raise OSError("disk I/O error")

    def of_the_engine(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        fail(statement)

    def of_the_driver(self: hot.Hot, *of: Any) -> Any:
        made = form(self, *of)
        fail(made.sql)
        return made

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(hot.Hot, "_form", of_the_driver)
        event.listen(engine, "before_cursor_execute", of_the_engine)
        try:
            yield failed
        finally:
            event.remove(engine, "before_cursor_execute", of_the_engine)


@pytest.mark.advisory("C7")
def test_cve_2024_41162_a_partner_changes_the_settings_of_a_space_of_ours(fence: Fence) -> None:
    liar, bridge = fence.liar, fence.bridge
    group = {"id": bridge, "type": "Group", "name": "Ours now", "readOnly": True}
    roster = {
        "id": f"{bridge}/roster",
        "type": "Roster",
        "attributedTo": bridge,
        "version": 99,
        "previousVersion": None,
        "nodes": [],
        "members": [],
    }
    for actor in (liar.node, fence.marie):
        fence.refuses("out-of-scope", liar.says("Update", actor=actor, object=group))
        fence.refuses("out-of-scope", liar.says("Update", actor=actor, audience=bridge, object=group))
        fence.refuses("out-of-scope", liar.says("Update", actor=actor, audience=bridge, object=roster))


@pytest.mark.advisory("C8")
def test_cve_2024_39777_nothing_is_accepted_that_was_never_asked(fence: Fence) -> None:
    liar = fence.liar
    never = f"{fence.victim.origin}/a/{new_id()}"
    for kind in ("Invite", "Offer"):
        asked = {"id": never, "type": kind, "actor": fence.bridge, "object": fence.bridge}
        fence.refuses("out-of-scope", liar.says("Accept", object=asked))
        fence.refuses("out-of-scope", liar.says("Reject", object=asked))
    for kind in ("Join", "Follow"):
        asked = {"id": never, "type": kind, "actor": fence.ines, "object": fence.nords}
        said = liar.says("Accept", actor=fence.marie, audience=fence.nords, object=asked)
        fence.refuses("out-of-scope", said)
        fence.refuses(
            "out-of-scope", liar.says("Reject", actor=fence.nords, audience=fence.nords, object=asked)
        )


@pytest.mark.advisory("C8")
def test_an_invitation_into_a_space_of_ours_exposes_nothing(fence: Fence) -> None:
    liar = fence.liar
    for space in (fence.quiet, fence.bridge, fence.side):
        group = {"id": space, "type": "Group", "name": "Come in"}
        for actor in (liar.node, fence.nords, fence.marie):
            said = liar.says("Invite", actor=actor, object=group, target=fence.victim.iri)
            fence.refuses("out-of-scope", said)


@pytest.mark.advisory("C9")
def test_cve_2024_39836_people_of_partners_have_no_account_here(fence: Fence) -> None:
    victim = fence.victim
    with victim.ground.database.reading() as session:
        remote = session.execute(text("SELECT count(*) FROM participant WHERE person_id IS NULL")).scalar()
        local = session.execute(text("SELECT count(*) FROM person")).scalar()
    assert (remote, local) == (2, 1)
    for name in ("marie.lenoir", "Marie Lenoir", fence.marie, "owen.hart", fence.owen):
        browser = Browser(victim)
        answer = browser.post("/signin", {"name": name, "password": "une phrase de passe longue"})
        assert answer.status_code != 303
        assert not browser.is_in()
    tried = fence._changed_only(frozenset({"audit", "sign_in_attempt"}))
    assert len(tried["sign_in_attempt"]) == 5
    for table in ("session", "credential", "token", "one_time_link"):
        remotes = victim.fact(f"SELECT count(*) FROM {table} WHERE person_id NOT IN (SELECT id FROM person)")
        assert remotes == 0, table


@pytest.mark.advisory("C10")
def test_cve_2024_32939_no_address_of_a_person_leaves_the_house(fresh: Fence) -> None:
    victim, canary = fresh.victim, "canary.of.ines@example.org"
    with victim.ground.database.writing() as session:
        session.execute(text("UPDATE person SET email = :canary"), {"canary": canary})
    fresh.look()
    asked = (fresh.ines, fresh.bridge, f"{fresh.bridge}/roster", fresh.posts["ines"], victim.iri)
    said = [fresh.liar.gets(iri).body for iri in asked]
    assert fresh.liar.gets(fresh.ines).status == 200
    said.append(fresh.liar.gets(f"/.well-known/webfinger?resource=acct:ines.le.goff@{victim.host}").body)
    fresh.unchanged()
    with victim.ground.database.reading() as session:
        said += [str(row).encode() for row in session.execute(text("SELECT * FROM actor"))]
    assert [each for each in said if canary.encode() in each or b"canary" in each] == []


@pytest.mark.advisory("C10")
def test_cve_2025_9076_of_a_person_a_partner_learns_a_name_and_keys(fence: Fence) -> None:
    person = json.loads(fence.liar.gets(fence.ines).body)
    assert set(person) == KNOWN_OF_A_PERSON
    fence.unchanged()


@pytest.mark.advisory("C11")
def test_cve_2025_49222_a_digest_is_no_key_to_a_file(fence: Fence) -> None:
    """There are no upload sessions: a file comes by its digest, to those who read the post that names it."""
    for digest in ("a" * 64, "0" * 43, "../../parvis.db", "%2e%2e"):
        fence.hides(f"/files/{digest}", absent=f"/files/{'b' * 64}")


@pytest.mark.advisory("C12")
def test_cve_2026_28759_a_partner_takes_out_people_who_are_not_its_own(fence: Fence) -> None:
    liar, bridge = fence.liar, fence.bridge
    members = f"{bridge}/members"
    for actor in (liar.node, fence.marie):
        for person in (fence.ines, fence.owen):
            said = liar.says("Remove", actor=actor, audience=bridge, object=person, target=members)
            fence.refuses("out-of-scope", said)
        said = liar.says("Remove", actor=actor, audience=fence.side, object=fence.owen, target=members)
        fence.refuses("out-of-scope", said)
    fence.refuses("not-member", liar.says("Leave", audience=bridge, object=bridge))


@pytest.mark.advisory("C13")
def test_cve_2026_4273_the_secret_of_an_invitation_is_dead_after_the_peering(fence: Fence) -> None:
    """The acceptance that made the partner, said once more, and with other words under the same secret."""
    accepted = next(
        request
        for origin, request, _ in fence.net.heard
        if origin == fence.victim.origin and b"inviteBinding" in request.body
    )
    again = json.loads(accepted.body)
    again["id"] = fence.liar.new("a")
    del again["proof"]
    forged = proofs.sign(again, fence.liar.key(fence.liar.node), fence.liar.moment)
    said = fence.liar.posts(forged)
    assert said.response.status in {401, 403, 404, 409, 410, 422}, said.response.body
    fence.recorded()


@pytest.mark.advisory("C14")
def test_cve_2025_13324_an_invitation_is_used_once_and_by_the_one_invited(fence: Fence) -> None:
    """An answer to a space's invitation is the invited organisation's alone, and only while it is open."""
    with fence.victim.ground.database.reading() as session:
        invites = session.execute(text("SELECT activity FROM invitation WHERE outgoing")).scalars().all()
    assert len(invites) == 3
    for invite in invites:
        asked = {"id": invite, "type": "Invite", "actor": fence.bridge, "object": fence.bridge}
        fence.refuses("out-of-scope", fence.liar.says("Accept", object=asked))
        fence.refuses("out-of-scope", fence.other.says("Accept", object=asked), by=fence.other)


@pytest.mark.advisory("C14")
def test_who_enters_with_an_invitation_brings_one_of_his_own(fence: Fence) -> None:
    """Somebody else's, one that was used, and one that never was."""
    with fence.victim.ground.database.reading() as session:
        invites = session.execute(text("SELECT activity FROM invitation")).scalars().all()
    for instrument in (*invites, f"{fence.victim.origin}/a/{new_id()}", {"id": fence.posts["ines"]}, 5, []):
        said = fence.liar.says(
            "Join", actor=fence.marie, audience=fence.bridge, object=fence.bridge, instrument=instrument
        )
        fence.refuses("out-of-scope", said)
