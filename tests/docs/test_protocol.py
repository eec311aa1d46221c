"""Every example of docs/protocol.md is read by the code that reads a partner's, and its proofs hold."""

from __future__ import annotations

import re
from typing import Any

import pytest

from federation import activity as activities
from federation import (
    charter,
    discovery,
    documents,
    exchange,
    handshake,
    jcs,
    limits,
    offers,
    proofs,
    recall,
    rekeying,
    relay,
    replica,
    resolver,
    roster,
    signatures,
    stopping,
)
from federation.authority import TABLE, thing_of
from federation.digest import content_digest, digest, object_digest
from federation.errors import NAMESPACE, BadProof
from federation.http import Headers, Request, Response
from federation.keys import PublicKey
from federation.ports import Mode
from node.cli.manual import problem_types
from schemas.as2 import agreement as agreements
from tests.docs.examples import PAGE, fresh, key, made, shown
from tests.federation.world import Clock, Node

TEXT = PAGE.read_text(encoding="utf-8")
EXAMPLES = shown(TEXT)
ACTIVITIES = (
    "accept-invite",
    "confirmation",
    "offer",
    "reject-offer",
    "withdraw-offer",
    "accept-offer",
    "suspend",
    "resume",
    "stop",
    "end",
    "introduction",
    "rekeying",
    "create",
    "announce",
    "invite-space",
    "accept-space",
    "join",
    "recall",
    "checkpoint",
    "replica-statement",
)


def document(name: str) -> dict[str, Any]:
    return documents.loads(EXAMPLES[name].encode())


def said(name: str) -> activities.Activity:
    return activities.read(EXAMPLES[name].rstrip("\n").encode())


def proved(found: dict[str, Any]) -> PublicKey:
    public = key(proofs.proof_of(found).verification_method).public
    proofs.verify(found, public)
    return public


def request_of(name: str) -> Request:
    head, _, body = EXAMPLES[name].partition("\n\n")
    line, *fields = head.split("\n")
    headers = Headers([(field.partition(": ")[0], field.partition(": ")[2]) for field in fields])
    method, target, _ = line.split(" ")
    return Request(method, f"https://{headers.get('host')}{target}", headers, body.encode())


def response_of(name: str) -> Response:
    head, _, body = EXAMPLES[name].partition("\n\n")
    line, *fields = head.split("\n")
    headers = Headers([(field.partition(": ")[0], field.partition(": ")[2]) for field in fields])
    return Response(int(line.split(" ")[1]), headers, body.removesuffix("\n").encode())


def test_every_example_is_shown_and_every_shown_one_is_made() -> None:
    assert set(EXAMPLES) == set(made())


def test_every_block_of_the_page_is_an_example() -> None:
    assert TEXT.count("\n```\n") == len(EXAMPLES)


def test_the_examples_are_what_is_said_today() -> None:
    assert fresh(TEXT) == TEXT, "python -m tests.docs.examples"


def test_every_document_of_the_page_that_can_be_read_is_an_example() -> None:
    """What stands in the text between backticks is a form, with its members named, or it is strict JSON."""
    inline = re.findall(r"`(\{\"[^`]*\})`", TEXT)
    assert inline
    for text in inline:
        if ":" in text and "…" not in text:
            documents.loads(text.encode())


def test_every_field_of_the_messages_is_told() -> None:
    told = set(re.findall(r"`([A-Z][A-Za-z-]+)`", TEXT)) | {"Host", "Content-Type"}
    messages: list[Request | Response] = [request_of("batch"), request_of("hello"), response_of("receipt")]
    assert {name.title() for message in messages for name, _ in message.headers} <= {
        each.title() for each in told
    }


@pytest.mark.parametrize("name", ACTIVITIES)
def test_an_activity_is_read_and_proved_by_its_actor(name: str) -> None:
    activity = said(name)
    assert proved(activity.document).controller == activity.actor
    assert (activity.type, thing_of(activity)) in TABLE


def test_the_node_is_found_both_ways() -> None:
    actor = discovery.read_node_actor(document("node-actor"))
    assert actor.peers
    assert actor.keys == (key(f"{actor.id}#ed25519").public,)
    assert discovery.read_jrd(document("webfinger")).href(discovery.SERVICE) == actor.id
    assert discovery.read_jrd(document("nodeinfo")).href(discovery.APPLICATION, activity=False) == actor.id


def test_the_acceptance_is_bound_by_the_token_of_the_link() -> None:
    link = handshake.read_link(EXAMPLES["link"])
    binding = said("accept-invite").document["inviteBinding"]
    assert binding["invite"] == link.invite
    assert handshake.mac(link.token, binding) == binding["mac"]


def test_offer_and_accept_name_one_agreement() -> None:
    offer, accept = said("offer"), said("accept-offer")
    agreement = offer.object or {}
    offers.check_offer(offer, agreement)
    assert not agreements.objections(agreement)
    assert accept.object_id == offer.id
    assert accept.document["objectDigest"] == digest(agreement)
    assert charter.party(agreement, offer.actor)["keys"] == [key(f"{offer.actor}#ed25519").public.multibase]


@pytest.mark.parametrize("name", ["batch", "hello"])
def test_a_batch_is_signed_and_its_chain_begins_where_it_says(name: str) -> None:
    request = request_of(name)
    signature = signatures.peer_signature(request)
    signatures.verify_request(request, signature, key(signature.key_id).public, signature.created)
    field = exchange.read_field(request.headers.get("exchange-log"))
    batch = exchange.read(field, request.body, limits.MAX_BATCH_LINES)
    assert field.agreement == digest(said("offer").object or {})
    for entry, line in zip(batch.entries, batch.lines, strict=True):
        activity = activities.read(line)
        assert (activity.id, activity.type, activity.content_digest) == (
            entry.activity,
            entry.type,
            entry.content_digest,
        )
        proved(activity.document)


@pytest.mark.parametrize(("asked", "given"), [("batch", "receipt"), ("hello", "hello-receipt")])
def test_a_receipt_answers_its_request(asked: str, given: str) -> None:
    request, response = request_of(asked), response_of(given)
    receipt = documents.loads(response.body)
    node = receipt["attributedTo"]
    signatures.verify_response(
        response, request, key(f"{node}#ed25519").public, signatures.peer_signature(request).created
    )
    proved(receipt)
    field = exchange.read_field(request.headers.get("exchange-log"))
    batch = exchange.read(field, request.body, limits.MAX_BATCH_LINES)
    head = (
        (batch.entries[-1].seq, batch.entries[-1].entry_hash)
        if batch.entries
        else (field.seq - 1, field.prev)
    )
    assert receipt["from"] == (field.seq if batch.entries else head[0])
    assert (receipt["to"], receipt["entryHash"]) == head
    assert receipt["contentDigest"] == content_digest(request.body)


def test_the_hello_goes_on_from_the_batch() -> None:
    receipt = documents.loads(response_of("receipt").body)
    assert exchange.read_field(request_of("hello").headers.get("exchange-log")).prev == receipt["entryHash"]


def test_a_checkpoint_and_its_receipt_are_the_word_of_both() -> None:
    checkpoint, receipt = said("checkpoint").object or {}, document("checkpoint-receipt")
    writer, reader = checkpoint["attributedTo"], receipt["attributedTo"]
    assert proved(checkpoint).controller == writer == said("checkpoint").actor
    assert proved(receipt).controller == reader != writer
    assert (receipt["object"], receipt["objectDigest"]) == (checkpoint["id"], object_digest(checkpoint))
    assert (receipt["stream"], receipt["outcome"]) == (checkpoint["stream"], "processed")


def test_an_erasure_receipt_names_the_bytes_of_the_delete() -> None:
    receipt, delete = document("erasure-receipt"), said("recall")
    node = receipt["attributedTo"]
    recall.check_receipt(receipt, node, [key(f"{node}#ed25519").public])
    assert receipt["object"] == delete.id
    assert receipt["contentDigest"] == content_digest(documents.dumps(delete.document))
    asked = recall.read(delete)
    assert asked is not None
    assert asked.mode is Mode.ERASE
    assert [each["id"] for each in receipt["erased"]] == [delete.object_id]


def test_a_new_key_is_named_by_the_former_and_shows_itself() -> None:
    announced = said("rekeying").object or {}
    node, binding = announced["id"], announced["rekeying"]
    former, following = rekeying.keys_of(announced)
    assert former == proved(announced) == key(f"{node}#ed25519").public
    assert following == proved(binding) == key(f"{node}#ed25519-2").public
    partner = Node("nord-acier", Clock())
    with partner.work() as work:
        change = rekeying.check(announced, node, [former], work)
    assert change.keys == (former, following)
    assert not change.compare


def test_a_stop_names_the_agreement_in_force_and_a_space() -> None:
    stop = said("stop")
    assert stopping.is_stop(stop)
    assert stopping.spaces_of(stop) == (said("create").audience,)
    assert (stop.object or {})["objectDigest"] == digest(said("offer").object or {})


def test_a_statement_and_its_counterpart_say_that_the_copies_are_equal() -> None:
    statement = said("replica-statement")
    ours = statement.object or {}
    theirs = ours["counterpart"]
    read = [replica.read(each, [proved(each)]) for each in (ours, theirs)]
    assert [each.node for each in read] == [statement.actor, said("introduction").actor]
    assert (read[0].as_of, read[0].view) == (read[1].as_of, read[1].view)
    assert (read[0].space, read[0].root, read[0].count) == (read[1].space, read[1].root, read[1].count)


def test_a_relayed_receipt_confirms_the_announces_that_it_names() -> None:
    line = documents.dumps(document("relayed-receipt"))
    receipt = document("relayed-receipt")["receipt"]
    host, member = said("introduction").actor, receipt["attributedTo"]
    confirmed = relay.read(line, host, {member: [key(f"{member}#ed25519").public]})
    assert confirmed.node == member
    assert {outcome.outcome for _, outcome in confirmed.outcomes.values()} == {"processed"}


def test_an_introduction_brings_a_document_that_its_node_has_proved() -> None:
    introduction = said("introduction")
    resolver.check(introduction.object or {}, key(f"{introduction.actor}#ed25519").public)


def test_an_announce_carries_the_words_of_its_author_unchanged() -> None:
    announce, create = said("announce"), said("create")
    assert announce.rev
    assert jcs.canonicalize(announce.object or {}) == jcs.canonicalize(create.document)
    proved(announce.object or {})


def test_the_roster_is_proved_by_the_host() -> None:
    found = document("roster")
    read = roster.read(found, proved(found))
    assert read.previous is not None
    assert [each.role for each in read.nodes] == ["host", "member"]


def test_the_problem_is_one_of_those_that_exist() -> None:
    assert document("problem")["type"] in {f"{NAMESPACE}#{kind.problem}" for kind in problem_types()}


def test_a_changed_example_would_be_noticed() -> None:
    with pytest.raises(BadProof):
        proved({**said("create").document, "published": "2026-11-24T09:00:00Z"})
