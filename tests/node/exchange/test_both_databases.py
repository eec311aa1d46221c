"""What two nodes prove to each other, and how they part, with PostgreSQL on one side, SQLite on the other."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.node.exchange import test_dossier, test_histories
from tests.node.exchange.talk import Talk, begin
from tests.node.exchange.test_dossier import speak
from tests.node.spaces.test_both_databases import pair
from tests.node.spaces.world import House

WALKS: tuple[Callable[[Talk], None], ...] = (
    test_histories.test_a_rewritten_log_is_found_and_both_versions_are_kept,
    test_histories.test_a_checkpoint_that_differs_is_rejected_and_disputed_on_both_sides,
    test_dossier.test_what_passed_before_a_dispute_stays_proved,
    test_dossier.test_what_former_keys_have_signed_stays_proved,
)


@pytest.mark.postgresql
@pytest.mark.parametrize("walk", WALKS)
def test_it_goes_the_same_way(pair: tuple[House, House], walk: Callable[[Talk], None]) -> None:
    talk = begin(*pair)
    walk(speak(talk) if walk.__module__ == test_dossier.__name__ else talk)


__all__ = ["pair"]
