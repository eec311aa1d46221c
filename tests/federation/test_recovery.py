"""What a partner gives back after a restore: our own words alone, in our own chain."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from federation import activity, documents, exchange, gate, recall, recovery
from federation.activity import CONTEXT, Activity, Document
from federation.adapters.memory import ObjectRow, SpaceRow
from federation.digest import content_digest
from federation.errors import BadProof, DisputedHistory, NoAgreement, OutOfScope, RemoteError
from federation.keys import SigningKey
from federation.ports import Mode, Recall, Stored
from federation.proofs import sign
from tests.federation.world import Pair, Worlds, effects


@pytest.fixture(autouse=True)
def node_key(pair: Pair) -> None:
    """As a host with tables answers for its own node too."""
    pair.north.store.rows.keys[pair.north.key.key_id] = pair.north.key.public


def _shown(pair: Pair, line: bytes, **changes: Any) -> exchange.Batch:
    """What south shows of north's log: one entry more than north has."""
    relation = pair.north.relation(pair.south)
    with pair.north.work() as work:
        head = work.log.head(relation)
    said = documents.loads(line)
    values = {"stream": relation.stream_out, "seq": head.seq + 1, "prev": head.entry_hash, **changes}
    field = exchange.LogField(values["stream"], values["seq"], 1, values["prev"], relation.agreement_digest)
    entry = exchange.entry(
        field.stream, field.seq, field.prev, said["id"], said["type"], content_digest(line), pair.clock.moment
    )
    return exchange.Batch(field, [entry], [line])


def _ours(pair: Pair, key: SigningKey | None = None, **members: Any) -> bytes:
    said = {**pair.activity(), "id": "https://north.example/a/lost", "actor": pair.north.iri, **members}
    said.pop("audience")
    return documents.dumps(sign({**said, "type": "Update"}, key or pair.north.key, pair.clock.moment))


def test_what_our_key_has_proved_comes_back(pair: Pair) -> None:
    relation = pair.north.relation(pair.south)
    with pair.north.work() as work:
        before = work.log.head(relation).seq
        assert recovery.restore(_shown(pair, _ours(pair)), relation, work, pair.north.settings) == 1
        assert work.log.head(relation).seq == before + 1


def test_an_entry_whose_bytes_are_gone_comes_back_as_an_entry(pair: Pair) -> None:
    relation = pair.north.relation(pair.south)
    shown = _shown(pair, _ours(pair))
    erased = exchange.Batch(shown.field, shown.entries, [b""])
    with pair.north.work() as work:
        assert recovery.restore(erased, relation, work, pair.north.settings) == 1
        assert work.log.entry(relation, shown.field.seq) == shown.entries[0]
        assert work.log.read(relation, shown.field.seq, 1, 1000) == [(shown.entries[0], b"")]


@pytest.mark.parametrize(
    "case", ["another key", "the partner's words", "another line", "another stream", "another chain"]
)
def test_nothing_else_does(pair: Pair, case: str) -> None:
    forged = SigningKey.generate(pair.north.key.key_id)
    line = _ours(pair)
    shown, error = {
        "another key": (_shown(pair, _ours(pair, forged)), BadProof),
        "the partner's words": (_shown(pair, pair.line(pair.activity())), OutOfScope),
        "another line": (
            exchange.Batch(_shown(pair, line).field, _shown(pair, line).entries, [line + b" "]),
            RemoteError,
        ),
        "another stream": (_shown(pair, line, stream=pair.north.relation(pair.south).stream_in), NoAgreement),
        "another chain": (_shown(pair, line, prev="zQmother"), DisputedHistory),
    }[case]
    before = effects(pair.north)
    with pytest.raises(error), pair.north.work() as work:
        recovery.restore(shown, pair.north.relation(pair.south), work, pair.north.settings)
    assert effects(pair.north) == before


def test_an_entry_that_the_partner_had_receipted_is_not_replaced(pair: Pair) -> None:
    relation = pair.north.relation(pair.south)
    with pair.north.work() as work:
        last = work.log.entry(relation, work.log.acknowledged(relation))
    assert last is not None
    with pytest.raises(DisputedHistory), pair.north.work() as work:
        shown = _shown(pair, _ours(pair), seq=last.seq, prev=last.prev)
        recovery.restore(shown, relation, work, pair.north.settings)


def _said_and_lost(pair: Pair, talk: Callable[[], object]) -> exchange.Batch:
    """What north says and then loses, as south shows it."""
    relation = pair.north.relation(pair.south)
    with pair.north.work() as work:
        head = work.log.head(relation)
    kept = pair.north.store.rows.copy()
    talk()
    with pair.north.work() as work:
        shown = work.log.read(relation, head.seq + 1, 100, 1_000_000)
    pair.north.store.rows = kept
    first, digest = head.seq + 1, relation.agreement_digest
    field = exchange.LogField(relation.stream_out, first, len(shown), head.entry_hash, digest)
    return exchange.Batch(field, [entry for entry, _ in shown], [line for _, line in shown])


def test_a_host_has_back_what_its_space_announced_in_its_place(pair: Pair) -> None:
    def talk() -> None:
        pair.north.post(pair.anna, pair.space, "ours")
        pair.south.post(pair.sven, pair.space, "theirs")
        pair.south.deliver(pair.north)
        pair.north.post(pair.anna, pair.space, "ours again")
        told.append(pair.north.store.rows.spaces[pair.space].space.rev)

    told: list[int] = []
    shown = _said_and_lost(pair, talk)
    relation = pair.north.relation(pair.south)
    assert pair.north.texts(pair.space) == []
    with pair.north.work() as work:
        assert recovery.restore(shown, relation, work, pair.north.settings) == len(shown.entries)
    assert pair.north.texts(pair.space) == ["ours", "theirs", "ours again"]
    assert pair.north.store.rows.spaces[pair.space].space.rev == told[0]


def test_what_another_partner_had_said_comes_back_under_the_agreement_with_its_author(worlds: Worlds) -> None:
    """East shows what our space announced of South: it is held to what we agreed on with South."""
    north, space = worlds.north, worlds.space
    north.store.rows.keys[north.key.key_id] = north.key.public
    said = worlds.south.say(
        worlds.sven,
        {"type": "Create", "object": worlds.south.note(worlds.sven, space, "theirs")},
        space,
    )
    document = sign(
        {
            "@context": list(CONTEXT),
            "id": "https://north.example/a/lost",
            "type": "Announce",
            "actor": space,
            "audience": space,
            "to": [space],
            "published": worlds.clock.moment,
            "rev": 99,
            "object": said.document,
        },
        north.store.signers[space],
        worlds.clock.moment,
    )
    lost = activity.of(document, documents.dumps(document))
    with north.work() as work:
        back = gate.restored(lost, north.relation(worlds.east), work)
    assert (back.activity.id, back.rev, back.relation) == (said.id, 99, north.relation(worlds.south))
    agreement = deepcopy(north.relation(worlds.south).agreement)
    assert agreement is not None
    agreement["scope"]["objectTypes"] = []
    north.store.rows.relations[worlds.south.iri] = replace(north.relation(worlds.south), agreement=agreement)
    with pytest.raises(OutOfScope), north.work() as work:
        gate.restored(lost, north.relation(worlds.east), work)


def test_a_guest_has_back_what_it_said_to_the_host(pair: Pair) -> None:
    note = pair.north.note(pair.anna, pair.space, "ours")
    said = _activity(pair, pair.anna, object=note, rev=...)
    with pair.north.work() as work:
        trusted = gate.restored(said, pair.north.relation(pair.south), work)
    assert (trusted.activity, trusted.rev, trusted.space is not None) == (said, None, True)


def _activity(pair: Pair, actor: str, **members: Any) -> Activity:
    """Words of north in its space, proved by their actor."""
    document = {
        "@context": list(CONTEXT),
        "id": "https://north.example/a/lost",
        "type": "Create",
        "actor": actor,
        "audience": pair.space,
        "to": [pair.space],
        "published": pair.clock.moment,
        "rev": 99,
        **members,
    }
    document = {name: value for name, value in document.items() if value is not ...}
    signed = sign(document, pair.north.store.signers[actor], pair.clock.moment)
    return activity.of(signed, documents.dumps(signed))


def _inner(pair: Pair, **members: Any) -> Document:
    """What our space would announce: a post of Anna."""
    note = pair.north.note(pair.anna, pair.space, "ours")
    said = {"id": "https://north.example/a/inner", "object": note, "rev": ..., **members}
    return dict(_activity(pair, pair.anna, **said).document)


RESTORED: dict[str, tuple[Callable[[Pair], Activity], type[RemoteError]]] = {
    "an Announce by one of our people": (
        lambda pair: _activity(pair, pair.anna, type="Announce", object=_inner(pair)),
        OutOfScope,
    ),
    "an Announce in no space": (
        lambda pair: _activity(pair, pair.space, type="Announce", object=_inner(pair), audience=...),
        OutOfScope,
    ),
    "an Announce of nothing but an IRI": (
        lambda pair: _activity(pair, pair.space, type="Announce", object="https://north.example/a/inner"),
        OutOfScope,
    ),
    "an Announce of altered words": (
        lambda pair: _activity(
            pair, pair.space, type="Announce", object={**_inner(pair), "published": "2026-01-01T00:00:00Z"}
        ),
        BadProof,
    ),
    "an Announce of somebody of no organisation": (
        lambda pair: _activity(
            pair, pair.space, type="Announce", object={**_inner(pair), "actor": "https://west.example/p/1"}
        ),
        OutOfScope,
    ),
    "words that were altered": (
        lambda pair: activity.of({**_inner(pair), "published": "2026-01-01T00:00:00Z"}, b"{}"),
        BadProof,
    ),
}


@pytest.mark.parametrize("case", RESTORED, ids=str)
def test_refuses_to_have_back(pair: Pair, case: str) -> None:
    make, problem = RESTORED[case]
    with pytest.raises(problem), pair.north.work() as work:
        gate.restored(make(pair), pair.north.relation(pair.south), work)


def test_refuses_to_have_back_an_announce_in_a_space_of_another(pair: Pair) -> None:
    row = pair.north.store.rows.spaces[pair.space]
    row.space = replace(row.space, hosted=False)
    said = _activity(pair, pair.space, type="Announce", object=_inner(pair))
    with pytest.raises(OutOfScope), pair.north.work() as work:
        gate.restored(said, pair.north.relation(pair.south), work)


def test_who_was_introduced_after_the_backup_is_one_of_ours_again(pair: Pair) -> None:
    north, space = pair.north, pair.space

    def talk() -> None:
        nora.append(north.person("Nora"))
        north.say(pair.anna, {"type": "Add", "object": nora[0], "target": f"{space}/members"}, space)
        north.post(nora[0], space, "of Nora")

    nora: list[str] = []
    shown = _said_and_lost(pair, talk)
    lost = north.store.signers.pop(nora[0])
    relation = north.relation(pair.south)
    with north.work() as work:
        assert recovery.restore(shown, relation, work, north.settings) == len(shown.entries)
    assert north.texts(space) == ["of Nora"]
    assert (
        "exchange.restored-person",
        {"partner": relation.node, "subject": nora[0]},
    ) in north.store.rows.notes
    north.post(nora[0], space, "again")
    assert north.store.signers[nora[0]].key_id != lost.key_id
    first = shown.entries[0]
    pair.south.store.rows.taken.setdefault(north.iri, [])
    assert first.seq == len(pair.south.store.rows.taken[north.iri]) + 1
    north.deliver(pair.south)
    assert pair.south.texts(space) == ["of Nora", "again"]


def test_a_space_made_after_the_backup_is_named_and_not_taken_back(pair: Pair) -> None:
    made: list[str] = []

    def talk() -> None:
        made.append(pair.north.space("Crane", pair.anna))
        pair.north.share(made[0], pair.south)

    shown = _said_and_lost(pair, talk)
    relation = pair.north.relation(pair.south)
    with pair.north.work() as work:
        recovery.restore(shown, relation, work, pair.north.settings)
        assert work.spaces.get(made[0]) is None
    assert (
        "exchange.lost-space",
        {"partner": relation.node, "subject": made[0]},
    ) in pair.north.store.rows.notes


def test_what_is_said_to_a_host_takes_effect_when_the_host_announces_it(pair: Pair) -> None:
    south, north, space = pair.south, pair.north, pair.space
    note = south.note(pair.sven, space, "first")
    south.say(pair.sven, {"type": "Create", "object": note}, space)
    south.deliver(north)
    north.deliver(south)
    kept, relation = south.store.rows.copy(), south.relation(north)
    south.say(pair.sven, {"type": "Update", "object": {**note, "content": "<p>second</p>"}}, space)
    south.deliver(north)
    south.store.rows = kept
    with south.work() as work:
        first = work.log.head(relation).seq + 1
    with north.work() as work:
        read = work.streams.read(north.relation(south), first, 10, 1_000_000)
    field = exchange.LogField(
        relation.stream_out, first, len(read), read[0][0].prev, relation.agreement_digest
    )
    shown = exchange.Batch(field, [entry for entry, _ in read], [line for _, line in read])
    with south.work() as work:
        assert recovery.restore(shown, relation, work, south.settings) == 1
    assert south.texts(space) == ["first"]
    north.deliver(south)
    assert south.texts(space) == ["second"]


def test_what_was_erased_since_the_backup_comes_back_as_erased(pair: Pair) -> None:
    north, space = pair.north, pair.space
    north.post(pair.anna, space, "before")

    def talk() -> None:
        note = north.post(pair.anna, space, "a secret")
        asked = Recall(Mode.ERASE, "mistake", pair.clock.moment, (), None)
        north.say(pair.anna, {"type": "Delete", "object": note, **recall.document(asked)}, space)
        iris.append(note)
        revs.append(north.store.rows.spaces[space].space.rev)

    iris: list[str] = []
    revs: list[int] = []
    shown = _said_and_lost(pair, talk)
    with north.work() as work:
        recovery.restore(shown, north.relation(pair.south), work, north.settings)
        gone = work.objects.stored(iris[0])
    assert gone is not None
    assert gone.type == "Tombstone"
    assert north.store.rows.spaces[space].space.rev == revs[0]


def test_the_place_of_what_comes_back_without_effect_is_not_given_again(pair: Pair) -> None:
    north, space = pair.north, pair.space

    def talk() -> None:
        north.say(pair.anna, {"type": "Like", "object": note}, space)
        revs.append(north.store.rows.spaces[space].space.rev)

    note = north.post(pair.anna, space, "here")
    revs: list[int] = []
    shown = _said_and_lost(pair, talk)
    del north.store.rows.objects[note]
    elsewhere = replace(north.store.rows.spaces[space].space, iri="https://north.example/spaces/other")
    north.store.rows.spaces[elsewhere.iri] = SpaceRow(elsewhere)
    stored = Stored(note, "Note", pair.anna, elsewhere.iri)
    north.store.rows.objects[note] = ObjectRow(stored, None, 1)
    with north.work() as work:
        recovery.restore(shown, north.relation(pair.south), work, north.settings)
    assert north.store.rows.spaces[space].space.rev == revs[0]
