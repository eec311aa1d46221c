"""The host in memory, where no walk leads."""

from __future__ import annotations

import pytest

from federation.errors import LocalError
from tests.federation.world import Pair


def test_signs_for_nobody_else(pair: Pair) -> None:
    with pair.north.work() as work, pytest.raises(LocalError):
        work.actors.signer(pair.sven)


def test_a_unit_of_work_that_fails_leaves_nothing(pair: Pair) -> None:
    before = pair.north.store.rows
    with pytest.raises(ZeroDivisionError), pair.north.work() as work:
        work.rows.spaces[pair.space].members.clear()
        raise ZeroDivisionError
    assert pair.north.store.rows is before
    assert pair.anna in before.spaces[pair.space].members
