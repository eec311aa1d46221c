"""The life of a recall with PostgreSQL on one side, SQLite on the other."""

from __future__ import annotations

from datetime import timedelta

import pytest

from node.retention.services import erasing, expiry, holds, ledger
from node.threads.services import posting, spots
from node.threads.services.posting import Draft
from tests.node.retention.test_recall import CANARY, WRONG, found_in, outcomes, post_of, tables_with
from tests.node.spaces.test_both_databases import pair
from tests.node.spaces.world import House, exchange_all, opened
from tests.node.threads.talk import begin, seen


@pytest.mark.postgresql
def test_the_whole_life(pair: tuple[House, House]) -> None:
    host, guest = pair
    ines, marie = host.person("Inès Le Goff"), guest.person("Marie Lenoir")
    iri = opened(host, guest, host.space(ines), ines, marie)
    guest.join(marie, iri, host)
    begin(guest, marie, guest.key_of(iri), CANARY)
    exchange_all(host, guest)
    with host.ground.database.reading() as session:
        spot = spots.of_post(session, post_of(host, ines))
    review = host.clock.now().date() + timedelta(days=9)
    key = holds.place(host.ground, "", spot, basis="Litige", reference="LH-1", review_by=review)
    posting.recall(guest.ground, guest.by(marie), post_of(guest, marie), WRONG)
    for _ in range(2):
        exchange_all(host, guest)
        for house in pair:
            erasing.watch.run(house.ground)
    exchange_all(host, guest)
    assert outcomes(guest) == {host.ground.settings.organisation: "retained", "Nord Acier": "erased"}
    assert tables_with(host, CANARY) == {"kept"}
    assert found_in(guest, CANARY) == set()
    assert holds.release(host.ground, "", key) == 1
    erasing.settle.run(host.ground)
    exchange_all(host, guest)
    assert set(outcomes(guest).values()) == {"erased"}
    assert found_in(host, CANARY) == set()
    assert seen(host, ines)[0].recalled == "wrong-recipient"
    host.clock.move(days=8)
    erasing.watch.run(host.ground)

    begin(host, ines, host.key_of(iri), CANARY, title="Vieux")
    host.clock.move(days=800)
    expiry.expire.run(host.ground)
    assert tables_with(host, CANARY) == set()
    with host.ground.database.reading() as session:
        assert [run.count for run in ledger.runs(session)] == [1]


__all__ = ["pair"]


@pytest.mark.postgresql
def test_an_edit_that_comes_back_after_our_own_recall_leaves_neither_hole_nor_bytes(
    pair: tuple[House, House],
) -> None:
    host, guest = pair
    ines, marie = host.person("Inès Le Goff"), guest.person("Marie Lenoir")
    iri = opened(host, guest, host.space(ines), ines, marie)
    guest.join(marie, iri, host)
    said = begin(guest, marie, guest.key_of(iri), CANARY)
    exchange_all(host, guest)
    posting.edit(guest.ground, guest.by(marie), said.post, Draft(f"{CANARY} encore", title="Grue"))
    guest.deliver(host)
    posting.recall(guest.ground, guest.by(marie), said.post, WRONG)
    host.deliver(guest)
    rejected = "SELECT count(*) FROM in_entry WHERE outcome = 'rejected'"
    assert (guest.fact(rejected), guest.fact("SELECT count(*) FROM missing_rev")) == (0, 0)
    assert tables_with(guest, CANARY) == set()
    exchange_all(host, guest)
    assert tables_with(host, CANARY) == tables_with(guest, CANARY) == set()
