"""Who of a partner's people is in a space (FEP-8fcf): when the host says it, and what the partner believes of it."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Any

import pytest

from federation import delivery, signatures, synchronization
from federation.digest import followers_digest, read_synchronization
from federation.http import Response
from federation.synchronization import FIELD, Told
from tests.federation.world import Node, Pair, effects


def prepared(host: Node, guest: Node, told: Told, lines: int = 50) -> delivery.Parcel:
    with host.work() as work:
        return delivery.prepare(host.relation(guest), work, host.settings, lines, told)


def delivered(host: Node, guest: Node, told: Told) -> str | None:
    """What the host said on its next batch, which the guest took."""
    parcel = prepared(host, guest, told)
    response = guest.federation.receive_batch(parcel.request)
    with host.work() as work:
        assert isinstance(delivery.settle(parcel, response, work, host.settings), delivery.Delivered)
    return parcel.request.headers.get(FIELD)


def test_the_host_says_it_on_announces_now_and_then(pair: Pair) -> None:
    north, told = pair.north, Told()

    said = []
    for minutes in (0, 9, 1):
        pair.clock.advance(60 * minutes)
        north.post(pair.anna, pair.space, "x")
        said.append(delivered(north, pair.south, told))

    assert said[1] is None
    assert said[0] == said[2]
    read = read_synchronization(str(said[0]))
    assert read.collection_id == f"{pair.space}/members"
    assert read.url == synchronization.partial_of(pair.space)
    assert read.digest == followers_digest([pair.sven])
    assert pair.south.store.rows.doubted == []


def test_the_host_says_it_after_a_change_of_the_members(pair: Pair) -> None:
    north, told = pair.north, Told()
    north.post(pair.anna, pair.space, "x")
    assert delivered(north, pair.south, told) is not None
    with pair.south.work() as work:
        said = {
            "type": "Leave",
            "to": [f"{pair.space}/members"],
            "audience": pair.space,
            "object": pair.space,
        }
        pair.south.federation.publish(said, pair.sven, work)
    pair.south.deliver(north)

    value = delivered(north, pair.south, told)

    assert value is not None
    assert read_synchronization(value).digest == followers_digest([])
    assert pair.south.store.rows.doubted == []


def test_nothing_is_said_without_an_announce_or_while_more_waits(pair: Pair) -> None:
    told = Told()
    pair.south.post(pair.sven, pair.space, "x")
    for number in range(3):
        pair.north.post(pair.anna, pair.space, str(number))

    assert prepared(pair.south, pair.north, told).request.headers.get(FIELD) is None
    assert prepared(pair.north, pair.south, told, 1).request.headers.get(FIELD) is None
    assert told.at == {}


def test_nothing_is_said_to_who_is_taken_out(pair: Pair) -> None:
    pair.north.write_roster(pair.space, remove=pair.south)

    assert delivered(pair.north, pair.south, Told()) is None
    assert not any(name == "replica.not-synchronized" for name, _facts in pair.south.store.rows.notes)


def test_another_list_than_ours_is_doubted_and_the_batch_taken(pair: Pair) -> None:
    pair.south.store.rows.spaces[pair.space].members.pop(pair.sven)
    pair.north.post(pair.anna, pair.space, "taken")

    delivered(pair.north, pair.south, Told())

    assert pair.south.store.rows.doubted == [pair.space]
    assert pair.south.texts(pair.space) == ["taken"]


def said_by(pair: Pair, value: str) -> Response:
    """The answer to a batch of the host that it signed with this field."""
    pair.north.post(pair.anna, pair.space, "taken")
    request = prepared(pair.north, pair.south, Told()).request
    unsigned = replace(request, headers=request.headers.with_((FIELD, value)))
    created = int(pair.north.clock.now.timestamp())
    signed = signatures.sign_request(
        unsigned, pair.north.key, created=created, nonce=secrets.token_urlsafe(16)
    )
    return pair.south.federation.receive_batch(signed)


def field(space: str, **members: Any) -> str:
    values = {
        "collectionId": f"{space}/members",
        "url": f"{space}/members_synchronization",
        "digest": "0" * 64,
        **members,
    }
    return ", ".join(f'{name}="{value}"' for name, value in values.items())


@pytest.mark.parametrize(
    "forged",
    [
        lambda _pair: "nothing of the kind",
        lambda pair: field(pair.space, digest="0"),
        lambda pair: field(pair.space, url="https://evil.example/members_synchronization"),
        lambda pair: field(pair.space, url=f"{pair.south.settings.origin}/spaces/1/members_synchronization"),
        lambda pair: field(pair.space, collectionId=f"{pair.space}/followers"),
        lambda pair: field(pair.space, collectionId=pair.space),
        lambda pair: field(pair.space, collectionId="https://evil.example/spaces/1/members"),
        lambda pair: field(pair.space, collectionId=f"{pair.south.settings.origin}/spaces/1/members"),
    ],
)
def test_what_is_no_list_of_a_space_of_the_host_changes_nothing(pair: Pair, forged: Any) -> None:
    response = said_by(pair, forged(pair))

    assert response.status == 200
    assert pair.south.store.rows.doubted == []
    [(name, facts)] = [each for each in pair.south.store.rows.notes if each[0].startswith("replica.")]
    assert (name, facts["partner"]) == ("replica.not-synchronized", pair.north.iri)


def test_a_space_that_is_stopped_is_not_compared(pair: Pair) -> None:
    stopped = replace(pair.south.relation(pair.north), stopped_there=frozenset({pair.space}))
    with pair.south.work() as work:
        synchronization.take(field(pair.space), stopped, work)
    assert pair.south.store.rows.doubted == []


def test_refuses_a_field_that_the_signature_does_not_cover(pair: Pair) -> None:
    pair.north.post(pair.anna, pair.space, "x")
    request = prepared(pair.north, pair.south, Told()).request
    assert '"collection-synchronization"' in str(request.headers.get("signature-input"))
    added, changed = (
        replace(each, headers=each.headers.with_((FIELD, field(pair.space))))
        for each in (pair.north.parcel(pair.south).request, request)
    )

    before = effects(pair.south)
    answers = [pair.south.federation.receive_batch(each) for each in (added, changed)]

    assert [answer.status for answer in answers] == [401, 401]
    assert effects(pair.south) == before
    assert pair.south.store.rows.doubted == []
