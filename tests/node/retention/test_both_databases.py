"""The life of a recall with PostgreSQL on one side, SQLite on the other."""

from __future__ import annotations

from datetime import timedelta

import pytest

from node.retention.services import erasing, expiry, holds, ledger
from node.threads.services import posting, spots
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
