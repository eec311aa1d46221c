"""Two and three organisations in memory: peer, share a space, talk."""

from __future__ import annotations

from federation import delivery
from federation.ports import State
from tests.federation.world import Worlds


def test_the_handshake_ends_in_force_on_both_sides(worlds: Worlds) -> None:
    assert worlds.north.relation(worlds.south).state is State.IN_FORCE
    assert worlds.south.relation(worlds.north).state is State.IN_FORCE
    ours, theirs = worlds.north.relation(worlds.south), worlds.south.relation(worlds.north)
    assert ours.agreement_digest == theirs.agreement_digest
    assert (ours.stream_in, ours.stream_out) == (theirs.stream_out, theirs.stream_in)


def test_what_the_host_says_is_read_by_all_in_one_order(worlds: Worlds) -> None:
    worlds.north.post(worlds.anna, worlds.space, "one")
    worlds.south.post(worlds.sven, worlds.space, "two")
    worlds.settle()
    worlds.north.post(worlds.anna, worlds.space, "three")
    worlds.settle()
    expected = ["one", "two", "three"]
    assert [node.texts(worlds.space) for node in (worlds.north, worlds.south, worlds.east)] == [expected] * 3


def test_a_partner_reads_the_words_of_an_organisation_it_has_no_relation_with(worlds: Worlds) -> None:
    worlds.east.post(worlds.elsa, worlds.space, "hello from the east")
    worlds.settle()
    assert worlds.south.texts(worlds.space) == ["hello from the east"]
    assert worlds.elsa in worlds.south.store.rows.documents


def test_the_own_words_wait_for_the_host(worlds: Worlds) -> None:
    posted = worlds.south.post(worlds.sven, worlds.space, "pending")
    assert worlds.south.store.rows.objects[posted].rev is None
    worlds.settle()
    assert worlds.south.store.rows.objects[posted].rev == worlds.north.store.rows.objects[posted].rev


def test_an_answer_that_was_lost_changes_nothing(worlds: Worlds) -> None:
    worlds.south.post(worlds.sven, worlds.space, "once")
    lost = worlds.south.parcel(worlds.north)
    assert worlds.north.federation.receive_batch(lost.request).status == 200
    worlds.settle()
    assert worlds.north.texts(worlds.space) == worlds.south.texts(worlds.space) == ["once"]


def test_edit_like_unlike_and_delete_follow(worlds: Worlds) -> None:
    north, south, east, space = worlds.north, worlds.south, worlds.east, worlds.space
    posted = south.post(worlds.sven, space, "draft")
    worlds.settle()
    changed = {**south.note(worlds.sven, space, "final"), "id": posted}
    south.say(worlds.sven, {"type": "Update", "object": changed}, space)
    liked = east.say(worlds.elsa, {"type": "Like", "object": posted}, space)
    worlds.settle()
    assert [node.texts(space) for node in (north, south, east)] == [["final"]] * 3
    assert [node.store.rows.objects[posted].likes for node in (north, south, east)] == [{worlds.elsa}] * 3
    undone = {"id": liked.id, "type": "Like", "actor": worlds.elsa, "object": posted}
    east.say(worlds.elsa, {"type": "Undo", "object": undone}, space)
    south.say(worlds.sven, {"type": "Delete", "object": posted}, space)
    worlds.settle()
    assert [node.store.rows.objects[posted].likes for node in (north, south, east)] == [set()] * 3
    assert [node.texts(space) for node in (north, south, east)] == [[]] * 3


def test_a_person_who_left_can_no_longer_speak(worlds: Worlds) -> None:
    worlds.south.say(worlds.sven, {"type": "Leave", "object": worlds.space}, worlds.space)
    worlds.settle()
    for node in (worlds.north, worlds.south, worlds.east):
        assert worlds.sven not in node.store.rows.spaces[worlds.space].members


def test_a_manager_adds_and_removes_a_person(worlds: Worlds) -> None:
    north, space = worlds.north, worlds.space
    arne = north.person("Arne")
    target = {"object": arne, "target": f"{space}/members"}
    north.say(worlds.anna, {"type": "Add", **target}, space)
    worlds.settle()
    assert arne in worlds.east.store.rows.spaces[space].members
    north.say(worlds.anna, {"type": "Remove", **target}, space)
    worlds.settle()
    assert arne not in worlds.east.store.rows.spaces[space].members


def test_an_organisation_taken_out_gets_the_roster_and_nothing_after(worlds: Worlds) -> None:
    north, east, space = worlds.north, worlds.east, worlds.space
    north.write_roster(space, remove=east)
    north.post(worlds.anna, space, "among ourselves")
    worlds.settle()
    assert east.texts(space) == []
    assert not east.store.rows.spaces[space].space.active
    assert worlds.south.texts(space) == ["among ourselves"]


def test_the_receipt_of_the_partner_is_kept_and_the_head_moves(worlds: Worlds) -> None:
    worlds.north.post(worlds.anna, worlds.space, "signed for")
    verdict = worlds.north.deliver(worlds.south)
    assert isinstance(verdict, delivery.Delivered)
    rows = worlds.north.store.rows
    assert rows.acknowledged[worlds.south.iri] == len(rows.out[worlds.south.iri])
    assert rows.received[worlds.south.iri][-1]["to"] == rows.acknowledged[worlds.south.iri]


def test_small_batches_end_in_the_same_state(worlds: Worlds) -> None:
    for number in range(7):
        worlds.north.post(worlds.anna, worlds.space, str(number))
    worlds.north.deliver(worlds.south, lines=2)
    assert worlds.south.texts(worlds.space) == [str(number) for number in range(7)]


def test_one_announce_serves_all_partners(worlds: Worlds) -> None:
    worlds.north.post(worlds.anna, worlds.space, "for all")
    out = worlds.north.store.rows.out
    last = [out[node.iri][-1].activity for node in (worlds.south, worlds.east)]
    assert last[0] == last[1]
