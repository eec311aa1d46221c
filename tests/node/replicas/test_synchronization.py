"""`Collection-Synchronization` at the door (FEP-8fcf): a difference is compared soon, a forged field does nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from federation import delivery, documents
from federation.http import Request, Response
from federation.synchronization import FIELD, Told
from node.exchange import service as exchange
from node.replicas.services import runs
from tests.node.relations.peers import peered, rows_of
from tests.node.replicas.test_compare import Shared, write
from tests.node.replicas.test_doors import get, name_of
from tests.node.spaces.world import House
from tests.node.threads.talk import begin


@pytest.fixture
def shared(partners: tuple[House, House]) -> Shared:
    return Shared(*partners)


@pytest.fixture
def asked(shared: Shared, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """The comparisons that the guest is about to make."""
    found: list[tuple[Any, ...]] = []
    monkeypatch.setattr(shared.guest.ground.jobs, "enqueue", lambda job, *of, **_: found.append((job, *of)))
    return found


def prepared(shared: Shared) -> Request:
    """The next batch of the host, with what it says of the members."""
    begin(shared.host, shared.nora, shared.key, "Encore.", title="Encore")
    with exchange.open_reading(shared.host.ground) as work:
        settings = exchange.settings_of(shared.host.ground)
        return delivery.prepare(shared.host.relation(shared.guest), work, settings, 50, Told()).request


def sent(shared: Shared, request: Request) -> Response:
    return shared.host.net.send(request)


def with_field(shared: Shared, value: str) -> Response:
    """The answer to a batch that says this of the members, signed."""
    request = prepared(shared)
    return sent(shared, shared.host.sign(replace(request, headers=request.headers.with_((FIELD, value)))))


def forget_emil(shared: Shared) -> None:
    write(
        shared.guest,
        "DELETE FROM member WHERE participant_id = (SELECT id FROM participant WHERE iri = :iri)",
        iri=shared.emil.actor,
    )


def doubted(shared: Shared) -> Sequence[Any]:
    return (runs.compare_soon, shared.number(shared.guest), "")


def test_equal_lists_cost_nothing_more(shared: Shared, asked: list[Any]) -> None:
    request = prepared(shared)

    assert request.headers.get(FIELD) is not None
    assert sent(shared, request).status == 200
    assert doubted(shared) not in asked


def test_a_member_who_is_lost_is_found_by_the_next_announce_and_comes_back(
    shared: Shared, asked: list[Any]
) -> None:
    forget_emil(shared)

    assert sent(shared, prepared(shared)).status == 200

    assert asked.count(doubted(shared)) == 1
    assert shared.compare().state == "equal"
    assert "Emil Sund" in shared.guest.names(shared.iri)


def test_what_was_just_compared_is_not_doubted_again(shared: Shared, asked: list[Any]) -> None:
    shared.compare()
    forget_emil(shared)

    sent(shared, prepared(shared))
    assert doubted(shared) not in asked
    for house in (shared.host, shared.guest):
        house.clock.move(minutes=10)
    sent(shared, prepared(shared))
    assert doubted(shared) in asked


@pytest.mark.parametrize(
    "forged",
    [
        "malformed",
        'collectionId="{iri}/members", url="https://evil.example/s", digest="{digest}"',
        'collectionId="https://evil.example/spaces/1/members", url="{iri}/s", digest="{digest}"',
        'collectionId="{iri}/roster", url="{iri}/s", digest="{digest}"',
    ],
)
def test_a_forged_list_is_not_believed_and_on_record(shared: Shared, asked: list[Any], forged: str) -> None:
    members = shared.guest.fact("SELECT count(*) FROM member")

    answer = with_field(shared, forged.format(iri=shared.iri, digest="0" * 64))

    assert answer.status == 200
    assert doubted(shared) not in asked
    assert shared.guest.fact("SELECT count(*) FROM member") == members
    noted = "SELECT count(*) FROM audit WHERE action = 'replica.not-synchronized'"
    assert shared.guest.fact(noted) == 1


def test_refuses_a_list_that_is_not_signed(shared: Shared, asked: list[Any]) -> None:
    request = prepared(shared)
    value = str(request.headers.get(FIELD))
    with exchange.open_reading(shared.host.ground) as work:
        settings = exchange.settings_of(shared.host.ground)
        bare = delivery.prepare(shared.host.relation(shared.guest), work, settings, 50).request
    before = rows_of(shared.guest)

    answer = sent(shared, replace(bare, headers=bare.headers.with_((FIELD, value))))

    assert answer.status == 401
    assert rows_of(shared.guest) == before
    assert asked == []


def test_a_partner_reads_which_of_its_people_are_in(shared: Shared) -> None:
    answer = get(shared.guest, shared.host, f"/spaces/{name_of(shared)}/members_synchronization")

    found = documents.loads(answer.body)
    assert (found["type"], found["orderedItems"]) == ("OrderedCollection", [shared.emil.actor])


def test_refuses_who_is_not_in_the_space(shared: Shared, leroux: House) -> None:
    peered(shared.host, leroux)
    path = f"/spaces/{name_of(shared)}/members_synchronization"
    before = rows_of(shared.host)

    answer = get(leroux, shared.host, path)

    assert answer.status == 404
    assert answer.body == get(leroux, shared.host, "/spaces/nothing/members_synchronization").body
    assert rows_of(shared.host) == before
    assert shared.host.app.test_client().get(path).status_code == 404
