"""Buckets by a clock that stands still."""

from __future__ import annotations

import pytest

from federation.errors import TooManyRequests
from node.wire import rates
from node.wire.rates import Rates

NODE = "http://nord-acier.localhost:8102/actor"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def made(clock: Clock) -> Rates:
    return Rates(clock)


def _asks(made: Rates, address: str, most: int) -> int:
    for count in range(most):
        try:
            made.enter(address)
        except TooManyRequests:
            return count
    return most


def test_a_stranger_has_a_burst_of_ten_and_then_five_a_second(made: Rates, clock: Clock) -> None:
    assert _asks(made, "192.0.2.1", 100) == 10
    clock.now = 1.0
    assert _asks(made, "192.0.2.1", 100) == 5
    assert _asks(made, "192.0.2.2", 100) == 10


def test_who_proves_itself_gets_back_what_it_paid(made: Rates) -> None:
    for _ in range(500):
        made.proved("192.0.2.1", made.enter("192.0.2.1"), NODE)


def test_a_node_has_six_hundred_at_once_and_three_hundred_a_second(made: Rates, clock: Clock) -> None:
    def talk(most: int) -> int:
        for count in range(most):
            try:
                made.proved("192.0.2.1", made.enter("192.0.2.1"), NODE)
            except TooManyRequests:
                return count
        return most

    assert talk(1000) == 600
    clock.now = 1.0
    assert talk(1000) == 300


def test_a_partner_whose_signatures_fail_pays_as_a_stranger(made: Rates) -> None:
    made.proved("192.0.2.1", made.enter("192.0.2.1"), NODE)
    count = 0
    with pytest.raises(TooManyRequests) as refused:
        while True:
            made.unproved("192.0.2.1", made.enter("192.0.2.1"))
            count += 1
    assert count <= 11
    assert refused.value.members["retry_after"] == 1


def test_many_addresses_take_no_more_memory(made: Rates, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "MAX_KEPT", 100)
    for number in range(1000):
        made.enter(f"192.0.2.{number}")
    assert len(made._buckets) <= 100
