"""What every host of the library must answer, whatever it keeps its rows in."""

from __future__ import annotations

from datetime import timedelta

import pytest

from federation import exchange, proofs
from federation.activity import Document
from federation.digest import digest, sha256_of
from federation.errors import LocalError
from federation.http import Headers, Request, Response
from federation.keys import SigningKey
from federation.ports import Conflict, Dispute, Entry, Outcome, Relation
from tests.contracts.conftest import GENESIS, PARTNER, START, Host, activity, announce
from tests.federation.world import actor_document


class Undone(Exception):
    """Leaves a savepoint, or a unit of work."""


def _append(host: Host, relation: Relation, count: int) -> list[Entry]:
    with host.open_work() as work:
        appended = []
        for number in range(count):
            said = activity(text=str(number))
            work.journal.keep(said)
            appended.append(exchange.append(relation, said, work))
    return appended


def _incoming(relation: Relation, count: int, first: int = 1, prev: str = GENESIS) -> list[Entry]:
    entries = []
    for seq in range(first, first + count):
        said = activity(PARTNER)
        made = exchange.entry(
            relation.stream_in, seq, prev, said.id, said.type, said.content_digest, "2026-11-24T08:00:00Z"
        )
        prev = made.entry_hash
        entries.append(made)
    return entries


# -- journal


def test_an_activity_is_taken_once_and_read_byte_for_byte(host: Host) -> None:
    said = activity(text="à la passerelle")
    with host.open_work() as work:
        assert work.journal.digest_of(said.id) is None
        work.journal.keep(said)
        assert work.journal.digest_of(said.id) == said.content_digest
        assert work.journal.get(said.id).raw == said.raw
    with host.open_work() as work:
        assert work.journal.digest_of(said.id) == said.content_digest
        assert work.journal.get(said.id) == said


def test_what_an_announce_wraps_is_read_byte_for_byte(host: Host) -> None:
    inner = activity()
    wrapped = announce(inner)
    with host.open_work() as work:
        work.journal.keep(inner)
        work.journal.keep(wrapped, inside=inner)
    with host.open_work() as work:
        assert work.journal.get(wrapped.id).raw == wrapped.raw
        assert work.journal.get(inner.id).raw == inner.raw


def test_an_announce_that_came_before_what_it_wraps_was_kept_is_read_byte_for_byte(host: Host) -> None:
    inner = activity(PARTNER)
    wrapped = announce(inner)
    with host.open_work() as work:
        work.journal.keep(wrapped)
        work.journal.keep(inner)
    with host.open_work() as work:
        assert work.journal.get(wrapped.id).raw == wrapped.raw


def test_an_announce_of_what_was_kept_long_ago_is_read_byte_for_byte(host: Host) -> None:
    inner = activity()
    with host.open_work() as work:
        work.journal.keep(inner)
    wrapped = announce(inner)
    with host.open_work() as work:
        work.journal.keep(wrapped)
    with host.open_work() as work:
        assert work.journal.get(wrapped.id).raw == wrapped.raw


def test_an_announce_that_writes_the_same_in_other_bytes_keeps_both(host: Host) -> None:
    inner = activity()
    with host.open_work() as work:
        work.journal.keep(inner)
    other = inner.raw.replace(b'","', b'", "')
    wrapped = announce(inner, as_written=other)
    with host.open_work() as work:
        work.journal.keep(wrapped)
    with host.open_work() as work:
        assert work.journal.get(wrapped.id).raw == wrapped.raw
        assert work.journal.get(inner.id).raw == inner.raw


# -- units of work


def test_a_unit_of_work_that_fails_leaves_nothing(host: Host, relation: Relation) -> None:
    said = activity()
    with pytest.raises(Undone), host.open_work() as work:
        work.journal.keep(said)
        exchange.append(relation, said, work)
        raise Undone
    with host.open_work() as work:
        assert work.journal.get(said.id) is None
        assert work.log.head(relation).seq == 0


def test_a_savepoint_takes_back_what_was_kept_inside_and_nothing_else(host: Host, relation: Relation) -> None:
    before, inside, after = activity(), activity(), activity()
    with host.open_work() as work:
        work.journal.keep(before)
        exchange.append(relation, before, work)
        with pytest.raises(Undone), work.savepoint():
            work.journal.keep(inside)
            exchange.append(relation, inside, work)
            work.introductions.introduced(relation, inside.actor, digest({}))
            raise Undone
        with work.savepoint():
            work.journal.keep(after)
            exchange.append(relation, after, work)
    with host.open_work() as work:
        assert [entry.activity for entry, _ in work.log.read(relation, 1, 9, 99999)] == [before.id, after.id]
        assert work.journal.get(inside.id) is None
        assert work.introductions.known(relation, inside.actor) is None


def test_the_first_row_of_a_stream_inside_a_savepoint_may_be_taken_back(
    host: Host, relation: Relation
) -> None:
    said = activity()
    with host.open_work() as work:
        with pytest.raises(Undone), work.savepoint():
            work.journal.keep(said)
            exchange.append(relation, said, work)
            raise Undone
        work.journal.keep(said)
        assert exchange.append(relation, said, work).seq == 1
    with host.open_work() as work:
        assert work.log.head(relation).seq == 1


# -- log


def test_a_log_begins_with_the_digest_of_the_agreement(host: Host, relation: Relation) -> None:
    with host.open_work() as work:
        assert (work.log.head(relation).seq, work.log.head(relation).entry_hash) == (0, GENESIS)
        assert work.log.acknowledged(relation) == 0
        assert work.log.entry(relation, 1) is None
        assert work.log.read(relation, 1, 10, 1000) == []


def test_a_log_is_chained_and_read_in_order_with_its_bytes(host: Host, relation: Relation) -> None:
    appended = _append(host, relation, 5)
    assert [entry.prev for entry in appended] == [GENESIS, *(entry.entry_hash for entry in appended[:-1])]
    with host.open_work() as work:
        assert work.log.head(relation).entry_hash == appended[-1].entry_hash
        read = work.log.read(relation, 2, 3, 1_000_000)
        assert [entry for entry, _ in read] == appended[1:4]
        assert all(work.journal.get(entry.activity).raw == raw for entry, raw in read)
        assert [work.log.entry(relation, seq) for seq in (1, 3, 5)] == [appended[0], appended[2], appended[4]]
        assert work.log.entry(relation, 6) is None


def test_reading_stops_at_a_size_but_gives_at_least_one(host: Host, relation: Relation) -> None:
    _append(host, relation, 3)
    with host.open_work() as work:
        size = len(work.log.read(relation, 1, 1, 1)[0][1]) + 1
        assert len(work.log.read(relation, 1, 3, 2 * size)) == 2


def test_what_was_appended_is_read_in_the_same_unit(host: Host, relation: Relation) -> None:
    first = _append(host, relation, 1)[0]
    with host.open_work() as work:
        said = activity()
        work.journal.keep(said)
        second = exchange.append(relation, said, work)
        assert second.prev == first.entry_hash
        assert work.log.read(relation, 1, 9, 99999)[1] == (second, said.raw)
        assert work.log.entry(relation, 2) == second


def test_a_long_log_is_read_in_pieces(host: Host, relation: Relation) -> None:
    appended = _append(host, relation, 230)
    with host.open_work() as work:
        read = work.log.read(relation, 3, 200, 10_000_000)
        assert [entry for entry, _ in read] == appended[2:202]


def test_the_same_activity_may_be_said_again(host: Host, relation: Relation) -> None:
    first = _append(host, relation, 1)[0]
    with host.open_work() as work:
        again = exchange.append(relation, work.journal.get(first.activity), work)
    with host.open_work() as work:
        assert work.log.entry(relation, 2) == again


def test_a_log_counts_how_often_something_was_said(host: Host, relation: Relation) -> None:
    (entry,) = _append(host, relation, 1)
    with host.open_work() as work:
        assert work.log.times(relation, f"{entry.activity}x") == 0
        assert work.log.times(relation, entry.activity) == 1
        exchange.append(relation, work.journal.get(entry.activity), work)
        assert work.log.times(relation, entry.activity) == 2
    with host.open_work() as work:
        assert work.log.times(relation, entry.activity) == 2


def test_a_refused_entry_keeps_its_place_and_goes_out_empty(host: Host, relation: Relation) -> None:
    appended = _append(host, relation, 3)
    with host.open_work() as work:
        work.log.refuse(relation, 2, {"type": "https://w3id.org/parvis/v1#out-of-scope"})
    with host.open_work() as work:
        read = work.log.read(relation, 1, 9, 99999)
        assert [entry for entry, _ in read] == appended
        assert [bool(raw) for _, raw in read] == [True, False, True]
        assert work.journal.get(appended[1].activity) is not None
        again = exchange.append(relation, work.journal.get(appended[1].activity), work)
    with host.open_work() as work:
        assert work.log.read(relation, 4, 9, 99999)[0][0] == again
        assert work.log.read(relation, 4, 9, 99999)[0][1]


def test_an_acknowledgement_only_grows(host: Host, relation: Relation) -> None:
    _append(host, relation, 4)
    for seq in (3, 2):
        with host.open_work() as work:
            work.log.acknowledge(relation, seq)
    with host.open_work() as work:
        assert work.log.acknowledged(relation) == 3
        assert work.log.head(relation).seq == 4


def test_an_entry_that_the_partner_holds_waits_for_its_last_word(host: Host, relation: Relation) -> None:
    _append(host, relation, 2)
    with host.open_work() as work:
        assert work.log.late(relation, 1) is None
        work.log.hold(relation, 1)
        assert work.log.late(relation, 1) == ""
    with host.open_work() as work:
        assert [work.log.late(relation, seq) for seq in (1, 2, 3)] == ["", None, None]
        work.log.conclude(relation, 1, f"{PARTNER}/a/late")
    with host.open_work() as work:
        work.log.hold(relation, 1)  # the first receipt may come after the last one
        assert [work.log.late(relation, seq) for seq in (1, 2)] == [f"{PARTNER}/a/late", None]


# -- streams


def test_entries_of_a_partner_are_kept_with_what_became_of_them(host: Host, relation: Relation) -> None:
    entries = _incoming(relation, 3)
    said = activity(PARTNER)
    outcomes = [Outcome("processed"), Outcome("rejected", {"type": "#out-of-scope"}), Outcome("received")]
    with host.open_work() as work:
        work.journal.keep(said)
        work.streams.record(relation, list(zip(entries, outcomes, strict=True)))
        assert work.streams.head(relation).seq == 3
        assert work.streams.entries(relation, 2, 3) == list(zip(entries, outcomes, strict=True))[1:]
    with host.open_work() as work:
        assert work.streams.head(relation).entry_hash == entries[-1].entry_hash
        assert list(work.streams.entries(relation, 1, 3)) == list(zip(entries, outcomes, strict=True))
        assert list(work.streams.entries(relation, 2, 2)) == [(entries[1], outcomes[1])]


def test_an_entry_of_a_known_activity_is_the_same_again(host: Host, relation: Relation) -> None:
    said = activity(PARTNER)
    made = exchange.entry(
        relation.stream_in, 1, GENESIS, said.id, said.type, said.content_digest, "2026-11-24T08:00:00.5Z"
    )
    with host.open_work() as work:
        work.journal.keep(said)
        work.streams.record(relation, [(made, Outcome("processed"))])
    with host.open_work() as work:
        assert work.streams.entries(relation, 1, 1)[0][0] == made


def test_an_entry_with_another_body_keeps_what_its_manifest_said(host: Host, relation: Relation) -> None:
    said = activity(PARTNER)
    made = exchange.entry(relation.stream_in, 1, GENESIS, said.id, "Like", "sha-512=:AAAA:", "whenever")
    with host.open_work() as work:
        work.journal.keep(said)
        work.streams.record(relation, [(made, Outcome("rejected", {"type": "#replay"}))])
    with host.open_work() as work:
        assert work.streams.entries(relation, 1, 1)[0][0] == made


def test_a_held_line_makes_later_ones_about_the_same_wait(host: Host, relation: Relation) -> None:
    with host.open_work() as work:
        assert not work.streams.holds(relation, "http://south.localhost/o/1")
        work.streams.record(relation, [(_incoming(relation, 1)[0], Outcome("received"))])
        work.streams.hold(relation, 1, b"{}", "http://south.localhost/o/1")
        assert work.streams.holds(relation, "http://south.localhost/o/1")
    with host.open_work() as work:
        assert work.streams.holds(relation, "http://south.localhost/o/1")
        assert not work.streams.holds(relation, "http://south.localhost/o/2")
        assert not work.streams.holds(relation, None)


# -- receipts, nonces, introductions


def _receipt(first: int, last: int, **members: object) -> dict[str, object]:
    return {"type": "DeliveryReceipt", "from": first, "to": last, "exceptions": [], **members}


def test_a_receipt_is_given_again_for_exactly_its_range(host: Host, relation: Relation) -> None:
    receipt = _receipt(1, 4, id="http://north.localhost/receipts/1", name="déjà vu")
    with host.open_work() as work:
        work.receipts.keep_given(relation, receipt)
    with host.open_work() as work:
        assert work.receipts.given(relation, 1, 4) == receipt
        assert work.receipts.given(relation, 1, 3) is None
        assert work.receipts.given(relation, 2, 4) is None


def test_a_receipt_may_come_twice(host: Host, relation: Relation) -> None:
    _append(host, relation, 2)
    request = Request("POST", relation.exchange, Headers((("Signature", "sig1=:AA==:"),)))
    for _ in range(2):
        with host.open_work() as work:
            answer = Response(200, Headers((("Signature", "rcpt=:AA==:"),)))
            work.receipts.keep_received(relation, _receipt(1, 2), request, answer)


def test_a_nonce_is_good_once_and_forgotten_after_900_s(host: Host) -> None:
    key_id, nonce = f"{PARTNER}/actor#ed25519", "0123456789abcdef"
    for expected, move in ((True, 0), (False, 899), (False, 0), (True, 2)):
        host.clock.move(seconds=move)
        with host.open_work() as work:
            assert work.nonces.first_use(key_id, nonce, host.clock.now()) is expected
    with host.open_work() as work:
        assert work.nonces.first_use(f"{PARTNER}/other#ed25519", nonce, host.clock.now())


def test_an_introduction_is_remembered_by_its_digest(host: Host, relation: Relation) -> None:
    actor = f"{host.node}/people/1"
    with host.open_work() as work:
        assert work.introductions.known(relation, actor) is None
        work.introductions.introduced(relation, actor, digest({"a": 1}))
        assert work.introductions.known(relation, actor) == digest({"a": 1})
    for said in (digest({"a": 2}), ""):
        with host.open_work() as work:
            work.introductions.introduced(relation, actor, said)
        with host.open_work() as work:
            assert work.introductions.known(relation, actor) == said


# -- actors


def _introduced(name: str, key: SigningKey) -> dict[str, object]:
    node = SigningKey.generate(f"{PARTNER}/actor#ed25519")
    iri = key.controller
    document = actor_document(iri, "Person", name, "sven", key.public.multibase, f"{PARTNER}/actor", "South")
    return proofs.sign(document, node, "2026-11-24T08:00:00Z")


def test_an_introduced_actor_is_known_with_document_digest_and_key(host: Host) -> None:
    key = SigningKey.generate(f"{PARTNER}/people/1#ed25519")
    document = _introduced("Sven", key)
    with host.open_work() as work:
        assert work.actors.key(key.key_id) is None
        assert work.actors.digest(key.controller) is None
        work.actors.learn(document, f"{PARTNER}/actor")
        assert work.actors.key(key.key_id) == key.public
    with host.open_work() as work:
        assert work.actors.key(key.key_id) == key.public
        assert work.actors.document(key.controller) == document
        assert work.actors.digest(key.controller) == digest(document)


def test_a_later_document_takes_the_place_of_the_one_before(host: Host) -> None:
    key = SigningKey.generate(f"{PARTNER}/people/1#ed25519")
    for name in ("Sven", "Sven Lund"):
        with host.open_work() as work:
            work.actors.learn(_introduced(name, key), f"{PARTNER}/actor")
        with host.open_work() as work:
            assert work.actors.document(key.controller)["name"] == name


def test_who_is_one_of_ours_again_signs_with_a_new_key_and_keeps_the_former_for_what_it_proved(
    host: Host,
) -> None:
    actor = host.node.replace("/actor", "/people/AAAAAAAAAAAAAAAAAAAAAA")
    lost = SigningKey.generate(f"{actor}#ed25519")
    lost_document = actor_document(actor, "Person", "Yann", "yann", lost.public.multibase, host.node, "North")
    with host.open_work() as work:
        assert work.actors.digest(actor) is None
        signed = proofs.sign(lost_document, work.actors.signer(host.node), "2026-11-24T07:00:00Z")
        work.actors.regain(signed)
        assert work.actors.digest(actor) == digest(work.actors.document(actor))
    host.clock.move(seconds=1)
    with host.open_work() as work:
        document, key = work.actors.document(actor), work.actors.signer(actor)
        assert (document["name"], document["preferredUsername"]) == ("Yann", "yann")
        assert [each["id"] for each in document["assertionMethod"]] == [key.key_id, lost.key_id]
        proofs.verify(document, work.actors.signer(host.node).public)
        assert work.actors.key(key.key_id) == key.public != lost.public
        held = work.actors.key_at(lost.key_id, START - timedelta(hours=1))
        assert held is not None
        assert held.raw == lost.public.raw


def test_what_was_learned_in_an_undone_savepoint_is_unknown(host: Host) -> None:
    key = SigningKey.generate(f"{PARTNER}/people/1#ed25519")
    with host.open_work() as work:
        with pytest.raises(Undone), work.savepoint():
            work.actors.learn(_introduced("Sven", key), f"{PARTNER}/actor")
            raise Undone
        assert work.actors.key(key.key_id) is None
    with host.open_work() as work:
        assert work.actors.document(key.controller) is None


def test_our_own_node_signs_and_nobody_else_of_ours_does(host: Host) -> None:
    with host.open_work() as work:
        signer = work.actors.signer(host.node)
        assert work.actors.key(f"{host.node}#ed25519") == signer.public
        assert work.actors.digest(host.node) == digest(work.actors.document(host.node))
        with pytest.raises(LocalError):
            work.actors.signer(f"{PARTNER}/actor")


# -- checkpoints, disputes, and what a restore asks for


def _checkpoint(relation: Relation, node: str, stream: str, size: int, head: str) -> Document:
    return {
        "id": f"{node}/checkpoints/{size}{head[-4:]}",
        "type": "LogCheckpoint",
        "attributedTo": node,
        "stream": stream,
        "size": size,
        "head": head,
        "root": head,
    }


def test_the_hashes_of_both_logs_are_told(host: Host, relation: Relation) -> None:
    ours = _append(host, relation, 3)
    theirs = _incoming(relation, 2)
    with host.open_work() as work:
        work.streams.record(relation, [(entry, Outcome("processed")) for entry in theirs])
    with host.open_work() as work:
        for stream, entries in ((relation.stream_out, ours), (relation.stream_in, theirs)):
            hashes = [sha256_of(entry.entry_hash) for entry in entries]
            assert list(work.checkpoints.leaves(relation, stream, 1, 99)) == hashes
            assert list(work.checkpoints.leaves(relation, stream, 2, 2)) == hashes[1:2]
        assert list(work.checkpoints.leaves(relation, relation.stream_out, 4, 9)) == []
        work.checkpoints.keep_blocks(relation, relation.stream_out, 0, [b"\1" * 32])
    with host.open_work() as work:
        assert list(work.checkpoints.blocks(relation, relation.stream_out, 0)) == []


def test_a_checkpoint_is_kept_with_its_answer(host: Host, relation: Relation) -> None:
    head = _append(host, relation, 1)[0].entry_hash
    stream = relation.stream_out
    said = _checkpoint(relation, host.node, stream, 1, head)
    receipt = {"id": f"{PARTNER}/receipts/1", "outcome": "processed"}
    with host.open_work() as work:
        assert work.checkpoints.answer(said["id"]) is None
        work.checkpoints.keep(relation, said, receipt, headers=(Headers(), Headers()))
    with host.open_work() as work:
        assert work.checkpoints.answer(said["id"]) == receipt
        assert list(work.checkpoints.of_size(relation, stream, 1)) == [said]
        assert list(work.checkpoints.of_size(relation, stream, 2)) == []
        assert list(work.checkpoints.of_size(relation, relation.stream_in, 1)) == []


def test_a_disputed_stream_stays_so(host: Host, relation: Relation) -> None:
    found = Dispute(relation.stream_in, Conflict.CHAIN, 1, GENESIS, GENESIS, ["POST"])
    with host.open_work() as work:
        assert not work.streams.disputed(relation)
        work.streams.dispute(relation, found)
        work.streams.dispute(relation, found)
    with host.open_work() as work:
        assert work.streams.disputed(relation)


def test_what_never_left_is_taken_off_and_the_chain_goes_on_before_it(host: Host, relation: Relation) -> None:
    appended = _append(host, relation, 3)
    with host.open_work() as work:
        assert list(work.log.unwind(relation, 2)) == appended[1:]
        assert work.log.head(relation).entry_hash == appended[0].entry_hash
        assert work.log.entry(relation, 2) is None
    (again,) = _append(host, relation, 1)
    assert (again.seq, again.prev) == (2, appended[0].entry_hash)
    with host.open_work() as work:
        assert [entry for entry, _ in work.log.read(relation, 1, 9, 10_000)] == [appended[0], again]
        work.log.unwind(relation, 1)
    with host.open_work() as work:
        assert work.log.head(relation).seq == 0


def test_a_partner_is_shown_what_it_sent_and_nothing_of_what_was_refused(
    host: Host, relation: Relation
) -> None:
    said, refused = activity(PARTNER), activity(PARTNER)
    entries, prev = [], relation.genesis or GENESIS
    for seq, each in enumerate((said, refused), 1):
        entries.append(
            exchange.entry(
                relation.stream_in, seq, prev, each.id, each.type, each.content_digest, "2026-11-24T08:00:00Z"
            )
        )
        prev = entries[-1].entry_hash
    with host.open_work() as work:
        work.journal.keep(said)
        work.streams.record(
            relation, [(entries[0], Outcome("processed")), (entries[1], Outcome("rejected", {"title": "No"}))]
        )
    with host.open_work() as work:
        assert work.streams.read(relation, 1, 9, 10_000) == [(entries[0], said.raw), (entries[1], b"")]
        assert work.streams.read(relation, 1, 9, 1) == [(entries[0], said.raw)]
        assert work.streams.read(relation, 3, 9, 10_000) == []
