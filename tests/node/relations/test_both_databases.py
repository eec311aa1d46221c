"""Keys that change and end with PostgreSQL on one side, SQLite on the other."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.node.relations import test_keys
from tests.node.relations.conftest import MakePeer
from tests.node.relations.peers import Peer, peered

WALKS: tuple[Callable[[tuple[Peer, Peer]], None], ...] = (
    test_keys.test_a_new_key_signs_once_the_partner_has_confirmed_it,
    test_keys.test_a_revoked_key_is_dead_here_and_there_until_both_have_compared,
    test_keys.test_all_secrets_are_sealed_under_the_new_key,
)


@pytest.mark.postgresql
@pytest.mark.parametrize("large", [0, 1])
@pytest.mark.parametrize("walk", WALKS)
def test_it_goes_the_same_way(
    make_peer: MakePeer, postgresql_url: str, large: int, walk: Callable[[tuple[Peer, Peer]], None]
) -> None:
    urls: list[dict[str, str]] = [{}, {}]
    urls[large] = {"database_url": postgresql_url}
    two = make_peer("aubier", **urls[0]), make_peer("nordacier", **urls[1])
    peered(*two)
    walk(two)
