"""What a partner may ask about a space, and what nodes say of their copies: refused at the door, or kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from federation import replica
from federation.activity import Document
from federation.http import Response
from node.core.clock import rfc3339
from node.exchange import service as exchange
from node.replicas.services import runs
from tests.node.identity.houses import PASSWORD
from tests.node.replicas.test_compare import Shared, lose, seen_by
from tests.node.spaces.world import House, Role, exchange_all, opened, peered
from tests.node.threads.talk import begin

EVERYTHING = "SELECT count(*) FROM replica_leaf UNION ALL SELECT count(*) FROM replica_statement"


@pytest.fixture
def shared(partners: tuple[House, House]) -> Shared:
    return Shared(*partners)


def get(asking: House, asked: House, path: str) -> Response:
    """A GET signed by the node of `asking`."""
    with exchange.open_reading(asking.ground) as work:
        relation = work.peers.of_node(asked.iri)
    assert relation is not None
    return exchange.fetch(asking.ground, relation, f"{asked.origin}{path}")


def name_of(shared: Shared) -> str:
    return shared.iri.rpartition("/")[2]


def counts(house: House) -> list[int]:
    tables = ("replica_leaf", "replica_statement", "post", "space", "member")
    return [int(house.fact(f"SELECT count(*) FROM {table}")) for table in tables]


@pytest.mark.parametrize("path", ["/digest/{}", "/digest/{}?asOf=3&bucket=00", "/spaces/{}/outbox?after=0"])
def test_refuses_a_partner_that_is_not_on_the_roster(shared: Shared, leroux: House, path: str) -> None:
    peered(shared.host, leroux)
    before = counts(shared.host)

    answer = get(leroux, shared.host, path.format(name_of(shared)))

    assert answer.status == 404
    assert answer.body == get(leroux, shared.host, path.format("nothing-like-it")).body
    assert counts(shared.host) == before
    refused = shared.host.fact("SELECT count(*) FROM audit WHERE action = 'exchange.refused'")
    assert refused == 2


@pytest.mark.parametrize("path", ["/digest/{}", "/spaces/{}/outbox?after=0"])
def test_refuses_who_signs_nothing(shared: Shared, path: str) -> None:
    answer = shared.host.app.test_client().get(path.format(name_of(shared)))

    assert answer.status_code == 404
    assert shared.host.fact("SELECT count(*) FROM replica_statement") == 0


@pytest.mark.parametrize(
    "query", ["asOf=x", "asOf=1&bucket=zz", "asOf=1&bucket=0", "asOf=1&bucket=000", "asOf=-1"]
)
def test_refuses_what_names_no_bucket(shared: Shared, query: str) -> None:
    assert get(shared.guest, shared.host, f"/digest/{name_of(shared)}?{query}").status == 404


def test_refuses_a_rev_of_which_no_statement_is_kept(shared: Shared) -> None:
    answer = get(shared.guest, shared.host, f"/digest/{name_of(shared)}?asOf=1&buckets=all")

    assert answer.status == 409
    assert b"#as-of-gone" in answer.body


def test_keeps_the_last_three_statements(shared: Shared) -> None:
    seen = []
    for number in range(5):
        begin(shared.host, shared.nora, shared.key, f"Message {number}")
        exchange_all(shared.host, shared.guest)
        seen.append(shared.compare().as_of)

    answers = [
        get(shared.guest, shared.host, f"/digest/{name_of(shared)}?asOf={rev}&buckets=all") for rev in seen
    ]

    assert [answer.status for answer in answers] == [409, 409, 200, 200, 200]


def test_refuses_what_was_announced_before_the_partner_sees(partners: tuple[House, House]) -> None:
    host, guest = partners
    nora, emil = host.person("Nora Lind", Role.ADMIN), guest.person("Emil Sund", Role.ADMIN)
    key = host.space(nora)
    begin(host, nora, key, "Avant.")
    iri = opened(host, guest, key, nora, emil, past="none")
    name = iri.rpartition("/")[2]

    asked = get(guest, host, f"/spaces/{name}/outbox?rev=1,2,3")
    after = get(guest, host, f"/spaces/{name}/outbox?after=0")

    assert "Avant" not in (asked.body + after.body).decode()
    assert after.body.count(b"\n") == 1  # the roster with which it came in


def statement(shared: Shared, house: House, **members: Any) -> Document:
    """What a house signs of a copy that it does not have."""
    values: dict[str, Any] = {"node": house.iri, "as_of": 3, "leaves": [], "view": replica.WHOLE, **members}
    with exchange.open_reading(house.ground) as work:
        return replica.state(
            values["node"],
            shared.iri,
            values["as_of"],
            replica.tally(values["leaves"]),
            values["view"],
            {"have": 0, "missing": 0},
            work.actors.signer(work.node),
            rfc3339(work.now),
        ).document


def tell(house: House, other: House, document: Document) -> None:
    with exchange.open_work(house.ground) as work:
        relation = work.peers.of_node(other.iri)
        assert relation is not None
        said = {"type": "Create", "to": [other.iri], "object": document}
        exchange.tell(house.ground, work, relation, said, work.node)
    house.deliver(other)


def _of_other_node(shared: Shared) -> Document:
    return statement(shared, shared.guest, node=shared.host.iri)


def _of_other_space(shared: Shared) -> Document:
    return {**statement(shared, shared.guest), "object": f"{shared.host.origin}/spaces/none"}


def _altered(shared: Shared) -> Document:
    return {**statement(shared, shared.guest), "asOf": 4}


def _without_root(shared: Shared) -> Document:
    return {name: value for name, value in statement(shared, shared.guest).items() if name != "root"}


@pytest.mark.parametrize("made", [_of_other_node, _of_other_space, _altered, _without_root])
def test_refuses_a_statement_that_its_node_did_not_sign(
    shared: Shared, made: Callable[[Shared], Document]
) -> None:
    before = counts(shared.host)

    tell(shared.guest, shared.host, made(shared))

    assert counts(shared.host) == before
    assert shared.host.fact("SELECT count(*) FROM audit WHERE action = 'exchange.line-rejected'") == 1


def test_refuses_a_statement_of_a_node_that_is_not_on_the_roster(shared: Shared, leroux: House) -> None:
    peered(shared.host, leroux)
    before = counts(shared.host)

    tell(leroux, shared.host, statement(shared, leroux))

    assert counts(shared.host) == before


def test_a_member_that_signs_another_copy_is_shown(shared: Shared) -> None:
    run = shared.compare()
    exchange_all(shared.host, shared.guest)
    view = replica.view_of(seen_by(shared.host, shared).proofs[0].ours.get("view"))

    tell(shared.guest, shared.host, statement(shared, shared.guest, as_of=run.as_of, view=view))

    noted = shared.host.fact(
        "SELECT count(*) FROM audit WHERE action IN ('replica.differs', 'replica.forked')"
    )
    assert noted == 1


def test_two_statements_of_the_host_that_contradict_each_other_are_kept(shared: Shared) -> None:
    run = shared.compare()
    exchange_all(shared.host, shared.guest)
    view = replica.view_of(seen_by(shared.guest, shared).proofs[0].theirs.get("view"))

    tell(shared.host, shared.guest, statement(shared, shared.host, as_of=run.as_of, view=view))

    seen = seen_by(shared.guest, shared)
    assert seen.forks == 1
    assert shared.guest.fact("SELECT count(*) FROM audit WHERE action = 'replica.forked'") == 1
    with shared.guest.ground.database.reading() as session:
        first, second = runs.evidence(session, shared.guest.ground, seen.space)["contradictions"][0]
    assert first["root"] != second["root"]
    assert first["asOf"] == second["asOf"]


def test_the_host_keeps_what_the_member_signed_of_a_copy_that_is_lost_here(shared: Shared) -> None:
    shared.compare()
    exchange_all(shared.host, shared.guest)
    lose(shared.host, shared.last.iri)
    shared.host.clock.move(hours=1)

    shared.compare()
    exchange_all(shared.host, shared.guest)

    assert [each.kind for each in seen_by(shared.guest, shared).aside] == ["surplus"]


def test_members_find_a_host_that_tells_them_different_histories(
    aubier: House, nord: House, leroux: House
) -> None:
    for one, other in ((aubier, nord), (aubier, leroux), (nord, leroux)):
        peered(one, other)
    shared = Shared(aubier, nord)
    lea = leroux.person("Lea Hart", Role.ADMIN)
    opened(aubier, leroux, shared.key, shared.nora, lea)
    exchange_all(aubier, nord)
    assert runs.compare(leroux.ground, shared.number(leroux)).state == "equal"
    exchange_all(leroux, nord)
    lose(aubier, shared.last.iri)  # as if it were never said, to the next that asks
    aubier.clock.move(hours=1)

    shared.compare()

    assert seen_by(nord, shared).forks == 1
    admin = nord.person("Ada Berg", Role.ADMIN, PASSWORD)
    browser = nord.browser()
    browser.sign_in(admin, PASSWORD)
    page = browser.get(f"/admin/copies/{nord.key_of(shared.iri)}").text
    with nord.ground.database.reading() as session:
        (pair,) = runs.evidence(session, nord.ground, seen_by(nord, shared).space)["contradictions"]
    assert all(each["root"] in page for each in pair)
