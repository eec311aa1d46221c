"""Proofs of messages, and messages under a stolen key, with PostgreSQL on one side, SQLite on the other."""

from __future__ import annotations

import pytest

from tests.node.identity.houses import PASSWORD
from tests.node.spaces.test_both_databases import pair
from tests.node.spaces.world import House, opened
from tests.node.threads import test_flagged, test_proofs


@pytest.mark.postgresql
def test_the_author_takes_the_proof_along(pair: tuple[House, House]) -> None:
    host, guest = pair
    ines, marie = (
        host.person("Inès Le Goff", password=PASSWORD),
        guest.person("Marie Lenoir", password=PASSWORD),
    )
    iri = opened(host, guest, host.space(ines), ines, marie)
    guest.join(marie, iri, host)
    for of_host in (True, False):
        test_proofs.test_the_author_takes_the_proof_of_one_message_along(pair, iri, ines, marie, of_host)


@pytest.mark.postgresql
def test_messages_under_a_stolen_key_are_found(pair: tuple[House, House]) -> None:
    test_flagged.test_an_administrator_sees_which_messages_came_under_a_key_that_was_stolen(pair)


__all__ = ["pair"]
