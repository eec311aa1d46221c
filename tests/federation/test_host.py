"""What the host of a space may not bring to its members: said at their door, by a host that lies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from federation import documents, roster
from federation.activity import CONTEXT, Document, new_id
from federation.keys import PublicKey, SigningKey
from federation.ports import TOMBSTONE, FormerNode, MemberNode, Role, State
from federation.proofs import sign
from tests.federation.world import Node, Worlds, effects, peer, post_batch, problem_of

MISSING_REV = 10**15


@dataclass
class Liar:
    """North, whose space it is, towards south."""

    world: Worlds

    @property
    def space(self) -> str:
        return self.world.space

    @property
    def next_rev(self) -> int:
        return self.world.south.store.rows.spaces[self.space].space.rev + 1

    def said(self, node: Node, actor: str, key: SigningKey | None = None, **members: Any) -> Document:
        """An activity in the space, proved by its actor."""
        document = {
            "@context": list(CONTEXT),
            "id": f"{node.settings.origin}/a/{new_id()}",
            "type": "Create",
            "actor": actor,
            "audience": self.space,
            "to": [self.space],
            "published": self.world.clock.moment,
            "salt": new_id(),
            "object": node.note(actor, self.space, "words"),
            **members,
        }
        document = {name: value for name, value in document.items() if value is not ...}
        return sign(document, key or node.store.signers[actor], self.world.clock.moment)

    def by_elsa(self, **members: Any) -> Document:
        return self.said(self.world.east, self.world.elsa, **members)

    def by_anna(self, **members: Any) -> Document:
        return self.said(self.world.north, self.world.anna, **members)

    def announce(self, inner: Any, **members: Any) -> Document:
        return self.said(
            self.world.north,
            self.space,
            **{"type": "Announce", "object": inner, "rev": self.next_rev, "to": [self.space], **members},
        )

    def tell(self, document: Document) -> Document:
        """Send it to south; what its receipt says of the line."""
        response, receipt = post_batch(self.world.north, self.world.south, [documents.dumps(document)])
        assert response.status == 200, receipt
        exceptions: list[Document] = receipt["exceptions"]
        return exceptions[0] if exceptions else {"outcome": "processed"}

    def tells(self, inner: Any, **members: Any) -> Document:
        return self.tell(self.announce(inner, **members))

    def roster(self, **changes: Any) -> Document:
        """The next version of the roster, changed."""
        row = self.world.south.store.rows.spaces[self.space]
        members = [roster.Member(actor, role) for actor, role in row.members.items()]
        key = changes.pop("key", self.world.north.key)
        written = roster.write(
            self.space,
            row.space.roster_version + 1,
            row.roster,
            row.nodes,
            members,
            self.world.north.key,
            self.world.clock.moment,
        )
        return sign({**written.document, **changes}, key, self.world.clock.moment)

    def new_roster(self, **changes: Any) -> Document:
        return self.said(self.world.north, self.space, type="Update", object=self.roster(**changes))


@pytest.fixture
def liar(worlds: Worlds) -> Liar:
    return Liar(worlds)


def _row(liar: Liar) -> Any:
    return liar.world.south.store.rows.spaces[liar.space]


def test_what_a_space_accepted_is_taken_in_its_place(liar: Liar) -> None:
    assert liar.tells(liar.by_elsa()) == {"outcome": "processed"}
    assert liar.tells(liar.by_anna()) == {"outcome": "processed"}
    assert liar.world.south.texts(liar.space) == ["words", "words"]


def test_what_a_space_announces_is_covered_where_the_charter_lists_the_space_alone(liar: Liar) -> None:
    south, north = liar.world.south, liar.world.north
    agreement = south.relation(north).agreement
    assert agreement is not None
    for listed, outcome in ((f"{liar.space}x", "rejected"), (liar.space, "processed")):
        scope = {**agreement["scope"], "spaces": [{"id": listed}], "allowNewSpaces": "none"}
        south.store.rows.relations[north.iri] = replace(
            south.relation(north), agreement={**agreement, "scope": scope}
        )
        assert liar.tells(liar.by_anna())["outcome"] == outcome


def _stranger(liar: Liar) -> Document:
    west = Node("west", liar.world.clock)
    return liar.said(west, west.person("Wim"))


def _altered(liar: Liar) -> Document:
    said = liar.by_elsa()
    said["object"]["content"] = "<p>other words</p>"
    return said


def _forged(liar: Liar) -> Document:
    return liar.by_elsa(key=SigningKey.generate(f"{liar.world.elsa}#ed25519"))


def _unheard_of(liar: Liar) -> Document:
    return liar.said(liar.world.east, liar.world.east.person("Emil"))


INSIDE: dict[str, tuple[Callable[[Liar], Any], str]] = {
    "words of a node that is not on the roster": (_stranger, "out-of-scope"),
    "altered words": (_altered, "bad-proof"),
    "words under a forged key": (_forged, "bad-proof"),
    "words of somebody never introduced": (_unheard_of, "unknown-actor"),
    "words without a proof": (
        lambda liar: {k: v for k, v in liar.by_elsa().items() if k != "proof"},
        "bad-proof",
    ),
    "words in another space": (lambda liar: liar.by_elsa(audience=f"{liar.space}x"), "out-of-scope"),
    "an object in another space": (
        lambda liar: liar.by_elsa(
            object=liar.world.east.note(liar.world.elsa, f"{liar.space}x", "words"),
        ),
        "out-of-scope",
    ),
    "an object of another author": (
        lambda liar: liar.by_elsa(object=liar.world.east.note(liar.world.anna, liar.space, "words")),
        "out-of-scope",
    ),
    "an id on another origin": (lambda liar: liar.by_elsa(id="https://north.example/a/x"), "out-of-scope"),
    "a type outside the charter": (
        lambda liar: liar.by_elsa(
            object=liar.world.east.note(liar.world.elsa, liar.space, "x", type="Event")
        ),
        "out-of-scope",
    ),
    "another Announce": (lambda liar: liar.announce(liar.by_elsa()), "out-of-scope"),
    "a Follow": (lambda liar: liar.by_elsa(type="Follow", object=liar.space), "out-of-scope"),
    "an Offer": (
        lambda liar: liar.said(
            liar.world.north,
            liar.world.north.iri,
            type="Offer",
            object={**liar.world.north.draft(liar.world.south), "audience": liar.space},
        ),
        "out-of-scope",
    ),
    "an introduction in an order": (
        lambda liar: liar.said(
            liar.world.north,
            liar.world.north.iri,
            type="Update",
            object=liar.world.north.store.rows.documents[liar.world.anna],
        ),
        "out-of-scope",
    ),
    "nothing but an IRI": (lambda liar: f"{liar.world.north.settings.origin}/a/1", "malformed"),
    "no activity": (lambda liar: {"type": "Note"}, "malformed"),
}


@pytest.mark.parametrize("case", INSIDE, ids=str)
def test_refuses_an_announce_of(liar: Liar, case: str) -> None:
    make, problem = INSIDE[case]
    inner = make(liar)
    before = effects(liar.world.south)
    if case == "nothing but an IRI":
        assert liar.tells(inner)["outcome"] == "rejected"
    else:
        assert problem_of(liar.tells(inner)) == problem
    assert effects(liar.world.south) == before
    assert liar.tells(liar.by_elsa()) == {"outcome": "processed"}


AROUND: dict[str, tuple[dict[str, Any], str]] = {
    "no rev": ({"rev": ...}, "malformed"),
    "a rev that another has": ({"rev": 2}, "replay"),
    "a rev out of all order": ({"rev": MISSING_REV}, "sequence-gap"),
    "a rev that is a text": ({"rev": "1"}, "malformed"),
    "a rev that is true": ({"rev": True}, "malformed"),
    "no space": ({"audience": ...}, "out-of-scope"),
    "an unknown space": ({"audience": "https://north.example/spaces/none"}, "out-of-scope"),
}


@pytest.mark.parametrize("case", AROUND, ids=str)
def test_refuses_an_announce_with(liar: Liar, case: str) -> None:
    members, problem = AROUND[case]
    before = effects(liar.world.south)
    assert problem_of(liar.tells(liar.by_elsa(), **members)) == problem
    assert effects(liar.world.south) == before


def test_a_jump_opens_holes_that_later_lines_fill_once(liar: Liar) -> None:
    first = liar.next_rev
    assert liar.tells(liar.by_elsa(), rev=first + 2)["outcome"] == "processed"
    assert _row(liar).missing == {first, first + 1}
    assert liar.tells(liar.by_elsa(), rev=first)["outcome"] == "processed"
    assert _row(liar).missing == {first + 1}
    assert problem_of(liar.tells(liar.by_elsa(), rev=first)) == "replay"


def test_refuses_to_hear_the_same_words_twice(liar: Liar) -> None:
    said = liar.by_elsa()
    assert liar.tells(said)["outcome"] == "processed"
    assert problem_of(liar.tells(said)) == "replay"
    other = liar.by_elsa(id=said["id"])
    assert problem_of(liar.tells(other)) == "replay"


def test_refuses_our_own_words_with_another_body(liar: Liar) -> None:
    world = liar.world
    posted = world.south.say(
        world.sven,
        {"type": "Create", "object": world.south.note(world.sven, liar.space, "mine")},
        liar.space,
    )
    other = liar.said(world.south, world.sven, id=posted.id)
    assert problem_of(liar.tells(other)) == "replay"
    assert liar.tells(posted.document)["outcome"] == "processed"


def test_refuses_an_announce_in_a_space_of_another_host(liar: Liar) -> None:
    rows = liar.world.south.store.rows
    rows.spaces[liar.space].space = replace(rows.spaces[liar.space].space, host=liar.world.east.iri)
    assert problem_of(liar.tells(liar.by_elsa())) == "out-of-scope"


def test_a_member_who_is_said_to_speak_directly_is_refused(liar: Liar) -> None:
    assert problem_of(liar.tell(liar.by_anna())) == "out-of-scope"
    assert problem_of(liar.tell(liar.new_roster())) == "out-of-scope"


def test_refuses_words_after_we_were_taken_out(liar: Liar) -> None:
    world = liar.world
    world.north.write_roster(liar.space, remove=world.south)
    world.north.deliver(world.south)
    assert problem_of(liar.tells(liar.by_elsa())) == "out-of-scope"
    with pytest.raises(Exception, match="roster"):
        world.south.post(world.sven, liar.space, "still here")


# -- rosters

ROSTERS: dict[str, tuple[Callable[[Liar], dict[str, Any]], str]] = {
    "of another space": (lambda liar: {"attributedTo": f"{liar.space}x"}, "out-of-scope"),
    "by another key": (
        lambda liar: {"key": SigningKey.generate(f"{liar.world.north.iri}#ed25519")},
        "bad-proof",
    ),
    "by the space instead of its node": (
        lambda liar: {"key": liar.world.north.store.signers[liar.space]},
        "bad-proof",
    ),
    "that does not name the one before": (lambda liar: {"previousVersion": None}, "roster-outdated"),
    "of the version in force": (
        lambda liar: {"version": _row(liar).space.roster_version},
        "roster-outdated",
    ),
    "that leaves a version out": (
        lambda liar: {"version": _row(liar).space.roster_version + 2},
        "roster-outdated",
    ),
    "whose version is true": (lambda _: {"version": True}, "malformed"),
    "without organisations": (lambda _: {"nodes": []}, "malformed"),
    "that begins with a member": (lambda liar: {"nodes": liar.roster()["nodes"][::-1]}, "malformed"),
    "with an organisation twice": (
        lambda liar: {"nodes": [*liar.roster()["nodes"], liar.roster()["nodes"][1]]},
        "malformed",
    ),
    "with another host": (
        lambda liar: {"nodes": [{**liar.roster()["nodes"][0], "node": "https://west.example/actor"}]},
        "malformed",
    ),
    "with a person twice": (
        lambda liar: {"members": liar.roster()["members"] * 2},
        "malformed",
    ),
    "with a person of nobody": (
        lambda liar: {"members": [{"actor": "https://west.example/people/1", "role": "member"}]},
        "malformed",
    ),
    "with a role that there is not": (
        lambda liar: {"members": [{"actor": liar.world.anna, "role": "owner"}]},
        "malformed",
    ),
    "with a key that is none": (
        lambda liar: {"nodes": [{**liar.roster()["nodes"][0], "key": "z6Mk" + "1" * 44}]},
        "malformed",
    ),
}


@pytest.mark.parametrize("case", ROSTERS, ids=str)
def test_refuses_a_roster(liar: Liar, case: str) -> None:
    changes, problem = ROSTERS[case]
    update = liar.new_roster(**changes(liar))
    before = effects(liar.world.south)
    assert problem_of(liar.tells(update)) == problem
    assert effects(liar.world.south) == before
    assert liar.tells(liar.new_roster())["outcome"] == "processed"


def test_refuses_a_roster_with_another_host_of_the_space(liar: Liar) -> None:
    nodes = liar.roster()["nodes"]
    swapped = [{**nodes[1], "role": "host"}, {**nodes[0], "role": "member"}, nodes[2]]
    assert problem_of(liar.tells(liar.new_roster(nodes=swapped))) == "out-of-scope"


def test_refuses_a_third_organisation_against_the_charter(liar: Liar) -> None:
    _change_scope(liar.world.south, liar.world.north, onwardTransfer="none")
    assert problem_of(liar.tells(liar.new_roster())) == "out-of-scope"


def test_refuses_to_be_put_on_the_roster_of_a_space_that_nobody_accepted(worlds: Worlds) -> None:
    north, south = worlds.north, worlds.south
    space = north.space("Tunnel", worlds.anna)
    north.share(space, south)
    north.write_roster(space, add=south)
    north.deliver(south)
    assert not south.store.rows.spaces[space].space.active
    assert worlds.anna not in south.store.rows.spaces[space].members


def _change_scope(node: Node, other: Node, **changes: Any) -> None:
    relation = node.relation(other)
    agreement = relation.agreement
    assert agreement is not None
    changed = {**agreement, "scope": {**agreement["scope"], **changes}}
    node.store.rows.relations[other.iri] = replace(relation, agreement=changed)


# -- introductions


def _introduced(liar: Liar, document: Document, **members: Any) -> Document:
    return liar.tell(liar.announce(document, rev=..., **members))


def _actor(node: Node, iri: str, key: SigningKey | None = None, **changes: Any) -> Document:
    known = node.store.rows.documents[iri]
    return sign({**known, **changes}, key or node.key, node.clock.moment)


def test_a_space_introduces_people_of_the_organisations_on_its_roster(liar: Liar) -> None:
    emil = liar.world.east.person("Emil")
    assert _introduced(liar, _actor(liar.world.east, emil))["outcome"] == "processed"
    assert emil in liar.world.south.store.rows.documents


def test_the_roster_says_the_key_of_a_node_and_not_its_name(liar: Liar) -> None:
    east = liar.world.east
    emil = east.person("Emil")
    renamed = SigningKey.from_raw(east.key.raw(), f"{east.iri}#of-2026")
    assert _introduced(liar, _actor(east, emil, key=renamed))["outcome"] == "processed"
    foreign = SigningKey.from_raw(east.key.raw(), f"{liar.world.north.iri}#of-2026")
    ella = east.person("Ella")
    assert problem_of(_introduced(liar, _actor(east, ella, key=foreign))) == "bad-proof"


@pytest.mark.parametrize("of", ["the host", "another node"])
def test_the_id_of_a_key_is_never_given_to_another_key(liar: Liar, of: str) -> None:
    world = liar.world
    node, person = (world.north, world.anna) if of == "the host" else (world.east, world.elsa)

    def introduced(key: SigningKey) -> Document:
        document = _actor(node, person, assertionMethod=[key.public.method])
        if of == "another node":
            return _introduced(liar, document)
        return liar.tell(liar.said(node, node.iri, type="Update", object=document, audience=...))

    known = world.south.store.rows.documents[person]
    assert problem_of(introduced(SigningKey.generate(f"{person}#ed25519"))) == "replay"
    assert world.south.store.rows.documents[person] == known
    assert introduced(SigningKey.generate(f"{person}#of-2026"))["outcome"] == "processed"
    assert world.south.store.rows.documents[person] != known


def test_a_key_proves_what_was_said_before_its_end_and_nothing_after(liar: Liar) -> None:
    world = liar.world
    early = liar.by_elsa()
    world.clock.advance(60)
    former = world.east.store.signers[world.elsa]
    ended = replace(former.public, expires=world.clock.moment)
    new = SigningKey.generate(f"{world.elsa}#of-2026")
    document = _actor(world.east, world.elsa, assertionMethod=[new.public.method, ended.method])
    assert _introduced(liar, document)["outcome"] == "processed"
    world.clock.advance(60)
    assert problem_of(liar.tells(liar.by_elsa())) == "unknown-actor"
    assert liar.tells(early)["outcome"] == "processed"
    assert liar.tells(liar.by_elsa(key=new))["outcome"] == "processed"


def test_the_key_of_a_node_that_has_ended_introduces_nobody_when_the_roster_names_another(liar: Liar) -> None:
    east, south = liar.world.east, liar.world.south
    south.store.rows.keys[east.key.key_id] = replace(east.key.public, expires="2026-11-01T00:00:00Z")
    _false_key_for_east(liar)
    assert problem_of(_introduced(liar, _actor(east, east.person("Emil")))) == "bad-proof"


INTRODUCTIONS: dict[str, tuple[Callable[[Liar], Document], str]] = {
    "one of our own people": (
        lambda liar: _actor(liar.world.south, liar.world.sven, name="Not Sven"),
        "out-of-scope",
    ),
    "somebody of a node that is not on the roster": (
        lambda liar: _actor(west := Node("west", liar.world.clock), west.person("Wim")),
        "out-of-scope",
    ),
    "somebody under the key of the host": (
        lambda liar: _actor(liar.world.east, liar.world.elsa, key=liar.world.north.key, name="Not Elsa"),
        "bad-proof",
    ),
    "somebody under a key that nobody named": (
        lambda liar: _actor(
            liar.world.east,
            liar.world.elsa,
            key=SigningKey.generate(f"{liar.world.east.iri}#ed25519"),
            name="Not Elsa",
        ),
        "bad-proof",
    ),
    "nobody": (lambda liar: {**_actor(liar.world.east, liar.world.elsa), "id": None}, "malformed"),
}


@pytest.mark.parametrize("case", INTRODUCTIONS, ids=str)
def test_refuses_a_space_that_introduces(liar: Liar, case: str) -> None:
    make, problem = INTRODUCTIONS[case]
    document = make(liar)
    before = effects(liar.world.south)
    assert problem_of(_introduced(liar, document)) == problem
    assert effects(liar.world.south) == before


def test_refuses_an_introduction_with_a_rev_or_outside_a_space(liar: Liar) -> None:
    document = _actor(liar.world.east, liar.world.elsa, name="Elsa E.")
    assert problem_of(liar.tells(document)) == "malformed"
    assert problem_of(_introduced(liar, document, audience=...)) == "out-of-scope"


KEYS: dict[str, Callable[[str, Document], Any]] = {
    "no key": lambda _iri, _key: [],
    "a key that is no list": lambda _iri, key: key,
    "a key of another by its controller": lambda _iri, key: [
        {**key, "controller": "https://north.example/x"}
    ],
    "a key of another by its id": lambda _iri, key: [{**key, "id": "https://east.example/people/x#ed25519"}],
    "a key without a name of its own": lambda iri, key: [{**key, "id": iri}],
    "two keys of one name": lambda _iri, key: [key, key],
    "a key of another kind": lambda _iri, key: [{**key, "type": "JsonWebKey"}],
    "a key of no order": lambda _iri, key: [{**key, "publicKeyMultibase": "z6Mk" + "1" * 44}],
}


@pytest.mark.parametrize("case", KEYS, ids=str)
def test_refuses_an_introduction_with(liar: Liar, case: str) -> None:
    anna = liar.world.anna
    (key,) = liar.world.north.store.rows.documents[anna]["assertionMethod"]
    document = _actor(liar.world.north, anna, assertionMethod=KEYS[case](anna, key))
    introduction = liar.said(
        liar.world.north, liar.world.north.iri, type="Update", object=document, audience=..., to=...
    )
    before = effects(liar.world.south)
    assert problem_of(liar.tell(introduction)) == "malformed"
    assert effects(liar.world.south) == before


def test_a_new_name_of_a_person_of_the_sender_is_learned(liar: Liar) -> None:
    document = _actor(liar.world.north, liar.world.anna, name="Anna A.")
    introduction = liar.said(
        liar.world.north, liar.world.north.iri, type="Update", object=document, audience=...
    )
    assert liar.tell(introduction)["outcome"] == "processed"
    assert liar.world.south.store.rows.documents[liar.world.anna]["name"] == "Anna A."


def _false_key_for_east(liar: Liar) -> tuple[SigningKey, MemberNode]:
    """South takes a roster that names a false key for east."""
    false = SigningKey.generate(f"{liar.world.east.iri}#ed25519")
    row = _row(liar)
    row.nodes = [
        replace(each, key=false.public.multibase) if each.node == liar.world.east.iri else each
        for each in row.nodes
    ]
    return false, row.nodes[2]


def test_a_false_key_on_a_roster_does_not_replace_the_people_whom_we_know(liar: Liar) -> None:
    false, _ = _false_key_for_east(liar)
    document = _actor(liar.world.east, liar.world.elsa, key=false, name="Not Elsa")
    assert problem_of(_introduced(liar, document)) == "bad-proof"


def test_a_false_key_on_a_roster_does_not_count_against_a_partner(liar: Liar) -> None:
    world = liar.world
    peer(world.south, world.east)
    emil = world.east.person("Emil")
    assert _introduced(liar, _actor(world.east, emil))["outcome"] == "processed"
    false, _ = _false_key_for_east(liar)
    ella = world.east.person("Ella")
    assert problem_of(_introduced(liar, _actor(world.east, ella, key=false))) == "bad-proof"
    assert problem_of(liar.tells(liar.by_elsa())) == "bad-proof"


def test_a_roster_that_still_names_the_former_key_of_a_partner_counts(liar: Liar) -> None:
    """The host hears later than we of a new key: what the partner has named itself, it may go on naming."""
    world = liar.world
    peer(world.south, world.east)
    relation = world.south.relation(world.east)
    later = PublicKey(f"{world.east.iri}#later", SigningKey.generate("").public.raw)
    world.south.store.rows.relations[world.east.iri] = replace(relation, keys=(later,))
    assert problem_of(liar.tells(liar.by_elsa())) == "bad-proof"
    named = [
        {
            "id": key.key_id,
            "type": "Multikey",
            "controller": world.east.iri,
            "publicKeyMultibase": key.multibase,
        }
        for key in (later, world.east.key.public)
    ]
    document = {"id": world.east.iri, "assertionMethod": named}
    world.south.store.rows.documents[world.east.iri] = {**document, "assertionMethod": named[:1]}
    assert problem_of(liar.tells(liar.by_elsa())) == "bad-proof"
    world.south.store.rows.documents[world.east.iri] = document
    assert liar.tells(liar.by_elsa())["outcome"] == "processed"


def test_a_node_whose_relation_never_came_to_trust_is_known_by_the_roster_alone(liar: Liar) -> None:
    world = liar.world
    _, link = world.south.invite()
    Node("east", world.clock).accept_invite(link, world.south)  # whoever it is, it has another key
    assert world.south.relation(world.east).state is State.KEYS_EXCHANGED
    assert liar.tells(liar.by_elsa())["outcome"] == "processed"


def test_nothing_of_a_suspended_partner_enters_through_another(liar: Liar) -> None:
    world = liar.world
    peer(world.south, world.east)
    relation = world.south.relation(world.east)
    world.south.store.rows.relations[world.east.iri] = replace(relation, state=State.SUSPENDED)
    assert problem_of(liar.tells(liar.by_elsa())) == "agreement-suspended"
    assert liar.tells(liar.by_anna())["outcome"] == "processed"


# -- what a space may do to what was posted


def test_a_manager_of_one_space_cannot_delete_in_another(liar: Liar) -> None:
    world = liar.world
    own = world.south.space("Own", world.sven)
    world.south.post(world.sven, own, "ours")
    (ours,) = [iri for iri, row in world.south.store.rows.objects.items() if row.stored.audience == own]
    assert problem_of(liar.tells(liar.by_anna(type="Delete", object=ours))) == "out-of-scope"
    assert world.south.texts(own) == ["ours"]


@pytest.mark.parametrize("verb", ["Like", "Update", "Undo"])
def test_refuses_to_touch_what_stands_in_another_space(liar: Liar, verb: str) -> None:
    world = liar.world
    own = world.south.space("Own", world.sven)
    ours = world.south.post(world.sven, own, "ours")
    row = world.south.store.rows.objects[ours]
    row.stored = replace(row.stored, attributed_to=world.anna)
    targets: dict[str, Any] = {
        "Like": ours,
        "Update": {**world.north.note(world.anna, liar.space, "x"), "id": ours},
        "Undo": {
            "id": f"{world.north.settings.origin}/a/l",
            "type": "Like",
            "actor": world.anna,
            "object": ours,
        },
    }
    assert problem_of(liar.tells(liar.by_anna(type=verb, object=targets[verb]))) == "out-of-scope"


UNKNOWN = "https://north.example/o/before-your-time"


@pytest.mark.parametrize("verb", ["Like", "Update", "Undo", "Delete"])
def test_what_is_said_of_a_post_from_before_our_time_has_its_place_and_no_effect(
    liar: Liar, verb: str
) -> None:
    world = liar.world
    targets: dict[str, Any] = {
        "Like": UNKNOWN,
        "Delete": UNKNOWN,
        "Update": {**world.north.note(world.anna, liar.space, "x"), "id": UNKNOWN},
        "Undo": {"type": "Like", "actor": world.anna, "object": UNKNOWN},
    }
    rev = liar.next_rev
    assert liar.tells(liar.by_anna(type=verb, object=targets[verb])) == {"outcome": "processed"}
    assert _row(liar).space.rev == rev
    assert world.south.texts(liar.space) == []


def test_a_post_that_was_deleted_before_we_heard_of_it_stays_away(liar: Liar) -> None:
    world = liar.world
    assert liar.tells(liar.by_anna(type="Delete", object=UNKNOWN))["outcome"] == "processed"
    late = liar.by_anna(object={**world.north.note(world.anna, liar.space, "late"), "id": UNKNOWN})
    assert liar.tells(late) == {"outcome": "processed"}
    assert world.south.texts(liar.space) == []
    assert world.south.store.rows.objects[UNKNOWN].stored.type == TOMBSTONE


def test_refuses_a_second_post_under_the_id_of_another(liar: Liar) -> None:
    first = liar.by_elsa()
    assert liar.tells(first)["outcome"] == "processed"
    again = liar.by_elsa(object={**first["object"], "content": "<p>other</p>"})
    assert problem_of(liar.tells(again)) == "replay"


def test_refuses_a_post_that_becomes_something_else(liar: Liar) -> None:
    first = liar.by_elsa()
    assert liar.tells(first)["outcome"] == "processed"
    other = liar.by_elsa(type="Update", object={**first["object"], "type": "Article"})
    assert problem_of(liar.tells(other)) == "out-of-scope"


def test_the_node_of_an_author_deletes_and_dismisses_for_all(liar: Liar) -> None:
    """The roster names the key of a node that we have no relation with (PROTOCOL 2.f, 2.j)."""
    world = liar.world
    posted = world.east.post(world.elsa, liar.space, "a slip")
    world.settle()
    members = {"audience": liar.space, "to": [liar.space]}
    with world.east.work() as work:
        for document in (
            {"type": "Delete", "object": posted},
            {"type": "Remove", "object": world.elsa, "target": f"{liar.space}/members"},
        ):
            world.east.federation.publish({**members, **document}, world.east.iri, work)
    world.settle()
    for node in (world.north, world.south, world.east):
        assert node.texts(liar.space) == []
        assert world.elsa not in node.store.rows.spaces[liar.space].members


# -- history


def _history(liar: Liar) -> int:
    """South takes part only from rev 100 on; the rev of something before."""
    row = _row(liar)
    row.space = replace(row.space, first_rev=100, rev=100)
    return 50


@pytest.mark.parametrize("verb", ["Join", "Leave", "Add", "Remove"])
def test_old_changes_of_membership_change_nobody_today(liar: Liar, verb: str) -> None:
    world, rev = liar.world, _history(liar)
    old = {"object": world.elsa, "target": f"{liar.space}/members"}
    if verb in {"Join", "Leave"}:  # noqa: SIM108 - reads better
        said = liar.by_elsa(type=verb, object=liar.space)
    else:
        said = liar.by_anna(type=verb, **old)
    row = _row(liar)
    row.members = {world.anna: Role.MANAGER} | ({} if verb in {"Join", "Add"} else {world.elsa: Role.MANAGER})
    before = dict(row.members)
    assert liar.tells(said, rev=rev) == {"outcome": "processed"}
    assert _row(liar).members == before


def test_an_old_roster_is_not_put_in_force(liar: Liar) -> None:
    rev = _history(liar)
    before = _row(liar).roster
    assert liar.tells(liar.new_roster(version=1, previousVersion=None), rev=rev) == {"outcome": "processed"}
    assert _row(liar).roster == before


def test_who_enters_again_takes_a_later_roster_and_its_history(liar: Liar) -> None:
    world = liar.world
    world.north.write_roster(liar.space, remove=world.south)
    world.north.deliver(world.south)
    missed = world.north.post(world.anna, liar.space, "meanwhile")
    world.north.write_roster(liar.space, add=world.south)
    world.north.deliver(world.south)
    row = _row(liar)
    assert row.space.active
    assert row.space.first_rev == row.space.rev
    assert missed not in world.south.store.rows.objects
    with world.north.work() as work:
        activities = work.rows.activities.values()
        old = [
            each
            for each in activities
            if each.type == "Announce" and (each.object or {}).get("actor") == world.anna
        ]
        from federation import outbox

        told = outbox.backfill(
            world.north.relation(world.south),
            liar.space,
            [(each, world.anna) for each in old],
            work,
            world.north.settings,
        )
    assert told == len(old)
    world.north.deliver(world.south)
    assert world.south.texts(liar.space) == ["meanwhile"]
    assert not _row(liar).missing


# -- invitations and answers


def _invite(liar: Liar, **members: Any) -> Document:
    group = liar.world.north.store.rows.documents[liar.space]
    invite = {"type": "Invite", "object": group, "target": liar.world.south.iri, "audience": ...}
    return liar.said(liar.world.north, liar.space, **{**invite, **members})


def test_a_space_is_offered_to_us(liar: Liar) -> None:
    invite = _invite(liar)
    assert liar.tell(invite) == {"outcome": "processed"}
    assert invite["id"] in liar.world.south.store.rows.invitations


def test_refuses_an_invitation_for_another_node(liar: Liar) -> None:
    assert problem_of(liar.tell(_invite(liar, target=liar.world.east.iri))) == "out-of-scope"


def test_refuses_an_invitation_by_another_than_the_space(liar: Liar) -> None:
    group = liar.world.north.store.rows.documents[liar.space]
    invite = liar.by_anna(type="Invite", object=group, target=liar.world.south.iri, audience=...)
    assert problem_of(liar.tell(invite)) == "out-of-scope"


def test_refuses_an_invitation_that_addresses_the_public(liar: Liar) -> None:
    assert problem_of(liar.tell(_invite(liar, to="as:Public"))) == "out-of-scope"


def test_refuses_an_invitation_to_new_spaces_against_the_charter(liar: Liar) -> None:
    _change_scope(liar.world.south, liar.world.north, allowNewSpaces="none")
    assert problem_of(liar.tell(_invite(liar))) == "out-of-scope"
    _change_scope(liar.world.south, liar.world.north, allowNewSpaces="none", spaces=[{"id": liar.space}])
    assert liar.tell(_invite(liar)) == {"outcome": "processed"}


def test_refuses_an_invitation_to_a_space_that_was_not_introduced(liar: Liar) -> None:
    del liar.world.south.store.rows.documents[liar.space]
    assert problem_of(liar.tell(_invite(liar))) == "unknown-actor"


@pytest.mark.parametrize("verb", ["Accept", "Reject"])
def test_refuses_an_answer_to_a_request_that_was_never_made(liar: Liar, verb: str) -> None:
    world = liar.world
    mine = world.south.space("Own", world.sven)
    posted = world.south.say(
        world.sven, {"type": "Create", "object": world.south.note(world.sven, mine, "ours")}, mine
    )
    answer = liar.said(
        world.north, liar.space, type=verb, object={"id": posted.id, "type": "Join", "actor": world.sven}
    )
    before = effects(world.south)
    outcome = liar.tell(answer)
    assert effects(world.south)["objects"] == before["objects"]
    assert outcome["outcome"] == ("processed" if verb == "Accept" else "rejected")


def test_the_answer_to_a_request_of_ours_is_noted(liar: Liar) -> None:
    world = liar.world
    posted = world.south.say(
        world.sven,
        {"type": "Create", "object": world.south.note(world.sven, liar.space, "mine")},
        liar.space,
    )
    answer = liar.said(world.north, liar.space, type="Reject", object={"id": posted.id, "type": "Join"})
    assert liar.tell(answer) == {"outcome": "processed"}
    refused = world.south.store.rows.objects[str(posted.object_id)].refused
    assert refused is not None
    assert refused["title"] == "Declined"


# -- our own faults


def test_what_follows_a_kept_line_about_the_same_post_waits_behind_it(
    liar: Liar, monkeypatch: pytest.MonkeyPatch
) -> None:
    from federation.adapters import memory

    def fails(self: memory.Objects, effect: object) -> None:
        raise ZeroDivisionError

    said = liar.by_elsa()
    with monkeypatch.context() as patch:
        patch.setattr(memory.Objects, "create", fails)
        assert liar.tells(said)["outcome"] == "received"
    liked = liar.by_anna(type="Like", object=said["object"]["id"])
    unliked = {"type": "Like", "actor": liar.world.anna, "object": said["object"]["id"]}
    assert liar.tells(liked)["outcome"] == "received"
    assert liar.tells(liar.by_anna(type="Undo", object=unliked))["outcome"] == "received"
    assert liar.tells(liar.by_anna()) == {"outcome": "processed"}


def test_everything_in_a_space_waits_behind_a_kept_change_of_its_people(
    liar: Liar, monkeypatch: pytest.MonkeyPatch
) -> None:
    from federation.adapters import memory

    def fails(self: memory.Spaces, effect: object, document: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(memory.Spaces, "roster", fails)
        assert liar.tells(liar.new_roster())["outcome"] == "received"
    assert liar.tells(liar.by_elsa())["outcome"] == "received"
    assert liar.world.south.store.rows.held[0][3] == liar.space


def test_a_forged_line_leaves_no_trace_behind_a_kept_one(liar: Liar) -> None:
    rows = liar.world.south.store.rows
    rows.held.append((liar.world.north.iri, 1, b"", liar.space))
    before = effects(liar.world.south), list(rows.held)
    forged = liar.announce(liar.by_elsa(), key=SigningKey.generate(f"{liar.space}#ed25519"))
    assert problem_of(liar.tell(forged)) == "bad-proof"
    assert (effects(liar.world.south), liar.world.south.store.rows.held) == before


def test_a_space_that_was_forgotten_is_introduced_again(worlds: Worlds) -> None:
    rows = worlds.south.store.rows
    del rows.documents[worlds.space]
    rows.keys = {name: key for name, key in rows.keys.items() if key.controller != worlds.space}
    worlds.south.post(worlds.sven, worlds.space, "mine")
    worlds.settle()
    worlds.settle()
    assert worlds.south.texts(worlds.space) == ["mine"]


def test_somebody_is_taken_out_who_was_never_in(liar: Liar) -> None:
    world = liar.world
    said = liar.by_anna(type="Remove", object=f"{world.elsa}x", target=f"{liar.space}/members")
    assert liar.tells(said) == {"outcome": "processed"}


# -- the charter, on what comes through a space too


@pytest.mark.parametrize(
    "scope",
    [{"objectTypes": ["Article"]}, {"activityTypes": ["Announce"]}, {"maxObjectBytes": 500}],
    ids=lambda scope: next(iter(scope)),
)
def test_refuses_words_inside_an_announce_that_the_charter_does_not_cover(
    liar: Liar, scope: dict[str, Any]
) -> None:
    _change_scope(liar.world.south, liar.world.north, **scope)
    assert problem_of(liar.tells(liar.by_elsa())) == "out-of-scope"


def test_refuses_public_words_inside_an_announce_and_around_them(liar: Liar) -> None:
    assert problem_of(liar.tells(liar.by_elsa(cc="as:Public"))) == "out-of-scope"
    assert problem_of(liar.tells(liar.by_elsa(), cc="as:Public")) == "out-of-scope"


def test_what_two_nodes_must_tell_each_other_passes_outside_the_types_of_the_charter(liar: Liar) -> None:
    _change_scope(liar.world.south, liar.world.north, activityTypes=["Announce"])
    accept = liar.said(
        liar.world.north,
        liar.space,
        type="Accept",
        object={"id": "https://south.example/a/j", "type": "Join"},
    )
    assert liar.tell(accept) == {"outcome": "processed"}
    assert liar.tells(liar.new_roster()) == {"outcome": "processed"}


def test_a_false_key_for_our_own_node_on_a_roster_counts_for_nothing(liar: Liar) -> None:
    world = liar.world
    posted = world.south.post(world.sven, liar.space, "ours")
    world.settle()
    false = SigningKey.generate(f"{world.south.iri}#ed25519")
    row = _row(liar)
    row.nodes = [
        replace(each, key=false.public.multibase) if each.node == world.south.iri else each
        for each in row.nodes
    ]
    forged = liar.said(world.south, world.south.iri, key=false, type="Delete", object=posted)
    assert problem_of(liar.tells(forged)) == "bad-proof"
    assert world.south.texts(liar.space) == ["ours"]


def test_refuses_to_be_announced_to_at_all_where_the_charter_leaves_it_out(liar: Liar) -> None:
    _change_scope(liar.world.south, liar.world.north, activityTypes=["Create"])
    assert problem_of(liar.tells(liar.by_elsa())) == "out-of-scope"


def test_refuses_an_edit_that_was_announced_before(liar: Liar) -> None:
    """A host could else put old words back in the place of new ones."""
    first = liar.by_elsa()
    edits = [
        liar.by_elsa(type="Update", object={**first["object"], "content": f"<p>{text}</p>"})
        for text in ("old", "new")
    ]
    for said in (first, *edits):
        assert liar.tells(said)["outcome"] == "processed"
    assert problem_of(liar.tells(edits[0])) == "replay"
    assert liar.world.south.texts(liar.space) == ["new"]


def test_our_own_edit_has_its_place_once(liar: Liar) -> None:
    """A host could else put our old words back in the place of new ones."""
    world = liar.world
    note = world.south.note(world.sven, liar.space, "first")
    world.south.say(world.sven, {"type": "Create", "object": note}, liar.space)
    edit = {**note, "content": "<p>old</p>"}
    old = world.south.say(world.sven, {"type": "Update", "object": edit}, liar.space)
    world.settle()
    assert problem_of(liar.tells(old.document)) == "replay"
    edit = {**note, "content": "<p>new</p>"}
    new = world.south.say(world.sven, {"type": "Update", "object": edit}, liar.space)
    assert liar.tells(new.document) == {"outcome": "processed"}
    assert problem_of(liar.tells(old.document)) == "replay"
    assert world.south.texts(liar.space) == ["new"]


# -- who was there before


def _former(liar: Liar, node: Node, until: int) -> None:
    """A roster that names a node as former."""
    gone = {"node": node.iri, "name": "Gone", "key": node.key.public.multibase, "until": until}
    assert liar.tells(liar.new_roster(formerNodes=[gone]))["outcome"] == "processed"


def _guest(liar: Liar, node: Node) -> str:
    """Somebody of that node, introduced by the space."""
    person = node.person("Wim")
    assert _introduced(liar, node.store.rows.documents[person])["outcome"] == "processed"
    return person


def test_a_former_organisation_is_believed_for_its_time(liar: Liar) -> None:
    west = Node("west", liar.world.clock)
    _former(liar, west, liar.next_rev + 5)
    person = _guest(liar, west)
    assert liar.tells(liar.said(west, person))["outcome"] == "processed"


def test_refuses_words_of_a_former_organisation_after_its_time(liar: Liar) -> None:
    west = Node("west", liar.world.clock)
    _former(liar, west, liar.next_rev + 1)
    person = _guest(liar, west)
    before = liar.world.south.texts(liar.space)
    assert problem_of(liar.tells(liar.said(west, person))) == "out-of-scope"
    assert liar.world.south.texts(liar.space) == before


def test_a_former_key_that_the_host_invents_proves_nothing_of_a_partner(liar: Liar) -> None:
    """South has a relation with East: only what East itself has named counts."""
    east, invented = liar.world.east, Node("east", liar.world.clock)
    peer(liar.world.south, east)
    _former(liar, invented, liar.next_rev + 5)
    person = invented.person("Emil")
    assert problem_of(_introduced(liar, invented.store.rows.documents[person])) == "bad-proof"
    assert person not in liar.world.south.store.rows.documents


def test_people_of_a_node_with_a_new_key_are_introduced_again_where_its_former_is_named(liar: Liar) -> None:
    """South knows East by the roster alone: who is known must have been proved by a key that it names as former."""
    east, elsa = liar.world.east, liar.world.elsa
    new, _ = _false_key_for_east(liar)
    again = _actor(east, elsa, key=new, name="Elsa E.")
    others = FormerNode(liar.world.north.iri, "North", east.key.public.multibase, liar.next_rev)
    _row(liar).former = (others,)
    assert problem_of(_introduced(liar, again)) == "bad-proof"
    _row(liar).former = (others, replace(others, node=east.iri, name="East"))
    assert _introduced(liar, again)["outcome"] == "processed"
    assert liar.world.south.store.rows.documents[elsa]["name"] == "Elsa E."
    late = east.person("Late")
    assert _introduced(liar, _actor(east, late))["outcome"] == "processed"
    behind = _actor(east, elsa, name="Elsa")
    assert problem_of(_introduced(liar, behind)) == "bad-proof"
