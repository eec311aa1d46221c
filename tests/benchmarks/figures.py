"""Figures with the goal beside each. Source: PERFORMANCE, section 3; the goals of the spine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Goal:
    """`limit` is the most (`at_most`) or the least that is good; None: told only, no goal."""

    unit: str
    limit: float | None = None
    at_most: bool = True

    def holds(self, value: float) -> bool:
        if self.limit is None:
            return True
        return value <= self.limit if self.at_most else value >= self.limit

    def __str__(self) -> str:
        return "" if self.limit is None else f"{'<=' if self.at_most else '>='} {self.limit:g}"


GOALS: dict[str, Goal] = {
    "send_to_visible_p50": Goal("ms", 15),
    "send_to_visible_p95": Goal("ms", 30),
    "send_accepted_p50": Goal("ms"),
    "two_hops_p50": Goal("ms", 30),
    "two_hops_p95": Goal("ms"),
    "cpu_sequential_sender": Goal("ms per message"),
    "cpu_sequential_receiver": Goal("ms per message"),
    "cpu_loop_of_40_sender": Goal("ms per message"),
    "cpu_loop_of_40_receiver": Goal("ms per message"),
    "cpu_loop_of_40_both": Goal("ms per message", 5),
    "cpu_loop_of_40_client": Goal("ms per message"),
    "rate_loop_of_40": Goal("messages/s"),
    "rate_1_sender": Goal("messages/s"),
    "rate_8_senders": Goal("messages/s", 250, at_most=False),
    "burst_missing": Goal("messages", 0),
    "burst_doubled": Goal("messages", 0),
    "burst_out_of_order": Goal("messages", 0),
    "burst_drained_after": Goal("s", 5),
    "send_accepted_while_partner_hangs_p95": Goal("ms"),
    "outage_missing": Goal("messages", 0),
    "outage_doubled": Goal("messages", 0),
    "outage_visible_after": Goal("s", 3),
    "memory_idle_sender": Goal("MiB", 100),
    "memory_idle_receiver": Goal("MiB", 100),
    "memory_after_sender": Goal("MiB", 130),
    "memory_after_receiver": Goal("MiB", 130),
    "messages_before_memory_after": Goal("messages"),
    "start": Goal("s"),
    "read_latest_20_small": Goal("ms"),
    "read_latest_20_large": Goal("ms"),
    "read_growth": Goal("ratio", 1.2),
    "seed_rate": Goal("posts/s"),
    "disk_per_message_sender": Goal("bytes", 5000),
    "disk_per_message_receiver": Goal("bytes", 5000),
    "disk_per_seeded_post": Goal("bytes"),
    "cpu_database": Goal("ms per message"),
}


class Figures:
    """What was measured so far, and what could not be."""

    def __init__(self) -> None:
        self._values: dict[str, float] = {}
        self._problems: dict[str, str] = {}

    def __setitem__(self, name: str, value: float) -> None:
        if name not in GOALS:
            raise KeyError(name)
        self._values[name] = value

    def fail(self, stage: str, reason: str) -> None:
        """The stage gave no figure, and why."""
        self._problems[stage] = reason

    def document(self) -> dict[str, Any]:
        """`figures`: name -> value, unit, goal, ok; `problems`: stage -> reason; `ok`: all goals hold."""
        told = {
            name: {
                "value": round(self._values[name], 3),
                "unit": goal.unit,
                "goal": str(goal),
                "ok": goal.holds(self._values[name]),
            }
            for name, goal in GOALS.items()
            if name in self._values
        }
        return {
            "ok": not self._problems and all(each["ok"] for each in told.values()),
            "figures": told,
            "problems": self._problems,
        }
