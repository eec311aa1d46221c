"""Two houses compare their copies of a space, and mend what differs."""

from __future__ import annotations

import json
from datetime import UTC, datetime, time, timedelta
from io import BytesIO
from typing import Any

import pytest
from sqlalchemy import insert, text

from federation import charter, digest, merkle
from node.files import service as files
from node.identity.services.people import Person
from node.relations import records
from node.replicas.services import copying, runs
from node.spaces.services import copies
from node.spaces.services import spaces as use
from node.spaces.services.copies import MISSING
from node.threads.services import posting
from tests.node.relations.peers import MARIE
from tests.node.spaces.world import House, Role, exchange_all, opened
from tests.node.threads.talk import begin, reply, texts, thread_key


class Shared:
    """A space that Aubier keeps and Nord Acier has a copy of, with what was said."""

    def __init__(self, host: House, guest: House) -> None:
        self.host, self.guest = host, guest
        self.nora = host.person("Nora Lind", Role.ADMIN)
        self.emil = guest.person("Emil Sund", Role.ADMIN)
        self.key = host.space(self.nora)
        self.first = begin(host, self.nora, self.key, "La grue est à 7 h.")
        self.iri = opened(host, guest, self.key, self.nora, self.emil)
        guest.join(self.emil, self.iri, host)
        self.answer = reply(guest, self.emil, thread_key(guest, self.emil), "Merci.")
        self.last = reply(host, self.nora, thread_key(host, self.nora), "À demain.")
        exchange_all(host, guest)

    def number(self, house: House) -> int:
        return int(house.fact("SELECT id FROM space WHERE iri = :iri", iri=self.iri))

    def compare(self) -> runs.Run:
        return runs.compare(self.guest.ground, self.number(self.guest))

    def said(self, house: House, person: Person | None = None) -> list[str]:
        return texts(house, person or (self.nora if house is self.host else self.emil))


@pytest.fixture
def shared(partners: tuple[House, House]) -> Shared:
    return Shared(*partners)


def write(house: House, statement: str, **values: Any) -> None:
    with house.ground.database.writing() as session:
        session.execute(text(statement), values)


def seen_by(house: House, shared: Shared) -> runs.Seen:
    with house.ground.database.reading() as session:
        space = copies.by_iri(session, shared.iri)
        assert space is not None
        return runs.seen(session, house.ground, space)


def test_equal_copies_are_proved_by_one_request(shared: Shared) -> None:
    run = shared.compare()

    assert (run.state, run.requests, run.repaired) == ("equal", 1, 0)
    assert run.count == 5  # three posts, two people
    exchange_all(shared.host, shared.guest)
    for house, other in ((shared.host, shared.guest), (shared.guest, shared.host)):
        pair = seen_by(house, shared).proofs[0]
        assert (pair.node, pair.as_of) == (other.iri, run.as_of)
        assert pair.ours["root"] == pair.theirs["root"]


def test_a_leaf_is_hashed_when_it_changes_and_not_again(
    shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared.compare()
    hashed, once = list[bytes](), merkle.hash_of

    def counting(data: bytes) -> bytes:
        if data.startswith(b"{"):  # a leaf, and not the hash of a bucket
            hashed.append(data)
        return once(data)

    monkeypatch.setattr(merkle, "hash_of", counting)
    shared.guest.clock.move(minutes=20)  # so that the host signs anew
    assert (shared.compare().state, hashed) == ("equal", [])

    lose(shared.guest, shared.last.iri)
    assert shared.compare().repaired == 1
    listed, written = 1, 1  # that of the host's list, unless its bucket has more; ours as it comes back
    assert sum(shared.last.iri.encode() in data for data in hashed) == listed + written


def test_a_lost_post_comes_back_from_the_host(shared: Shared) -> None:
    number = shared.guest.fact("SELECT id FROM post WHERE iri LIKE :iri", iri=f"{shared.host.origin}%")
    write(shared.guest, "DELETE FROM post WHERE id = :number", number=number)

    run = shared.compare()

    assert (run.state, run.repaired) == ("equal", 1)
    assert shared.compare().requests == 1
    assert shared.said(shared.guest) == shared.said(shared.host)


def edit(shared: Shared) -> None:
    words = posting.Draft("À après-demain.")
    posting.edit(shared.host.ground, shared.host.by(shared.nora), shared.last.post, words)
    exchange_all(shared.host, shared.guest)


def lose(house: House, iri: str) -> None:
    """The rows of a post are gone, as after a fault of the disk."""
    for table in ("post_version", "mention", "post_like"):
        write(house, f"DELETE FROM {table} WHERE post_id = (SELECT id FROM post WHERE iri = :iri)", iri=iri)
    write(house, "DELETE FROM post WHERE iri = :iri", iri=iri)


def test_a_lost_edited_post_comes_back_as_it_is_now(shared: Shared) -> None:
    edit(shared)
    lose(shared.guest, shared.last.iri)

    run = shared.compare()

    assert (run.state, run.repaired) == ("equal", 2)
    assert sorted(shared.said(shared.guest)) == sorted(shared.said(shared.host))


def test_our_own_lost_post_comes_back(shared: Shared) -> None:
    shared.compare()
    lose(shared.guest, shared.answer.iri)

    run = shared.compare()

    assert (run.state, run.repaired) == ("equal", 1)
    assert shared.said(shared.guest) == shared.said(shared.host)


def test_a_lost_edit_is_made_again(shared: Shared) -> None:
    edit(shared)
    write(shared.guest, "DELETE FROM post_version")
    forgotten = "UPDATE post SET changed_rev = rev, content = '<p>À demain.</p>' WHERE iri = :iri"
    write(shared.guest, forgotten, iri=shared.last.iri)

    run = shared.compare()

    assert (run.state, run.repaired) == ("equal", 1)
    assert shared.said(shared.guest) == shared.said(shared.host)


def test_the_same_rev_with_other_words_is_mended(shared: Shared) -> None:
    edit(shared)
    write(shared.guest, "DELETE FROM post_version")  # so that the post seems to say what its Create said
    shared.compare()

    assert shared.compare().requests == 1


def test_a_post_that_the_host_does_not_have_is_hidden_and_kept(shared: Shared) -> None:
    lose(shared.host, shared.answer.iri)

    run = shared.compare()

    assert run.state == "equal"
    assert "Merci." not in shared.said(shared.guest)
    kept = shared.guest.fact("SELECT content FROM post WHERE iri = :iri", iri=shared.answer.iri)
    assert "Merci." in kept
    aside = seen_by(shared.guest, shared).aside
    assert [(each.iri, each.kind, each.theirs) for each in aside] == [(shared.answer.iri, "surplus", None)]
    assert aside[0].ours is not None


def test_no_more_is_set_aside_than_may_be(shared: Shared, monkeypatch: pytest.MonkeyPatch) -> None:
    assert copying.MAX_ASIDE == 1000
    monkeypatch.setattr(copying, "MAX_ASIDE", 1)
    lose(shared.host, shared.answer.iri)
    lose(shared.host, shared.last.iri)
    before = shared.said(shared.guest)

    run = shared.compare()

    assert run.state == "differs"
    assert len(seen_by(shared.guest, shared).aside) == 1
    assert len(shared.said(shared.guest)) == len(before) - 1
    shared.compare()
    assert shared.guest.fact("SELECT count(*) FROM replica_aside") == 1


def test_a_host_that_receipts_and_drops_is_found(shared: Shared) -> None:
    dropped = reply(shared.guest, shared.emil, thread_key(shared.guest, shared.emil), "Et le camion ?")
    shared.guest.deliver(shared.host)
    lose(shared.host, dropped.iri)
    write(shared.host, "DELETE FROM turn WHERE rev = (SELECT max(rev) FROM turn)")
    write(shared.host, "UPDATE space SET rev = rev - 1")
    shared.guest.clock.move(minutes=1)

    run = shared.compare()

    assert run.state == "equal"
    assert [(each.iri, each.kind) for each in seen_by(shared.guest, shared).aside] == [
        (dropped.iri, "dropped")
    ]


def test_a_deleted_post_stays_deleted(shared: Shared) -> None:
    posting.delete(shared.host.ground, shared.host.by(shared.nora), shared.last.post)
    exchange_all(shared.host, shared.guest)

    run = shared.compare()

    assert run.state == "equal"
    assert shared.said(shared.guest) == shared.said(shared.host)


def test_a_missed_member_is_let_in(shared: Shared) -> None:
    runa = shared.host.person("Runa Berg")
    use.add_member(shared.host.ground, shared.host.by(shared.nora), shared.key, runa.wire_id)
    exchange_all(shared.host, shared.guest)
    assert shared.compare().state == "equal"
    write(
        shared.guest,
        "DELETE FROM member WHERE participant_id = (SELECT id FROM participant WHERE iri = :iri)",
        iri=runa.actor,
    )

    run = shared.compare()

    assert (run.state, run.repaired) == ("equal", 1)
    assert "Runa Berg" in shared.guest.names(shared.iri)


def test_who_left_is_equal_too(shared: Shared) -> None:
    use.leave(shared.guest.ground, shared.guest.by(shared.emil), shared.guest.key_of(shared.iri))
    exchange_all(shared.guest, shared.host)

    assert shared.compare().state == "equal"


def test_asking_again_says_the_same(shared: Shared) -> None:
    lose(shared.host, shared.last.iri)
    shared.compare()

    again = shared.compare()

    assert (again.state, again.requests) == ("equal", 1)
    assert shared.said(shared.guest) == ["La grue est à 7 h.", "Merci."]
    assert [each.kind for each in seen_by(shared.guest, shared).aside] == ["surplus"]


def test_a_host_that_forgot_is_found_and_nothing_changes(shared: Shared) -> None:
    before = shared.said(shared.guest)
    lose(shared.host, shared.answer.iri)
    write(shared.host, "UPDATE space SET rev = rev - 1")

    run = shared.compare()

    assert run.state == "older"
    assert shared.said(shared.guest) == before


def test_what_has_not_come_yet_is_read_from_the_host(shared: Shared) -> None:
    reply(shared.host, shared.nora, thread_key(shared.host, shared.nora), "Le camion est parti.")

    run = shared.compare()

    assert (run.state, run.behind) == ("equal", 1)
    assert shared.said(shared.guest) == shared.said(shared.host)
    exchange_all(shared.host, shared.guest)  # the stream brings it too
    assert shared.said(shared.guest) == shared.said(shared.host)
    assert shared.compare().state == "equal"


def test_history_from_the_day_of_entering_is_a_view_of_its_own(partners: tuple[House, House]) -> None:
    host, guest = partners
    nora, emil = host.person("Nora Lind", Role.ADMIN), guest.person("Emil Sund", Role.ADMIN)
    key = host.space(nora)
    old = begin(host, nora, key, "Avant.")
    iri = opened(host, guest, key, nora, emil, past="none")
    guest.join(emil, iri, host)
    begin(host, nora, key, "Après.")
    exchange_all(host, guest)
    number = int(guest.fact("SELECT id FROM space WHERE iri = :iri", iri=iri))

    run = runs.compare(guest.ground, number)

    assert (run.state, run.requests, run.count) == ("equal", 1, 3)
    assert guest.fact("SELECT count(*) FROM replica_leaf WHERE iri = :iri", iri=old.iri) == 0


def narrow(shared: Shared, **scope: Any) -> None:
    """The same charter with another scope, in force on both sides; what waits and what is told stays as it was."""
    agreement = shared.host.relation(shared.guest).agreement
    assert agreement is not None
    changed = {**agreement, "scope": {**agreement["scope"], **scope}}
    held = {"agreement": json.dumps(changed), "agreement_digest": digest.digest(changed)}
    for house, other in ((shared.host, shared.guest), (shared.guest, shared.host)):
        number = int(house.relation(other).id)
        with house.ground.database.writing() as session:
            records.change(session, house.ground, number, **held)


def withheld(shared: Shared) -> list[str]:
    with shared.guest.ground.database.reading() as session:
        named = session.execute(
            text("SELECT iri FROM replica_leaf WHERE state = 'withheld' AND until IS NULL")
        )
        return sorted(named.scalars())


def listed(shared: Shared, **members: Any) -> dict[str, Any]:
    """A scope that lists the space of the two."""
    return {"spaces": [{"id": shared.iri, **members}], "allowNewSpaces": "none"}


def attach(shared: Shared, name: str, content: bytes) -> Any:
    """A post of the host with a file that has reached both."""
    taken = files.take_in(shared.host.ground, name, BytesIO(content))
    said = begin(shared.host, shared.nora, shared.key, "Le plan.", title=name, files=(taken,))
    exchange_all(shared.host, shared.guest)
    return said


@pytest.mark.parametrize(
    "scope",
    [
        {"objectTypes": ["Article"]},
        {"activityTypes": ["Announce", "Delete", "Join", "Update"]},
        {"maxObjectBytes": 300},
        {"dataClasses": []},
        {"direction": "in"},
    ],
)
def test_what_the_charter_leaves_out_is_withheld_and_comes_when_it_lets_it_in(
    shared: Shared, scope: dict[str, Any]
) -> None:
    before = shared.said(shared.guest)
    lose(shared.guest, shared.last.iri)
    narrow(shared, **_scoped(shared, scope))

    run = shared.compare()

    assert (run.state, withheld(shared)) == ("equal", [shared.last.iri])
    assert "À demain." not in shared.said(shared.guest)
    view = json.loads(str(shared.guest.fact("SELECT view FROM replica_statement ORDER BY id DESC LIMIT 1")))
    assert view["scope"] == shared.host.relation(shared.guest).agreement_digest
    assert shared.compare().requests == 1
    wide = shared.host.relation(shared.guest).agreement
    assert wide is not None
    narrow(
        shared,
        **listed(shared),
        objectTypes=["Note"],
        activityTypes=list(charter.ACTIVITY_TYPES),
        maxObjectBytes=262144,
        dataClasses=[{"class": "partner"}],
    )
    shared.guest.clock.move(minutes=20)
    run = shared.compare()

    assert (run.state, run.repaired, withheld(shared)) == ("equal", 1, [])
    assert shared.said(shared.guest) == before


def _scoped(shared: Shared, scope: dict[str, Any]) -> dict[str, Any]:
    """A direction and a data class are those of the space as the scope lists it."""
    if "direction" in scope:
        return listed(shared, **scope)
    return {**listed(shared, dataClass="partner"), **scope} if "dataClasses" in scope else scope


@pytest.mark.parametrize("scope", [{"maxFileBytes": 4}, {"mediaTypes": ["image/*"]}])
def test_a_file_that_the_charter_leaves_out_withholds_its_post_alone(
    shared: Shared, scope: dict[str, Any]
) -> None:
    plan = attach(shared, "plan.pdf", b"%PDF-1.7 plan")
    lose(shared.guest, plan.iri)
    narrow(shared, **scope)

    run = shared.compare()

    assert (run.state, withheld(shared)) == ("equal", [plan.iri])


def test_what_came_before_the_charter_left_it_out_stays(shared: Shared) -> None:
    before = shared.said(shared.guest)
    narrow(shared, objectTypes=["Article"])

    run = shared.compare()

    assert (run.state, run.requests) == ("equal", 1)
    assert shared.said(shared.guest) == before == shared.said(shared.host)
    assert withheld(shared) == []


def test_nothing_is_hidden_while_the_two_have_other_versions_of_the_charter(shared: Shared) -> None:
    before = shared.said(shared.guest)
    narrow(shared, objectTypes=["Article"])
    with shared.guest.ground.database.writing() as session:
        number = int(shared.guest.relation(shared.host).id)
        records.change(session, shared.guest.ground, number, agreement_digest=digest.digest("before"))

    run = shared.compare()

    assert run.state == "failed"
    assert "another version of the charter" in run.reason
    assert shared.said(shared.guest) == before


def test_copies_are_compared_when_another_version_comes_into_force(
    shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    guest, asked = shared.guest, list[tuple[Any, ...]]()
    monkeypatch.setattr(guest.ground.jobs, "enqueue", lambda job, *of, **_: asked.append((job, *of)))
    shared.host.propose(guest, onward="allowed", purpose="Autre.")
    guest.agree(shared.host)
    exchange_all(guest, shared.host)
    assert (runs.compare_soon, shared.number(guest), "") in asked


def until(house: House, hour: int) -> None:
    """The time goes on to the next full hour of this number (UTC)."""
    now = house.clock.now()
    ahead = (datetime.combine(now, time(hour), UTC) - now) % timedelta(days=1)
    house.clock.move(seconds=ahead.total_seconds())


def test_copies_are_compared_every_night(shared: Shared, monkeypatch: pytest.MonkeyPatch) -> None:
    guest, number = shared.guest, shared.number(shared.guest)
    assert runs.due(guest.ground) == [number]  # never compared
    until(guest, 3)
    assert shared.compare().state == "equal"
    until(guest, 23)
    assert runs.due(guest.ground) == []
    until(guest, 0)
    asked = list[tuple[Any, ...]]()
    monkeypatch.setattr(guest.ground.jobs, "enqueue", lambda job, *of, **_: asked.append((job, *of)))
    runs.compare_what_is_due.run(guest.ground)
    assert asked == [(runs.compare_soon, number, "")]
    assert runs.due(shared.host.ground) == []  # who keeps a copy compares it


def test_a_node_that_was_down_at_night_compares_by_day(shared: Shared) -> None:
    until(shared.guest, 12)
    shared.compare()
    shared.guest.clock.move(hours=29)
    assert runs.due(shared.guest.ground) == []
    shared.guest.clock.move(hours=1)
    assert runs.due(shared.guest.ground) == [shared.number(shared.guest)]


def test_a_copy_is_compared_after_a_gap(shared: Shared) -> None:
    guest, number = shared.guest, shared.number(shared.guest)
    until(guest, 12)
    shared.compare()
    guest.clock.move(minutes=29)
    with guest.ground.database.writing() as session:
        session.execute(insert(MISSING), {"space_id": number, "rev": 1, "since": guest.clock.now()})
    guest.clock.move(seconds=119)
    assert runs.due(guest.ground) == []  # it may be on its way
    guest.clock.move(seconds=1)
    assert runs.due(guest.ground) == [number]
    assert shared.compare().state == "equal"
    guest.clock.move(minutes=31)
    assert runs.due(guest.ground) == []
    assert guest.fact("SELECT count(*) FROM missing_rev") == 0


@pytest.mark.parametrize("how", ["failed", "interrupted"])
def test_a_comparison_that_did_not_end_is_made_again(shared: Shared, how: str) -> None:
    guest = shared.guest
    until(guest, 12)
    if how == "failed":
        guest.net.down.add(shared.host.origin)
        assert shared.compare().state == "failed"
    else:
        shared.compare()
        write(guest, "UPDATE replica_run SET state = 'running'")
    guest.clock.move(minutes=29)
    assert runs.due(guest.ground) == []
    guest.clock.move(minutes=1)
    assert runs.due(guest.ground) == [shared.number(guest)]


def test_copies_are_compared_for_the_last_time_before_the_end(shared: Shared) -> None:
    guest, number = shared.guest, shared.number(shared.guest)
    assert shared.compare().state == "equal"
    last_day = (guest.clock.now() + timedelta(days=40)).date()
    guest.relations.end(
        guest.partner(shared.host).key,
        on=last_day,
        disposition="purge-after-retention",
        reason="",
        language="fr",
        by=MARIE,
    )
    evening = datetime.combine(last_day, time(22, 30), UTC)
    guest.clock.move(seconds=(evening - guest.clock.now()).total_seconds() - 3600)
    shared.compare()
    assert runs.due(guest.ground) == []
    guest.clock.move(seconds=3600)
    assert runs.due(guest.ground) == [number]
    shared.compare()
    assert runs.due(guest.ground) == []


def test_copies_are_compared_after_a_suspension(shared: Shared, monkeypatch: pytest.MonkeyPatch) -> None:
    guest, asked = shared.guest, list[tuple[Any, ...]]()
    key = guest.partner(shared.host).key
    guest.relations.suspend(key, "Un doute.", "fr", MARIE)
    monkeypatch.setattr(guest.ground.jobs, "enqueue", lambda job, *of, **_: asked.append((job, *of)))
    guest.relations.resume(key, MARIE)
    assert (runs.compare_soon, shared.number(guest), "") in asked
