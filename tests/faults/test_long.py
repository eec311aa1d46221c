"""A week, a month, and poison, in short; `make faults` runs them with all that RELIABILITY asks for."""

from __future__ import annotations

from pathlib import Path

from tests.faults.long import away, poisoned, talking


def test_a_partner_that_was_away_a_week_gets_all_in_order(tmp_path: Path) -> None:
    with talking(tmp_path) as talk:
        assert away(talk, 7, 210)["pending"] == 210


def test_after_a_month_delivery_stops_on_record_and_goes_on_when_told_to(tmp_path: Path) -> None:
    with talking(tmp_path) as talk:
        found = away(talk, 31, 3)
    assert (found["stopped"], found["on_record"], found["mark"]) == (True, True, "unconfirmed")


def test_poison_is_set_aside_with_its_cause_and_one_click_brings_it_back(tmp_path: Path) -> None:
    with talking(tmp_path) as talk:
        assert poisoned(talk, 120, 60)["rounds"] <= 6
