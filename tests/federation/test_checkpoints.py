"""What a reader answers to a checkpoint, and what a writer believes of the answer (PROTOCOL 2.b)."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Any

import pytest

from federation import authorship, checkpoints, documents, signatures
from federation.activity import Document
from federation.http import Headers, Request, Response
from federation.keys import SigningKey
from federation.ports import Conflict, State
from federation.proofs import sign
from tests.federation.world import Pair


def _statement(pair: Pair, **changes: Any) -> Document:
    """South's checkpoint of its log to north."""
    relation = pair.south.relation(pair.north)
    with pair.south.work() as work:
        said = checkpoints.statement(relation, relation.stream_out, work.log.acknowledged(relation), work)
    assert said is not None
    return sign({**said, **changes}, pair.south.key, pair.clock.moment)


def _ask(pair: Pair, said: Document) -> tuple[Request, Response]:
    with pair.south.work() as work:
        create = {"type": "Create", "to": [pair.north.iri], "object": said}
        activity = authorship.write(create, pair.south.iri, work, pair.south.settings)
    return _post(pair, activity.raw)


def _post(pair: Pair, raw: bytes) -> tuple[Request, Response]:
    content_type = Headers((("Content-Type", "application/activity+json"),))
    request = signatures.sign_request(
        Request("POST", f"{pair.north.iri}/inbox", content_type, raw),
        pair.south.key,
        created=int(pair.clock.now.timestamp()),
        nonce=secrets.token_urlsafe(16),
    )
    return request, pair.north.federation.receive_single(request)


def _settle(pair: Pair, said: Document, request: Request, response: Response) -> bool | None:
    with pair.south.work() as work:
        return checkpoints.settle(said, pair.south.relation(pair.north), request, response, work)


def test_an_equal_copy_is_confirmed_and_the_pair_is_kept_on_both_sides(pair: Pair) -> None:
    said = _statement(pair)
    request, response = _ask(pair, said)
    assert _settle(pair, said, request, response) is True
    kept = pair.south.store.rows.checkpoints
    assert kept == pair.north.store.rows.checkpoints
    assert kept[0][1]["outcome"] == "processed"


def test_the_same_again_gets_the_same_receipt(pair: Pair) -> None:
    request, response = _ask(pair, _statement(pair))
    _, again = _post(pair, request.body)
    assert again.body == response.body
    assert len(pair.north.store.rows.checkpoints) == 1


def test_it_passes_while_the_agreement_is_suspended(pair: Pair) -> None:
    said = _statement(pair)
    held = replace(pair.north.relation(pair.south), state=State.SUSPENDED)
    pair.north.store.rows.relations[pair.south.iri] = held
    assert _ask(pair, said)[1].status == 202


def _read(pair: Pair, body: bytes = b"") -> Response:
    """South asks north what it has of south's log."""
    relation = pair.south.relation(pair.north)
    request = signatures.sign_request(
        Request("GET", f"{relation.stream_out}?size=1", Headers((("Content-Type", "text/plain"),)), body),
        pair.south.key,
        created=int(pair.clock.now.timestamp()),
        nonce=secrets.token_urlsafe(16),
    )
    return pair.north.federation.read_checkpoint(request, relation.stream_out, 1)


def test_it_is_read_while_the_agreement_is_suspended_and_the_log_is_not(pair: Pair) -> None:
    held = replace(pair.north.relation(pair.south), state=State.SUSPENDED)
    pair.north.store.rows.relations[pair.south.iri] = held
    response = _read(pair)
    assert response.status == 200
    assert documents.loads(response.body)["size"] == 1


def test_a_reading_has_no_body(pair: Pair) -> None:
    assert _read(pair).status == 200
    assert _read(pair, b"x").status == 404


@pytest.mark.parametrize("member", ["head", "root"])
def test_another_head_or_root_is_rejected_and_disputed_on_both_sides(pair: Pair, member: str) -> None:
    said = _statement(pair, **{member: pair.south.relation(pair.north).genesis})
    request, response = _ask(pair, said)
    problem = documents.loads(response.body)["problem"]
    assert problem["type"].endswith("#digest-mismatch")
    assert (problem["size"], bool(problem["myHead"])) == (said["size"], True)
    assert _settle(pair, said, request, response) is False
    for node in (pair.north, pair.south):
        assert [found.conflict for _, found in node.store.rows.disputes] == [Conflict.CHECKPOINT]


def test_two_heads_for_one_size_prove_a_fork(pair: Pair) -> None:
    _ask(pair, _statement(pair))
    _ask(pair, _statement(pair, id="https://south.example/c/2", head=pair.south.relation(pair.north).genesis))
    found = {each.conflict: each for _, each in pair.north.store.rows.disputes}
    assert len({said["head"] for said in found[Conflict.EQUIVOCATION].evidence}) == 2  # type: ignore[index]


REFUSED: dict[str, tuple[dict[str, Any], int]] = {
    "more than we have": ({"size": 999}, 409),
    "nothing": ({"size": 0}, 422),
    "true": ({"size": True}, 422),
    "another stream": ({"stream": "https://south.example/streams/other"}, 422),
    "another node": ({"attributedTo": "https://east.example/actor"}, 422),
    "a head that is none": ({"head": "zNothing"}, 422),
    "another type": ({"type": "Note"}, 403),
}


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_what_is_no_checkpoint_of_this_log_is_refused_and_leaves_nothing(pair: Pair, case: str) -> None:
    changes, status = REFUSED[case]
    assert _ask(pair, _statement(pair, **changes))[1].status == status
    assert pair.north.store.rows.checkpoints == []
    assert pair.north.store.rows.disputes == []


def test_a_checkpoint_by_another_key_is_refused(pair: Pair) -> None:
    forged = sign(_statement(pair), SigningKey.generate(pair.south.key.key_id), pair.clock.moment)
    assert _ask(pair, forged)[1].status == 403
    assert pair.north.store.rows.checkpoints == []


@pytest.mark.parametrize(
    "case", ["unsigned", "another's receipt", "of something else", "no receipt", "refused"]
)
def test_an_answer_that_proves_nothing_is_none(pair: Pair, case: str) -> None:
    said = _statement(pair)
    request, response = _ask(pair, said)
    receipt = documents.loads(response.body)
    other = SigningKey.generate(pair.north.key.key_id)
    answer = {
        "unsigned": Response(202, Headers(), response.body),
        "another's receipt": _answered(pair, request, sign(receipt, other, pair.clock.moment)),
        "of something else": _answered(
            pair,
            request,
            sign({**receipt, "object": "https://x.example/1"}, pair.north.key, pair.clock.moment),
        ),
        "no receipt": _answered(
            pair, request, sign({**receipt, "outcome": "done"}, pair.north.key, pair.clock.moment)
        ),
        "refused": Response(403, Headers(), b""),
    }[case]
    assert _settle(pair, said, request, answer) is None
    assert pair.south.store.rows.checkpoints == []


def _answered(pair: Pair, request: Request, receipt: Document) -> Response:
    return signatures.sign_response(
        Response(202, Headers(), documents.dumps(receipt)),
        request,
        pair.north.key,
        int(pair.clock.now.timestamp()),
    )


@pytest.mark.parametrize("first", [1, 2, 77, 1000])
def test_the_first_difference_is_found_in_few_steps(first: int) -> None:
    asked: list[int] = []

    def same(size: int) -> bool:
        asked.append(size)
        return size < first

    assert checkpoints.first_difference(1000, same) == first
    assert len(asked) <= 10
